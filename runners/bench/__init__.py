"""The demo and the learning benchmark: the whole loop from beginning to end."""
