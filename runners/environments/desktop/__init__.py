"""A desktop to work on: a screen of its own with programs, read by its accessibility tree and used by mouse and keyboard."""
