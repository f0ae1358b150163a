"""Strict reading of JSON from outside, and JSON as Go writes it."""
