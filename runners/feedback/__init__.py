"""Ratings, corrections, the reviewer and imported sessions."""
