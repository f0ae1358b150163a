"""Images and the homes they live in: registries and OCI layouts."""
