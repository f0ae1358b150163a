"""Programs that other tools call to sign with imagesig's keys: console scripts, one for each protocol."""
