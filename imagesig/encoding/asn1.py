"""Reading ASN.1 with asn1crypto, which parses as late as it can and fails where it then is."""

from __future__ import annotations

UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What asn1crypto raises, sooner or later, for bytes that are not what they should be."""
