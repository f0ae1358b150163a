"""Blobs: signing and verifying files, streams and bytes that are no images."""
