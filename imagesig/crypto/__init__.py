"""Algorithms, public keys, certificates and signature encodings. Pure; the primitives are `cryptography`'s."""
