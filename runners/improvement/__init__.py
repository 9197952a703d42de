"""The improvement loop at work: the process manager, the worker, trainings, gate and rollouts."""
