# %% [markdown]
# # 30 · Producers
#
# **What.** Makes the two producer hosts download their half of the pairs and serve them to the consumers: strategy,
# feed, config, service; then starts them.
#
# **Why.** Consumers can only stop downloading when somebody serves them every pair. Producers first: a consumer that
# starts before its producers asks the exchange after all.
#
# **How long.** A minute.
#
# **What can go wrong.** A producer that does not start changes nothing for the feeders: they go on downloading. For as
# long as feeders and producers both run, the exchange sees both.

# %% tags=["parameters"]
site = "params/lab.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from runbook_lib import open_phase, producers

phase = open_phase("30_producers", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## What will be done
#
# Every file as a diff, every service and what happens to it. Tokens are generated, once, and shown masked. This cell
# changes nothing.

# %%
plan = producers.plan(phase)
plan

# %% [markdown]
# ## What must be true before
#
# The hosts' own freqtrade reads each config and knows every key in it, before it is put in place.

# %%
phase.require(producers.fit(phase, plan))

# %% [markdown]
# ## Apply
#
# Each step is written to the journal before it is done; what stood there before is kept on the host. A producer that
# does not come up is put back as it was.

# %%
rollout = producers.apply(phase, plan)
rollout

# %% [markdown]
# ## What must be true after
#
# The bot itself says that it runs (its exit status says nothing), it holds candles of all its pairs, and its port
# answers the consumers.

# %%
phase.require(producers.gate(phase, rollout))

# %% [markdown]
# ## If it passed
#
# By hand: save first (Ctrl+S), because later notebooks read this one's results from its file. Then open
# [40 · Consumers](40_consumers.ipynb).

# %% [markdown]
# ## If it stopped here
#
# The feeders run as before. `systemctl status` and `journalctl` of the producer's unit say why it does not serve;
# running this notebook again plans only what is still missing.
