"""Mutation testing of the code that decides a verdict: see `python -m tests.mutants --help`."""
