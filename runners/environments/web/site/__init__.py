"""A small site to learn and to try with: a shop and a mail program, with tasks that are checked by their state."""
