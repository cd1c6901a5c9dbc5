# %% [markdown]
# # 70 · Failover drill
#
# **What.** Kills a data producer on purpose, follows the fleet candle by candle while it is down, brings it back, and
# follows it until it has its pairs again. If the site file says so (`gates.drill_both`), then all producers for one
# candle.
#
# **Why.** Two producers are redundant when one has been seen to fail and nobody noticed; not before.
#
# **How long.** About as many candles as the site asks for (`gates.drill_candles`, `gates.drill_candles_after`), and two
# more.
#
# **What can go wrong.** The other producer does not take over: then consumers ask the exchange themselves, or wait.
# What was killed is brought back whatever happens; if this machine dies meanwhile, running this notebook again begins
# with that.

# %% tags=["parameters"]
site = "params/lab.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from runbook_lib import failover_drill, open_phase

phase = open_phase("70_failover_drill", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## What is down already
#
# A drill that was cut off may have left a producer down. Most often there is nothing to do here.

# %%
plan = failover_drill.plan(phase)
plan

# %% [markdown]
# Only what is down is started.

# %%
restored = failover_drill.restore(phase, plan)
restored

# %% [markdown]
# ## What must be true before
#
# All bots run and hold fresh candles: nothing is taken from a fleet that is not well.

# %%
phase.require(failover_drill.ready(phase, restored))

# %% [markdown]
# ## Hold point

# %%
phase.hold("before_failover")

# %% [markdown]
# ## The drill
#
# The kill is SIGKILL, as a crash would be, and is in the journal before it is done. From here on a pause holds nothing:
# the drill goes on until the producer is back.

# %%
drill = failover_drill.drill(phase)
drill

# %% [markdown]
# ## How old a candle was when consumers had it
#
# From its close until the last of all pairs had arrived. A cross is a candle that came too late or never.

# %%
failover_drill.ages(phase, drill)

# %% [markdown]
# ## Who asked the exchange
#
# As the exchange counted it where it can be asked, else the bots' own logs. The dotted line is one request per pair:
# above it a longer candle closed as well, or something was downloaded twice; the gate tells the two apart.

# %%
failover_drill.requests(phase, drill)

# %% [markdown]
# ## What the feeds said meanwhile

# %%
drill.events

# %% [markdown]
# Candles of the drill that differ from the exchange's settled ones, if any, cell by cell.

# %%
drill.differences

# %% [markdown]
# ## The claims of the plan

# %%
failover_drill.claims(phase, drill)

# %% [markdown]
# ## Gate
#
# No candle missed by any consumer, no request of their own, nothing downloaded twice, and each producer with its own
# pairs again.

# %%
phase.require(failover_drill.gate(phase, drill))

# %% [markdown]
# ## If it passed
#
# By hand: save (Ctrl+S). In a terminal, `.venv/bin/runbook report --change` and the name of the change, which stands at
# the top, then draws the record up.

# %% [markdown]
# ## If it stopped here
#
# The producers run again, unless a line above says otherwise; running this notebook again starts what is down, and
# repeats the drill. A failed line says which promise was not kept: the fleet then lives with one producer at a time as
# badly as shown. Decide whether to stay, or undo all of it with [90 · Rollback](90_rollback.ipynb).
