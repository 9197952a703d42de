"""The options of the commands about runs, with their help."""
