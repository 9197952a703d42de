"""What is taken in from elsewhere: sets of examples, and runs of other programs."""
