# %% [markdown]
# # 20 · Greet
#
# **What.** Gives every greeter its new greeting, and some hosts a parrot that repeats it: first on one host, then on
# the others.
#
# **Why.** The old greeting is a sailor's.
#
# **How long.** A few seconds a host.
#
# **What can go wrong.** A greeter that does not come up with its new config is put back as it was; the others keep
# theirs.

# %% tags=["parameters"]
site = "town.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from greeter import canary, judged, open_phase, plan, rest

phase = open_phase("20_greet", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## What will be done
#
# Every file as a diff, every service and command and what happens to it. This cell changes nothing.

# %%
planned = plan(phase)
planned

# %% [markdown]
# ## The canary: one host

# %%
first = canary(phase, planned)
first

# %% [markdown]
# ## What must be true before the others follow
#
# The canary says what it should.

# %%
phase.require(judged(phase, "canary", first))

# %% [markdown]
# ## Hold point: the rest

# %%
phase.hold("before_rest")

# %% [markdown]
# ## The rest, in batches

# %%
others = rest(phase, planned)
others

# %% [markdown]
# ## What must be true after

# %%
phase.require(judged(phase, "rest", others))

# %% [markdown]
# ## If it passed
#
# Nothing is left to do; [90 · Rollback](90_rollback.ipynb) undoes it.

# %% [markdown]
# ## If it stopped here
#
# Mend what the gate names, and run this notebook again: what is done already is left alone.
