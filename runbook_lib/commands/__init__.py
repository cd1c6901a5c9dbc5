"""The verbs of the command line, one a module. This is the one place that knows migration, lab and engine at once."""
