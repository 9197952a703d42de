"""Trainings that run elsewhere: on a scheduler's machines, on a cluster, or on a machine without a connection."""
