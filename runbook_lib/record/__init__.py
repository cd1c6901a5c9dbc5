"""Executed notebooks -> change record: the folder, the scraps, the statement that binds it, the report."""
