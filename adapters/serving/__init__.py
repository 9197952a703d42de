"""Models that answer: a local one with its adapters, an endpoint, and the proof that an adapter is applied."""
