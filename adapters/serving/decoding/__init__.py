"""How answers are written fast: layers, attention, kept beginnings, guesses and slots."""
