"""Storage of adapter weights: immutable, under their own hash."""
