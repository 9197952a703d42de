"""The running service: where it listens, how its connections speak HTTP, and the worker beside it."""
