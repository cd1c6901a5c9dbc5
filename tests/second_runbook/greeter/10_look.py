# %% [markdown]
# # 10 · Look
#
# **What.** Asks every greeter what it says now, and changes nothing.
#
# **Why.** A greeter that is silent now would be blamed on the change.
#
# **How long.** A second.
#
# **What can go wrong.** Nothing on the hosts: this notebook reads.

# %% tags=["parameters"]
site = "town.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from greeter import look, open_phase

phase = open_phase("10_look", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## What must be true before anything is changed
#
# Every host's greeter runs and answers.

# %%
phase.require(look(phase))

# %% [markdown]
# ## If it passed
#
# Open [20 · Greet](20_greet.ipynb).

# %% [markdown]
# ## If it stopped here
#
# Nothing was changed. Wake the greeter that is silent, and run this notebook again.
