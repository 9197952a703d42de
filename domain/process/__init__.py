"""The improvement process: which commands follow from an event."""
