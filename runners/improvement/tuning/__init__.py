"""Trainings at an endpoint's fine-tuning API: whether data may go there, the job, its answers, and what remains there."""
