"""The agent: runs tasks step by step and records each run."""
