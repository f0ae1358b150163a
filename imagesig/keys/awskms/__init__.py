"""Keys in AWS KMS."""
