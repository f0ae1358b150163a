"""Algorithms, public keys and signature encodings: pure, and no primitive is ours."""
