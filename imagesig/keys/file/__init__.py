"""Keys in files, and keys in memory as text."""
