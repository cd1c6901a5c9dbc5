"""Values -> what a notebook cell, a terminal and the report show: tables, diffs, charts, badges, the progress of waits.

Nothing here knows what is being migrated. Import from the modules: ``charts`` loads matplotlib, the others are light.
"""
