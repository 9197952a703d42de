"""The tasks of the desktop, in families that draw each task from a seed."""
