# %% [markdown]
# # 90 · Rollback
#
# **What.** Puts every host back as this change found it, in reverse order.
#
# **Why.** Some miss the sailor.
#
# **How long.** A few seconds a host.
#
# **What can go wrong.** Somebody has edited a file since: it is not overwritten, and the rollback stops before it
# touches that host. A host out of reach is left as it is; the rollback fails until it is back, too.

# %% tags=["parameters"]
site = "town.yaml"
change_id = "by-hand"
dry_run = False

# %% [markdown]
# ## The change

# %%
from greeter import open_phase, restored, undo, what_to_undo

phase = open_phase("90_rollback", site=site, change_id=change_id, dry_run=dry_run)
phase

# %% [markdown]
# ## What will be undone
#
# What stands on the hosts now against what stood there before. This cell changes nothing.

# %%
planned = what_to_undo(phase)
planned

# %% [markdown]
# ## Hold point

# %%
phase.hold("before_rollback")

# %% [markdown]
# ## Undo

# %%
undo(phase, planned)

# %% [markdown]
# ## What must be true after
#
# Read again from the hosts: nothing is left to undo, and every greeter answers.

# %%
phase.require(restored(phase))

# %% [markdown]
# ## If it passed
#
# Everybody greets as before.

# %% [markdown]
# ## If it stopped here
#
# Run this notebook again: what is back already is left alone.
