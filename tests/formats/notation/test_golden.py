"""Envelopes that notation 1.3.2 made, and some of ours that it accepted: so the format is held without the tool too.

They were made in November 2026 for one image, with certificates until 2126: RSA 3072 in JWS, ECDSA P-384 in COSE.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagesig.crypto.certificate import Certificate
from imagesig.formats.notation import Notation
from imagesig.oci.manifest import OCI_MANIFEST
from imagesig.signature import Subject
from tests.chains import trusting
from tests.envelopes import of_bytes

GOLDEN = Path(__file__).parent / "golden"
TYPES = {"jws": "application/jose+json", "cose": "application/cose"}
DIGEST = "sha256:a600c375a80e094210d5d741c7adf6bc7bfb647dffb7e0e153c336c92f47451f"
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("envelope", TYPES)
@pytest.mark.parametrize("maker", ["notation", "imagesig"])
def test_a_recorded_envelope_is_accepted(maker: str, envelope: str) -> None:
    stored = of_bytes((GOLDEN / f"{maker}.{envelope}").read_bytes(), TYPES[envelope])
    root = Certificate.from_der((GOLDEN / "root.der").read_bytes())
    anchors = trusting(root, holders=["C=US, ST=WA, O=imagesig"])
    found = Notation().authenticate(Notation().parse(stored), anchors, LATER)
    assert all(check.passed for check in found.checks)
    assert found.authority == "acme"
    (subject,) = found.claim.subjects
    assert subject == Subject(DIGEST, OCI_MANIFEST, 400, subject.annotations)
    assert dict(subject.annotations) == {"build": "7"}
