"""The artifacts attached to an image, as they are stored. Nothing is verified."""
