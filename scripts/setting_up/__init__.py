"""Set-up from nothing but a Python: standard library only, since nothing is installed yet when it runs."""
