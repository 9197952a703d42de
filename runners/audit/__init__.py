"""The page that an auditor reads: one file, without a script and without the network."""
