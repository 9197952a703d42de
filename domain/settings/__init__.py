"""The settings: every value that people may change, with its type, range, default and source."""
