"""What an adapter learns from: recorded runs and imported sets as examples, chosen, mixed and held out."""
