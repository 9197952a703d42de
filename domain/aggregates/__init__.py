"""The aggregates: each makes its decisions from its own history, and records them as events."""
