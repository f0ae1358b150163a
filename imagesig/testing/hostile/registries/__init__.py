"""Registries on loopback that attack whoever reads them, signs in them or copies from them."""
