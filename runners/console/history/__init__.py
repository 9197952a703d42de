"""Commands that read the history: status, at, diff, why, lineage, log, what-if, replay, verify and prove."""
