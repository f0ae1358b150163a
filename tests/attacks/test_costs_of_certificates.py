"""Signatures that are cheap to send and dear to judge: what is counted is work, not time."""

from __future__ import annotations

import base64
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asn1crypto.keys import PublicKeyInfo, RSAPublicKey
from asn1crypto.x509 import Certificate as Parsed
from msgspec.structs import replace

from imagesig import sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.effort import one_image
from imagesig.encoding import cbor
from imagesig.errors import (
    BudgetExceeded,
    MalformedError,
    NoSignatureAccepted,
    TimestampInvalid,
    UnsupportedAlgorithm,
)
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.policy import Policy, Rule, Signed
from imagesig.stores import ReferrerStore, TagStore
from imagesig.trust import TimestampAuthorities
from tests.attacks.test_impossible_certificates import authority, key, of_bundle, of_classic, of_notation
from tests.chains import SUBJECT, Issuer, certified, intermediate, leaf, root, trusting
from tests.envelopes import stored, target
from tests.makers import NOW, private_key

pytestmark = pytest.mark.filterwarnings("ignore")
MIB = 1024 * 1024


@pytest.fixture
def image(tmp_path: Path) -> Image:
    build_image(Layout.create(tmp_path / "layout"), {"a": b"b"}, PLATFORMS[0], "1.0")
    return layout(tmp_path / "layout", "1.0")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often certificates are parsed and their signatures checked, whoever asks for it."""
    from cryptography import x509

    done: Counter[str] = Counter()
    real = x509.load_der_x509_certificate

    class Watched:
        def __init__(self, loaded: x509.Certificate) -> None:
            self._loaded = loaded

        def __getattr__(self, name: str) -> Any:
            return getattr(self._loaded, name)

        def verify_directly_issued_by(self, issuer: Any) -> None:
            done["checks"] += 1
            return self._loaded.verify_directly_issued_by(getattr(issuer, "_loaded", issuer))

    def load(data: bytes) -> Any:
        done["parsed"] += 1
        return Watched(real(data))

    monkeypatch.setattr(x509, "load_der_x509_certificate", load)
    return done


def maze(name: str = f"{SUBJECT},CN=root") -> Issuer:
    """A signer with nine certificates above it, all of one name and one key: each of them issued each."""
    below = root(name, number=955)
    above = tuple(root(name, number=955).certificate for _ in range(8))
    return replace(leaf(below, f"{SUBJECT},CN=odd", key=private_key(number=70)), above=(below.certificate, *above))


def fill(image: Image, signer: Issuer, count: int, form: Callable[[Image, Issuer], Any] = of_bundle) -> None:
    subject = image.home.resolve(image.target)
    made = form(image, signer)
    with image.signatures.transaction():
        for number in range(count):
            ReferrerStore().attach(
                image.home, subject, replace(made, annotations=type(made.annotations)({"n": str(number)}))
            )()


FORMS: dict[str, Callable[[Image, Issuer], Any]] = {
    "bundle": of_bundle,
    "jws": lambda image, signer: of_notation(image, signer, "jws"),
    "cose": lambda image, signer: of_notation(image, signer, "cose"),
}
forms = pytest.mark.parametrize("form", FORMS)


@forms
def test_a_policy_of_keys_parses_no_certificate(image: Image, form: str, work: Counter[str]) -> None:
    fill(image, certified(), 20, FORMS[form])
    work.clear()
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(image, Policy.any_of(private_key(number=5).public_key), now=NOW)
    assert work == Counter()
    assert all("bare keys only" in str(item.error) for item in refused.value.rejections)


@forms
@pytest.mark.parametrize("name", [f"{SUBJECT},CN=root", f"{SUBJECT},CN=elsewhere"], ids=["its name", "another name"])
def test_a_maze_of_certificates_costs_a_few_checks_for_each_signature(
    image: Image, form: str, name: str, work: Counter[str]
) -> None:
    fill(image, maze(name), 10, FORMS[form])
    trusted = trusting(root().certificate)
    work.clear()
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(image, Policy.any_of(trusted.authorities[0]), now=NOW)
    assert len(refused.value.rejections) == 10
    assert work["checks"] <= 10 * 6 + 1
    assert work["parsed"] <= 10 * 10 + 1


@forms
def test_a_pinned_certificate_that_is_put_into_a_strangers_chain_costs_one_check(
    image: Image, form: str, work: Counter[str]
) -> None:
    victim = certified()
    stranger = maze()
    fill(image, replace(stranger, above=(*stranger.above[:8], victim.chain[-1])), 10, FORMS[form])
    work.clear()
    with pytest.raises(NoSignatureAccepted):
        verify(image, Policy.any_of(trusting(victim.chain[-1]).authorities[0]), now=NOW)
    assert work["checks"] <= 10 * 6 + 1


def test_a_thousand_signatures_by_strangers_cost_little_and_hide_no_good_one(image: Image, work: Counter[str]) -> None:
    fill(image, maze(), 500, FORMS["cose"])
    fill(image, maze(), 490, FORMS["bundle"])
    sign(image, key(), formats=["notation-jws"], now=NOW)
    work.clear()
    with one_image():
        result = verify(image, Policy.any_of(authority(certified())), now=NOW)
    assert len(result.signatures) == 1
    assert len(result.rejections) == 990
    assert work["checks"] <= 990 * 6
    assert work["parsed"] <= 990 * 5
    reasons = [item.error for item in result.rejections]
    assert not any(isinstance(error, BudgetExceeded) for error in reasons)


def test_of_classic_signatures_by_strangers_a_few_checks_are_made(image: Image, work: Counter[str]) -> None:
    made = of_classic(image, maze())
    subject = image.home.resolve(image.target)
    TagStore().attach(image.home, subject, made)()
    work.clear()
    with pytest.raises(NoSignatureAccepted):
        verify(image, Policy.any_of(trusting(root().certificate).authorities[0]), now=NOW)
    assert work["checks"] <= 6


# --- keys ------------------------------------------------------------------------------------------------------------


def spki(bits: int, exponent: int) -> bytes:
    modulus = (1 << (bits - 1)) | (1 << 5) | 1
    encoded: bytes = PublicKeyInfo.wrap(RSAPublicKey({"modulus": modulus, "public_exponent": exponent}), "rsa").dump()
    return encoded


@pytest.mark.parametrize("exponent", [1, 2, 4, 65536, 2**31 + 1, 2**32 + 1, (1 << 2047) | 1])
def test_an_rsa_exponent_that_go_refuses_is_refused_before_it_is_used(exponent: int) -> None:
    with pytest.raises((UnsupportedAlgorithm, ValueError)):
        PublicKey.from_der(spki(2048, exponent))


def with_key(signer: Issuer, public: bytes) -> Certificate:
    parsed = Parsed.load(signer.certificate.der)
    parsed["tbs_certificate"]["subject_public_key_info"] = PublicKeyInfo.load(public)
    parsed["tbs_certificate"].dump(force=True)
    return Certificate.from_der(parsed.dump(force=True))


@pytest.mark.parametrize(("bits", "exponent"), [(3070, (1 << 3069) | 1), (2048, 2**33 + 1), (1024, 65537), (9000, 3)])
def test_a_costly_key_of_an_issuer_checks_nothing(bits: int, exponent: int, work: Counter[str]) -> None:
    issuer = with_key(root(), spki(bits, exponent))
    child = leaf(root()).certificate
    work.clear()
    assert not is_issued_by(child, issuer)
    assert work["checks"] == 0


def is_issued_by(child: Certificate, issuer: Certificate) -> bool:
    from imagesig.keys.chain import check_order

    try:
        check_order((child, issuer), "chain")
    except ValueError:
        return False
    return True


# --- objects ---------------------------------------------------------------------------------------------------------


def peak(work: Callable[[], object], *errors: type[Exception]) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(errors):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "item", [b"\x80", b"\xa0", b"\x40", b"\xf6", b"\x00"], ids=["array", "map", "bytes", "null", "number"]
)
def test_eight_mebibytes_of_tiny_cbor_values_take_no_memory(item: bytes) -> None:
    count = 8 * MIB
    data = b"\x9a" + count.to_bytes(4) + item * count
    assert peak(lambda: cbor.parse(data, "envelope"), MalformedError) < MIB
    nested = b"\xd2\x84\x40\xa1\x18\x21\x9a" + count.to_bytes(4) + item * count
    assert peak(lambda: cbor.parse(nested, "envelope"), MalformedError) < MIB


def test_lengths_beyond_the_data_are_refused_before_memory_is_taken() -> None:
    for head in (b"\x9a\x7f\xff\xff\xff", b"\xba\x7f\xff\xff\xff", b"\x5a\x7f\xff\xff\xff", b"\x9f", b"\xbf", b"\x5f"):
        assert peak(lambda head=head: cbor.parse(head + b"\x00" * 64, "envelope"), MalformedError) < MIB  # type: ignore[misc]


def test_a_timestamp_of_half_a_million_certificates_makes_no_objects() -> None:
    from imagesig.trust.timestamp_token import open_token

    data = b"\x30\x00" * 120_000
    tst_info = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04"
    parts = [b"\x02\x01\x03", b"\x31\x00", der(0x30, tst_info), der(0xA0, data), b"\x31\x00"]
    outer = der(0x30, b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + der(0xA0, der(0x30, b"".join(parts))))
    with pytest.raises(TimestampInvalid):
        open_token(outer)  # what is imported at first is not counted
    assert peak(lambda: open_token(outer), TimestampInvalid) < MIB


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag, 0x84]) + size.to_bytes(4) + content


def test_no_timestamp_of_a_stranger_is_opened(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    import imagesig.trust.timestamp as timestamp

    opened: list[bytes] = []

    def watched(token: bytes, *_: object) -> Any:
        opened.append(token)
        raise TimestampInvalid("watched")

    monkeypatch.setattr(timestamp, "open_token", watched)
    found = image.home.resolve(image.target)
    stamp = {"io.cncf.notary.timestampSignature": base64.b64encode(b"0" * 1000).decode()}
    stranger = leaf(intermediate(root(number=955), number=956), key=private_key(KeyType.ECDSA_P256, 66))
    for signer in (stranger, certified()):
        made = stored("jws", signer=signer, unprotected=stamp, payload=target(digest=found.digest, size=found.size))
        ReferrerStore().attach(image.home, found, made)()
    stamps = TimestampAuthorities(root().chain)
    trusted = Policy(Rule((Signed(trusting(certified().chain[-1]).authorities, timestamps=stamps),)))
    with pytest.raises(NoSignatureAccepted):
        verify(image, trusted, now=NOW)
    assert len(opened) == 1
