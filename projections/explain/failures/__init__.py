"""Failures: how often runs fail, by what, and which failures are alike. Pure: no text is read and nothing is stored here."""
