"""The texts beside the events: on their way into the log, and against what events name."""
