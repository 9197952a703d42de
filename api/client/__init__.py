"""Clients of a gateway for Python programs, sync and async alike. They load nothing of the log's side."""
