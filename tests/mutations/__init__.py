"""Valid signed images with one thing changed, judged by imagesig and by the real tools."""
