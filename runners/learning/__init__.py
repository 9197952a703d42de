"""The loop of feedback and training as one plays it from beginning to end: the demo's, and the benchmark's many."""
