"""Console scripts that other tools call to sign with imagesig's keys, one for each protocol."""
