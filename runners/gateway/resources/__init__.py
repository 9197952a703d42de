"""What the gateway answers beside completions: models, runs, its health, feedback, and the description of its API."""
