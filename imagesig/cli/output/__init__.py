"""What the command prints: text, JSON, reports, errors and progress."""
