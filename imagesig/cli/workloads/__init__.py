"""Kubernetes and compose files: the images that they name, and the files with pins."""
