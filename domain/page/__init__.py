"""Pages, prompts and actions: what the agent sees and may do."""
