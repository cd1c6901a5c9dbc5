# %% [markdown]
# # 60 · Validate
#
# **What.** Measures the fleet again, by the code that measured it before, and holds the plan's claims against both.
#
# **Why.** The migration is done when its promises are shown to be kept, not when its files are in place.
#
# **How long.** As long as the baseline.
#
# **What can go wrong.** Nothing on the hosts: this notebook reads.

# %% tags=["parameters"]
site = "params/lab.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from runbook_lib import open_phase, validate

phase = open_phase("60_validate", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## What must be true before
#
# All six bots run and hold candles.

# %%
phase.require(validate.ready(phase))

# %% [markdown]
# ## Measure

# %%
after = validate.measure(phase)
after

# %% [markdown]
# ## Before and after: candle requests

# %%
effect = validate.compare(phase, after)
effect.requests_chart

# %% [markdown]
# ## Before and after: request weight
#
# As the exchange itself reports it to each host, in the busiest minute.

# %%
effect.weight_chart

# %% [markdown]
# ## Before and after: how long after its close a candle is in the bots' hands

# %%
effect.delay_chart

# %% [markdown]
# ## Candles after
#
# White means: the same 64 bits as the exchange's settled value.

# %%
after.candles_chart

# %% [markdown]
# What differs, if anything, named one by one.

# %%
after.differences

# %% [markdown]
# ## What the change itself cost
#
# Bots that start load the list of markets, and producers their history: these calls do not fall with the feed.

# %%
effect.during

# %% [markdown]
# ## All figures

# %%
effect

# %% [markdown]
# ## The claims of the plan

# %%
claims = validate.claims(phase, effect)
claims

# %% [markdown]
# ## Gate

# %%
phase.require(validate.gate(phase, effect))

# %% [markdown]
# ## If it passed
#
# By hand: save first (Ctrl+S), because later notebooks read this one's results from its file. Then open
# [70 · Failover drill](70_failover_drill.ipynb).

# %% [markdown]
# ## If it stopped here
#
# The fleet runs with its consumers fed, but a promise is not kept: the failed line says which. Decide with the figures
# above whether to stay or to put the originals back; each lies on its host, and the journal names the place.
