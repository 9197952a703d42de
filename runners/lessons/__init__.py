"""Collecting examples before a training: retries, practice, exploration, teachers and imported sets."""
