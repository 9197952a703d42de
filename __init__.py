"""Grokputer: an agent that improves itself."""
