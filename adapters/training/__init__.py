"""Training an adapter in a process of its own: the job, the trainer, its objective and its cost."""
