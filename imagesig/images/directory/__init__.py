"""Images in directories, as containers/image's `dir:` writes them."""
