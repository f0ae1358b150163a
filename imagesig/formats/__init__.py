"""Signature formats: a module or folder for each, and a line in `imagesig.format_names` for each name.

Public names load on first use.
"""

from imagesig.lazy import lazy

PUBLIC = {
    "imagesig.formats.select": "ALL_FORMATS DEFAULT_FORMATS reader_of select_formats",
    "imagesig.formats.format": "Format",
    "imagesig.format_names": "Storage",
    "imagesig.formats.cosign": "Cosign",
    "imagesig.formats.bundle": "Bundle",
    "imagesig.formats.attestation": "CosignAttestation",
    "imagesig.formats.bundle_attestation": "BundleAttestation",
    "imagesig.formats.notation.notation": "ManifestForm Notation",
    "imagesig.formats.notation.envelope": "Attribute",
}

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC)
