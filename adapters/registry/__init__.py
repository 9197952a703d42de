"""Where adapter weights lie: immutable, under their own hash."""
