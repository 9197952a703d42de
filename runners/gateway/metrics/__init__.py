"""Metrics of a gateway: what the log knows, and what this process knows."""
