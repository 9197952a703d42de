"""The tables for SQL users."""
