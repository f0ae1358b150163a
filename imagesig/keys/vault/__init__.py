"""Keys in the transit engine of HashiCorp Vault and OpenBao."""
