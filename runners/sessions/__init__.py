"""Sessions and runs of other programs: read, recorded, and exported again."""
