"""Scripts that run on hosts: standard library alone, Python 3.9 and newer. Shipped as data, never imported."""
