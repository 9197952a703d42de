"""A/B comparisons of two adapters: pairs, intervals and the go or no-go."""
