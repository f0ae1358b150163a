"""in-toto statements, and the types of their predicates. Pure."""
