# %% [markdown]
# # 10 · Preflight
#
# **What.** Looks at every host, every config and every connection that the migration needs, and changes nothing.
#
# **Why.** Everything that would stop the migration half-way is cheaper to find now, while four feeders still run as
# they always have.
#
# **How long.** Under a minute.
#
# **What can go wrong.** Nothing on the hosts: this notebook reads. If a check fails, its line says where, what and
# what to do.

# %% tags=["parameters"]
site = "params/lab.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change
#
# Read the line *mode* before you go on. Everything that this notebook finds out is kept in the change's own folder.

# %%
from runbook_lib import open_phase, preflight

phase = open_phase("10_preflight", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## Who is there
#
# One connection to every host, its key held against `known_hosts`. No host's key is ever accepted unseen.

# %%
hosts = preflight.observe(phase)
hosts

# %% [markdown]
# ## What must be true before anything is changed
#
# freqtrade fit for this runbook, clocks that agree, room on the disk, ports free and reachable from every consumer,
# configs without unknown keys or placeholder secrets, every pair with exactly one producer. A check
# that does not succeed stops the runbook here.

# %%
phase.require(preflight.gate(phase, hosts))

# %% [markdown]
# ## If it passed
#
# By hand: save first (Ctrl+S), because later notebooks read this one's results from its file. Then open
# [20 · Baseline](20_baseline.ipynb).

# %% [markdown]
# ## If it stopped here
#
# Nothing was changed. Mend what the failed line names, and run this notebook again: it observes everything anew.
