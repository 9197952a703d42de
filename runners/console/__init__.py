"""The commands of the command line: each parses its arguments, calls the code that does the work, and prints the result."""
