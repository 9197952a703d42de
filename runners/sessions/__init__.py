"""Sessions of other programs: read, recorded as runs, and exported again."""
