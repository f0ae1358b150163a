"""The commands about files that are no images, a module for each."""
