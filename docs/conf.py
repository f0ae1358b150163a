"""Sphinx configuration."""

from __future__ import annotations

from typing import Any

from sphinx.ext.napoleon import GoogleDocstring

import imagesig

project = "imagesig"
author = "The imagesig maintainers"
release = version = imagesig.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
html_theme = "furo"
html_show_copyright = False
html_title = f"imagesig {release}"
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
default_role = "code"
highlight_language = "shell"


def _as_it_is(docstring: Any) -> list[str]:
    """Napoleon would read "words: more" in the docstring of an attribute as a type."""
    return list(docstring._consume_to_end())


GoogleDocstring._parse_attribute_docstring = _as_it_is  # type: ignore[method-assign]
