"""Models that an endpoint tunes by its fine-tuning API, and keeps: the dataset as a file, the job there, and its answers."""
