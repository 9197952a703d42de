"""MiniWoB++: small web tasks with a verifier, and scripted demonstrations of some of them."""
