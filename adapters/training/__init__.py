"""Training an adapter in its own process: the job, the trainer, its objective and its cost."""
