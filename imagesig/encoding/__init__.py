"""Strict parsers for untrusted JSON, CBOR, ASN.1 and TOML, and writers of JSON and CBOR."""
