"""A shell to work in: tasks on files, done by commands in a sandbox, and checked by what is in the folder afterwards."""
