"""HTTP: deadlines, bounded bodies, judged addresses, redirects by hand."""
