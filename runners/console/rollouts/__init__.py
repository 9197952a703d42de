"""Commands on rollouts: rollouts, ab and alerts."""
