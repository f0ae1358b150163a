"""Keys in PKCS#11 tokens: HSMs, smart cards, SoftHSM."""
