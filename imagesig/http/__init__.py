"""An HTTP client with deadlines, bounded bodies, checked addresses and its own redirects."""
