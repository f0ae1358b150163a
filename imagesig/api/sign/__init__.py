"""Signing: `sign`, `sign_many` and the run that they share."""
