"""The senses: an engine that reads pictures, and one that hears speech. No screen and no environment is needed."""
