"""Sequential evidence (e-values): verdicts on canaries and ratings that are valid at any stopping time."""
