"""Sphinx configuration."""

from __future__ import annotations

import imagesig

project = "imagesig"
author = "The imagesig maintainers"
release = version = imagesig.__version__
extensions = ["sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"imagesig {release}"
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
default_role = "code"
