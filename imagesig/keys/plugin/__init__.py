"""Keys behind the plugins of notation and cosign."""
