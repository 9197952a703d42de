"""The Python API: ``grokputer.open`` returns a log."""
