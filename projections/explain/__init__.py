"""Explanations: why an adapter, a run or a setting is what it is, read from the log."""
