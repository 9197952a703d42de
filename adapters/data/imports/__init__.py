"""Sets of examples from outside: rows of any common file, in the forms they are published in, as examples of ours."""
