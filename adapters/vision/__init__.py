"""Pictures in prompts: what a vision model is given for them, and how it answers."""
