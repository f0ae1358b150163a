"""The `imagesig` command: parse, call, render, exit status. Nothing in the library imports it."""
