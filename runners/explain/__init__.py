"""The explanation of a name, and the auditor's page: one file without scripts or network access."""
