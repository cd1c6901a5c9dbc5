# %% [markdown]
# # 40 · Consumers
#
# **What.** Turns the feeders into consumers, one at a time: the existing config is edited, a subclass of the
# operator's own strategy is put beside it, the service is restarted.
#
# **Why.** From here on the consumers ask the producers for candles, and the exchange only when no producer can answer.
#
# **How long.** About half a minute a consumer.
#
# **What can go wrong.** A consumer that does not come up, or still asks the exchange, stops the roll-out: the feeders
# not yet reached stay as they are.

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
# ## Apply, one at a time
#
# The first consumer is the canary. Each must run, hold every pair and have asked the exchange for no candle before the
# next one is touched.

# %%
rollout = consumers.apply(phase, plan)
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
# The table above says which consumers were changed. Each original config is kept on its host; the journal names the
# place. A consumer without producers downloads for itself, as it did before.
