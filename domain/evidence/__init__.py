"""Sequential evidence (e-values): canaries and rating triggers that stay valid at any stopping time."""
