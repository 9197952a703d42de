"""How a role stands: its figures, what it waits for, and whether it is getting better."""
