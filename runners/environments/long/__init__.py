"""Long tasks: several short ones asked for at once, done in their order or in any other, and checked at the end."""
