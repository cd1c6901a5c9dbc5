"""Parameters -> papermill -> executed notebooks, and what a notebook holds while it runs."""
