"""Shares the fake servers."""

from fleets import servers, tiny_model  # noqa: F401
