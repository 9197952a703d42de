"""What the agent does to a page, as real input."""
