"""Sets of which imagesig 0.1 can run little: counted, so that nobody takes them for tested."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest

from imagesig.crypto.certificate import Certificate
from imagesig.errors import FormatViolation, MalformedError, NotTrusted
from imagesig.formats.bundle import Bundle
from imagesig.formats.certified import read_chain, verified_by_signer
from imagesig.formats.cosign_family import CANDIDATES
from imagesig.trust import CertificateAuthority, TrustAnchors
from imagesig.trust.chain import paths_to_authorities
from tests.makers import stored_bundle
from tests.vectors import report, vectors


@pytest.mark.parametrize("name", ["sigstore-conformance", "sigstore-bundles-extra"])
def test_sigstore_bundles(name: str) -> None:
    """They sign blobs and provenance, which are no images: each must be refused, and none may crash.

    Where there is a DSSE envelope with a certificate, the envelope's signature and the path to Fulcio's root hold (what
    is wrong with the others is in the log, which imagesig does not read), and what refuses is the statement.
    """
    folder = vectors(name)
    cases = json.loads((folder / "cases.json").read_text())["cases"]
    ran = 0
    for case in cases:
        stored = stored_bundle((folder / case["bundle"]).read_bytes())
        authorities = fulcio(vectors("sigstore-conformance") / case["trusted_root"]) if case["trusted_root"] else ()
        try:
            envelope = Bundle().parse(stored)
        except (FormatViolation, MalformedError):
            continue
        chain = read_chain(envelope.chain)
        at = chain[0].not_before + timedelta(minutes=1)
        verified_by_signer(envelope, chain[0], CANDIDATES)
        ((_, path),) = paths_to_authorities(chain[0], chain[1:], authorities, at)
        assert len(path) > 1
        with pytest.raises(NotTrusted):
            paths_to_authorities(chain[0], chain[1:], (), at)
        with pytest.raises(FormatViolation, match="predicate type"):
            Bundle().authenticate(envelope, TrustAnchors((), authorities), at)
        ran += 1
    assert ran
    left = "sign blobs, or in the bundle's older versions: refused as no image signature"
    report(name, ran, {left: len(cases) - ran})


def fulcio(trusted_root: Path) -> tuple[CertificateAuthority, ...]:
    if not trusted_root.is_file():
        return ()
    listed = json.loads(trusted_root.read_text())["certificateAuthorities"]
    return tuple(
        CertificateAuthority(
            f"fulcio {number}",
            tuple(
                Certificate.from_der(base64.b64decode(item["rawBytes"]))
                for item in authority["certChain"]["certificates"]
            ),
        )
        for number, authority in enumerate(listed)
    )


def test_cosign_images_is_a_table_without_its_registry() -> None:
    folder = vectors("cosign-images")
    table = json.loads((folder / "cases.json").read_text())
    shipped = [name for name, path in table["keys"].items() if (folder / path).exists()]
    assert not shipped, "the keys are shipped now: run the cases"
    report("cosign-images", 0, {"the images and keys that the table names are not shipped": len(table["cases"])})
