"""Kubernetes and compose files: finding the images that they name, and pinning them."""
