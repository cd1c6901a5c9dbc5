# %% [markdown]
# # 90 · Rollback
#
# **What.** Puts the fleet back as this change found it: consumers first, in reverse order, then the producers. Every
# file to the byte and to the permission bit, every service as it ran, what was created gone.
#
# **Why.** A migration that can not be undone is a bet. The journal knows what stood where before each step, and the
# originals are kept on the hosts.
#
# **How long.** About a minute for all hosts, then as long as the baseline to measure that all is as before.
#
# **What can go wrong.** Somebody has edited a file since. It is not overwritten: it is shown with its diff, and the
# rollback waits for a decision. Or a host is out of reach: it is left as it is and the others are put back, but the
# rollback fails as long as that host is not as before, too.

# %% tags=["parameters"]
site = "params/lab.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from runbook_lib import open_phase, rollback

phase = open_phase("90_rollback", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## What this change has done
#
# From its journal: every step on every host, and what came of it.

# %%
rollback.done(phase)

# %% [markdown]
# ## What will be undone
#
# What stands on the hosts now against what stood there before. This cell changes nothing.

# %%
plan = rollback.plan(phase)
plan

# %% [markdown]
# ## What must be true before
#
# Every original is where the journal says, and nobody has edited since what would be put back. What was edited needs
# a decision: overwrite it, or keep it as it is.

# %%
plan = rollback.decide(phase, plan)
phase.require(rollback.fit(phase, plan))

# %% [markdown]
# ## Hold point

# %%
phase.hold("before_rollback")

# %% [markdown]
# ## Undo
#
# A feeder asks the exchange itself again as soon as its own config is back; producers end when nobody is left that
# listens to them.

# %%
rollback.apply(phase, plan)

# %% [markdown]
# ## What must be true after
#
# Read again from the hosts: every file and every service as it was. The feeders run and hold fresh candles.

# %%
phase.require(rollback.restored(phase))

# %% [markdown]
# ## Measure
#
# By the code that measured the baseline.

# %%
again = rollback.measure(phase)
again

# %% [markdown]
# ## Candle requests: before the change, and now

# %%
rollback.chart(phase, again)

# %% [markdown]
# ## Gate
#
# The feeders ask the exchange as often as they did before, request for request.

# %%
phase.require(rollback.gate(phase, again))

# %% [markdown]
# ## What stays
#
# The originals and what was written, below `.runbook` on each host, and the bots' own logs: nobody's evidence is
# thrown away. Directories that came with the change and that somebody has put something in: the gate names them. Remove
# `.runbook` by hand when the change record is closed.

# %% [markdown]
# ## If it passed
#
# By hand: save (Ctrl+S). In a terminal, `.venv/bin/runbook report --anew --change` and the name of the change, which
# stands at the top, then draws the record up: from now on it speaks of the rollback.

# %% [markdown]
# ## If it stopped here
#
# Run this notebook again: what is back already is left alone. A host that could not be reached is put back as soon as
# it can be; the journal knows what is still to do.
