"""The pages of ``grokputer serve``: HTML for people, and the same as JSON for programs at the same address."""
