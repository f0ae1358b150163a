"""Images in registries, OCI layouts, archives and directories: opening, reading, writing and copying them."""
