"""What hangs on an image, as it is stored: nothing of it is verified."""
