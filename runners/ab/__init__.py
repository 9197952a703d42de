"""Running A/B comparisons."""
