"""Layouts, archives and folders on disk that attack their readers."""
