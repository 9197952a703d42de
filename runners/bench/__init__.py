"""The demo and the learning benchmark: the whole loop, played from beginning to end."""
