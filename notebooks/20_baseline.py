# %% [markdown]
# # 20 · Baseline
#
# **What.** Measures the fleet as it is: candle requests, request weight, streams, rejections, and every candle that
# every feeder holds, held against the exchange's own.
#
# **Why.** The plan promises 75 % fewer calls and identical data. A promise about *after* needs a *before* that was
# measured the same way, by the same code.
#
# **How long.** Until the next candle opens, and then as many candles as the site asks for (`gates.candles`).
#
# **What can go wrong.** Nothing on the hosts: this notebook reads. It costs the exchange two requests per pair from
# this machine, and one `ping` per host and sample; both are shown.

# %% tags=["parameters"]
site = "params/lab.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from runbook_lib import baseline, open_phase

phase = open_phase("20_baseline", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## What must be true before
#
# Every feeder runs and holds candles of every pair. Feeders that were just started are given time.

# %%
phase.require(baseline.ready(phase))

# %% [markdown]
# ## Measure
#
# The cell waits for whole candles, so that every request belongs to the candle that caused it. It says what it waits
# for.

# %%
before = baseline.measure(phase)
before

# %% [markdown]
# ## Candle requests
#
# Who asks how often, per closed candle. This is the number that the plan wants to fall.

# %%
before.requests_chart

# %% [markdown]
# ## Candles
#
# A cell is one value of one candle of one pair on one host. White means: the same 64 bits as the exchange's settled
# value.

# %%
before.candles_chart

# %% [markdown]
# What differs, if anything, named one by one.

# %%
before.differences

# %% [markdown]
# ## Is the measurement good enough to build on
#
# Too little data, or two meters that disagree, and there is nothing to compare *after* with.

# %%
phase.require(baseline.gate(phase, before))

# %% [markdown]
# ## If it passed
#
# By hand: save first (Ctrl+S), because later notebooks read this one's results from its file. Then open
# [30 · Producers](30_producers.ipynb).

# %% [markdown]
# ## If it stopped here
#
# Nothing was changed. Too little data: run it again. Meters that disagree: find out which bots call the exchange that
# this site file does not know of.
