"""The aggregates: each decides on its own history and records events."""
