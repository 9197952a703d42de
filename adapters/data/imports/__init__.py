"""Sets of examples from outside: rows of common file formats, in their published forms, as examples."""
