"""Attesting: `attest`, `attest_many` and their options."""
