"""Coverage-guided fuzzing of every parser of untrusted bytes: see `python -m tests.fuzz --help`."""
