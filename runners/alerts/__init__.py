"""Delivering alerts: the dispatcher and its channels."""
