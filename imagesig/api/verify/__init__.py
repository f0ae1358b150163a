"""Verifying: `verify`, `verify_many` and the steps that they share."""
