"""Adapters at several vLLM endpoints: each is loaded under the hash of its weights, and proven before it gets traffic."""
