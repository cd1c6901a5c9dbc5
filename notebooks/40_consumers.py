# %% [markdown]
# # 40 · Consumers
#
# **What.** Turns the feeders into consumers, one first, then the others in batches: the existing config is edited, a
# subclass of the operator's own strategy is put beside it, the service is restarted.
#
# **Why.** From here on the consumers ask the producers for candles, and the exchange only when no producer can answer.
#
# **How long.** About half a minute a batch, and some candles to watch the first consumer.
#
# **What can go wrong.** A consumer that does not come up is put back as it was, by itself, and the roll-out stops when
# more fail than the site file allows. Feeders that were not reached are not touched.

# %% tags=["parameters"]
site = "params/lab.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from runbook_lib import consumers, open_phase

phase = open_phase("40_consumers", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## What will be done
#
# The operator's config keeps its comments and its order; the diff shows each line that changes. This cell changes
# nothing.

# %%
plan = consumers.plan(phase)
plan

# %% [markdown]
# ## What must be true before
#
# Both producers serve all their pairs, and the hosts' own freqtrade accepts each edited config.

# %%
phase.require(consumers.fit(phase, plan))

# %% [markdown]
# ## Hold point: the first consumer
#
# Above: what will be written, and that it is fit to be.

# %%
phase.hold("before_consumers")

# %% [markdown]
# ## The canary
#
# One consumer. It must run, hold every pair and have asked the exchange for no candle since its start.

# %%
canary = consumers.canary(phase, plan)
canary

# %% [markdown]
# ## The canary, watched
#
# Over whole candles: it holds fresh ones, makes no candle request of its own, and each of its cells is the exchange's
# settled value. If not, the other feeders stay as they are.

# %%
phase.require(consumers.watched(phase, plan, canary))

# %% [markdown]
# ## Hold point: the rest

# %%
phase.hold("before_rest")

# %% [markdown]
# ## The rest, in batches
#
# Consumers that are as they should be are left alone; so running this again reaches the failed and the unreached.

# %%
rollout = consumers.rest(phase, plan, canary)
rollout

# %% [markdown]
# ## What must be true after

# %%
phase.require(consumers.gate(phase, rollout))

# %% [markdown]
# ## If it passed
#
# By hand: save first (Ctrl+S), because later notebooks read this one's results from its file. Then open
# [60 · Validate](60_validate.ipynb).

# %% [markdown]
# ## If it stopped here
#
# The tables above say which consumers were changed and which were put back. Mend what the gate names, then run this
# notebook again; or undo all of it with [90 · Rollback](90_rollback.ipynb). A consumer without producers downloads for
# itself, as it did before.
