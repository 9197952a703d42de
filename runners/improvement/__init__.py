"""The improvement loop: the process manager, the worker, trainings, gate and rollouts."""
