"""The state: everything that follows from the log up to one position."""
