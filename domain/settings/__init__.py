"""The settings: every value that people can change, with its type, range, default and source."""
