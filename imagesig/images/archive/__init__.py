"""Images in archives: a tar with an OCI layout, or what `docker save` writes."""
