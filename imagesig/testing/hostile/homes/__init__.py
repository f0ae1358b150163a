"""Layouts, archives and folders on disk that attack whoever reads them."""
