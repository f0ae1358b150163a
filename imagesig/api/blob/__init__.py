"""Blobs: signing and verifying files, streams and bytes."""
