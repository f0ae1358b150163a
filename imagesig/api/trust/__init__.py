"""Docker Content Trust: the functions that show trust data and change them, one module each."""
