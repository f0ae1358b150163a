"""Registries on loopback that attack programs that verify, sign or copy their images."""
