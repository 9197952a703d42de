"""The pure rules: routing, roles, canary, gate and cost."""
