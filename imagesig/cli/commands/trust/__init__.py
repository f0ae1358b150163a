"""`imagesig trust`: the commands about Docker Content Trust, a module for each."""
