"""OCI vocabulary as frozen values: digests, descriptors, references, manifests and indexes."""
