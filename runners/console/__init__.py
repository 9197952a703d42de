"""The commands of the command line: each parses, calls what does the work, and prints what came of it."""
