"""Function calls of the Berkeley Function Calling Leaderboard (BFCL v4): its tasks, judged by its own checker."""
