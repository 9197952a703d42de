"""The store: the log, its writer, its content, its snapshots and its SQL tables in one SQLite file."""
