"""A browser with sessions, tabs, dialogs and downloads, and one run's visit in it."""
