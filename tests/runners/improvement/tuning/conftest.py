"""Shares the fake endpoint and the log."""

from tunings import endpoint_key, history, server, written  # noqa: F401
