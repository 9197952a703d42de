"""Carrying out A/B comparisons."""
