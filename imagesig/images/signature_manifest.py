"""The config of the manifest that holds classic signatures, in cosign's bytes. Pure.

Spec: sigstore/cosign specs/SIGNATURE_SPEC.md, "Storage".
"""

from __future__ import annotations

from imagesig.encoding.json import go_json

_CREATED = "0001-01-01T00:00:00Z"


def config_bytes(payload_digests: list[str]) -> bytes:
    """The config blob that cosign writes for signatures with these payloads."""
    return go_json(
        {
            "architecture": "",
            "created": _CREATED,
            "history": [{"created": _CREATED} for _ in payload_digests],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": payload_digests},
            "config": {},
        }
    )
