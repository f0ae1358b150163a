"""Keys in files, and keys that a program holds as text."""
