"""Shares the fake servers."""

from fleets import servers, store, tiny_model  # noqa: F401
