"""The accessibility tree of the programs, read over D-Bus."""
