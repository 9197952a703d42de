"""Ratings, corrections and the reviewer."""
