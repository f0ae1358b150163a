"""What a policy means, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from imagesig.policy import AUDIT, Identity, KeyReference, Signed
from imagesig.policy.describe import describe_authority
from imagesig.trust import CertificateAuthority, Role, TimestampAuthorities, TrustedKey, Window
from imagesig.trust.holder import Holder
from tests.chains import root
from tests.makers import NOW, private_key

KEY = private_key().public_key
WINDOW = Window(NOW, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("authority", "said"),
    [
        (TrustedKey("k", (KEY,)), KEY.fingerprint),
        (TrustedKey("k", (KEY,), WINDOW), f"{KEY.fingerprint}; {WINDOW}"),
        (KeyReference("release.pub"), "release.pub"),
        (KeyReference("release.pub", window=WINDOW), f"release.pub; {WINDOW}"),
        (KeyReference("release.pub", fingerprint=KEY.fingerprint), f"release.pub pinned to {KEY.fingerprint}"),
        (CertificateAuthority("ca", root().chain), "1 certificates as ca; every holder it certified"),
        (
            CertificateAuthority("ca", root().chain, (Holder.of("a@b.example"),), Role.SIGNING_AUTHORITY),
            "1 certificates as signingAuthority; e-mail address: a@b.example",
        ),
    ],
    ids=["key", "key with a window", "reference", "with a window", "pinned", "authority", "its holders"],
)
def test_an_authority_is_described_by_where_it_is_and_when_it_counts(authority: object, said: str) -> None:
    assert describe_authority(authority) == said  # type: ignore[arg-type]


def test_what_a_requirement_asks_beyond_the_usual_is_said() -> None:
    key = TrustedKey("k", (KEY,))
    usual = Signed((key,)).describe()
    for word in ("identity", "annotation", "formats", "timestamps", "authenticity"):
        assert word not in usual
    every = Signed(
        (key,),
        annotations={"a": "b"},  # type: ignore[arg-type]
        identity=Identity.any(),
        formats=("cosign",),
        timestamps=TimestampAuthorities(root().chain),
        enforcement=AUDIT,
    ).describe()
    assert every.endswith(
        f"identity {Identity.any()}; annotation a=b; formats cosign; timestamps; "
        "authenticity log, authentic timestamp log, expiry log, revocation log"
    )
