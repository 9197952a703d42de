"""A log as one file of SQLite."""
