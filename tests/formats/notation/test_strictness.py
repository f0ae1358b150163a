"""Where Notary Project signatures are read strictly: each rule of the specification beside the forgery that it stops.

Rows a to l are those that notation does not hold, or not wholly. Named elsewhere, because they are about other code:
b and e (tests/policy/files/test_notation.py: no plugin is ever run, policies that skip everything), c (revocation), i
(tests/api/test_notation.py: one broken referrer is one failed signature).
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.algorithms import (
    ECDSA_SHA256,
    RSA_PKCS1V15_SHA256,
    RSA_PSS_SHA256,
    RSA_PSS_SHA384,
    KeyType,
    ToSign,
)
from imagesig.encoding import cbor
from imagesig.errors import FormatViolation, ImagesigError, LimitExceeded, MalformedError, SignatureInvalid
from imagesig.format_names import NOTATION
from imagesig.formats.notation import Notation
from imagesig.formats.notation.envelope import (
    AUTHENTIC_SIGNING_TIME,
    EXPIRY_ATTRIBUTE,
    PLUGIN,
    SIGNING_SCHEME,
    SIGNING_TIME,
)
from imagesig.signature import StoredSignature
from tests.chains import CERTIFIES, SIGNS, certified, intermediate, issue, key_usage, leaf, root, trusting
from tests.envelopes import (
    AUTHORITY_HEADER,
    ENVELOPES,
    EXPIRING,
    GONE,
    authenticate,
    of_bytes,
    stored,
    target,
)
from tests.makers import NOW, private_key

both = pytest.mark.parametrize("envelope", ENVELOPES)


def refused(signature: StoredSignature, kind: type[ImagesigError] = FormatViolation, match: str | None = None) -> None:
    with pytest.raises(kind, match=match):
        authenticate(signature)


def failed(signature: StoredSignature) -> list[str]:
    return [check.name for check in authenticate(signature).checks if not check.passed]


@both
def test_an_intact_signature_is_accepted(envelope: str) -> None:
    assert failed(stored(envelope)) == []
    assert failed(stored(envelope, EXPIRING)) == []


# --- rows a to l ---------------------------------------------------------------------------------------------------


@both
def test_row_a_an_unknown_critical_attribute_is_refused(envelope: str) -> None:
    changes = {"crit": [SIGNING_SCHEME, "com.example.new"], "com.example.new": "x"}
    refused(stored(envelope, changes), match="not understood")
    assert authenticate(stored(envelope, changes), understood=frozenset({"com.example.new"})).authority == "acme"
    assert authenticate(stored(envelope, {"com.example.new": "x"})).authority == "acme"


def test_row_a_an_unknown_critical_label_that_is_a_number_is_refused() -> None:
    refused(stored("cose", {"crit": [SIGNING_SCHEME, 999], 999: "x"}), match="not understood")


@pytest.mark.parametrize("labels", [[1], [3], [1, 3]])
def test_row_a_in_cose_the_algorithm_and_the_content_type_may_be_critical(labels: list[int]) -> None:
    assert authenticate(stored("cose", {"crit": [SIGNING_SCHEME, *labels]})).authority == "acme"


@pytest.mark.parametrize("name", ["alg", "cty"])
def test_row_a_in_jws_a_member_that_the_standard_defines_is_not_critical(name: str) -> None:
    refused(stored("jws", {"crit": [SIGNING_SCHEME, name]}), match="which the header does not have")


@both
@pytest.mark.parametrize("plugin", ["../x", "/bin/true", "com.example.plugin", ""])
def test_row_b_a_signature_that_needs_a_plugin_is_refused_and_nothing_is_run(envelope: str, plugin: str) -> None:
    refused(stored(envelope, {"crit": [SIGNING_SCHEME, PLUGIN], PLUGIN: plugin}), match="imagesig runs none")


@both
@pytest.mark.parametrize(
    "purpose",
    [
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
    ],
)
def test_row_d_a_signer_certified_for_another_purpose_is_refused(envelope: str, purpose: x509.ObjectIdentifier) -> None:
    signer = leaf(root(), purposes=[ExtendedKeyUsageOID.CODE_SIGNING, purpose])
    refused(stored(envelope, signer=signer), match="extendedKeyUsage")


@both
def test_row_d_a_key_of_2047_bits_is_not_one_of_2048(envelope: str) -> None:
    odd = rsa.generate_private_key(public_exponent=65537, key_size=2047)
    good = leaf(root(), key=private_key(KeyType.RSA_2048))
    key = replace(good.private_key, loaded=odd)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(good.certificate.x509.subject)
        .issuer_name(good.certificate.x509.issuer)
        .public_key(odd.public_key())
        .serial_number(1)
        .not_valid_before(good.certificate.not_before)
        .not_valid_after(good.certificate.not_after)
        .add_extension(key_usage("digital_signature"), critical=True)
        .sign(root().private_key.loaded, hashes.SHA256())  # type: ignore[arg-type]
    )
    from cryptography.hazmat.primitives.serialization import Encoding

    chain = [certificate.public_bytes(Encoding.DER), root().certificate.der]
    refused(stored(envelope, signer=replace(good, key=key), chain=chain), match="2047 bits")


def test_row_f_json_names_are_compared_with_their_case_and_stand_once() -> None:
    lower = stored("jws")
    document = json.loads(lower.parts[0].content)
    shouting = {name.upper() if name == "protected" else name: value for name, value in document.items()}
    refused(of_bytes(json.dumps(shouting).encode(), "application/jose+json"), MalformedError, "only by case")
    refused(stored("jws", outer={"extra": 1}), match="members")
    refused(stored("jws", outer={"signatures": []}), match="members")
    twice = lower.parts[0].content.replace(b'{"payload"', b'{"payload": "e30", "payload"', 1)
    refused(of_bytes(twice, "application/jose+json"), MalformedError, "twice")


@both
def test_row_f_in_the_payload_too(envelope: str) -> None:
    artifact = target()["targetArtifact"]
    refused(stored(envelope, payload={"TARGETARTIFACT": artifact}), MalformedError, "only by case")
    refused(stored(envelope, payload={"targetArtifact": artifact, "also": artifact}))
    twice = json.dumps({"targetArtifact": artifact}).replace('"size"', '"size": 1, "size"').encode()
    refused(stored(envelope, payload=twice), MalformedError, "twice")
    assert authenticate(stored(envelope, payload=target(platform={"os": "linux"}))).authority == "acme"


@both
@pytest.mark.parametrize("away", [timedelta(days=3), timedelta(days=-30), timedelta(days=-20000)])
def test_row_g_a_claimed_signing_time_decides_nothing_and_is_remarked_on(envelope: str, away: timedelta) -> None:
    examined = authenticate(stored(envelope, {SIGNING_TIME: NOW + away}))
    (remark,) = [check for check in examined.checks if not check.passed]
    assert remark.name == "signingTime"
    assert remark.failure is None
    assert examined.authentic_time is None


def test_row_h_a_salt_of_another_length_is_refused() -> None:
    signer = certified(KeyType.RSA_2048)
    for envelope in ENVELOPES:
        other = replace(RSA_PSS_SHA256, salt_length=20)
        refused(stored(envelope, signer=signer, algorithm=other), SignatureInvalid)
        assert authenticate(stored(envelope, signer=signer), trusting(signer.chain[-1])).authority == "acme"


@both
def test_row_j_another_config_in_the_newer_form_is_remarked_on(envelope: str) -> None:
    newer = {"artifact_type": NOTATION, "config_type": "application/vnd.oci.image.config.v1+json"}
    assert failed(stored(envelope, manifest=newer)) == ["manifest"]
    assert failed(stored(envelope, manifest=newer | {"config_type": "application/vnd.oci.empty.v1+json"})) == []


@both
def test_row_k_sha_1_anywhere_in_the_chain_is_refused(envelope: str) -> None:
    rsa_key = private_key(KeyType.RSA_2048, 903)
    top = issue(None, rsa_key, "C=US,CN=rsa root", (x509.BasicConstraints(ca=True, path_length=None), True), CERTIFIES)
    signer = leaf(top)
    good = [item.der for item in signer.chain]
    assert authenticate(stored(envelope, signer=signer), trusting(top.certificate)).authority == "acme"
    for place in (0, 1):
        chain = [with_sha1(der) if number == place else der for number, der in enumerate(good)]
        refused(stored(envelope, signer=signer, chain=chain), match="sha1")
    alone = issue(None, rsa_key, "C=US,CN=alone", SIGNS)
    refused(stored(envelope, signer=alone, chain=[with_sha1(alone.certificate.der)]), match="sha1")


def with_sha1(der: bytes) -> bytes:
    """The certificate with the identifiers of RSA with SHA-256 made those with SHA-1; no library signs these now."""
    prefix = bytes.fromhex("2a864886f70d0101")
    assert der.count(prefix + b"\x0b") == 2
    return der.replace(prefix + b"\x0b", prefix + b"\x05")


@both
def test_row_l_extensions_of_an_authority_must_be_critical(envelope: str) -> None:
    for wrong in (
        root(constraints=(x509.BasicConstraints(ca=True, path_length=None), False)),
        root(usage=(key_usage("key_cert_sign"), False)),
        root(constraints=None),
        root(usage=None),
        root(usage=(key_usage("crl_sign"), True)),
    ):
        signer = leaf(wrong)
        refused(stored(envelope, signer=signer), match="critical")


# --- chain -----------------------------------------------------------------------------------------------------------


@both
def test_a_chain_out_of_order_is_refused(envelope: str) -> None:
    signer = certified()
    first, middle, last = (item.der for item in signer.chain)
    stranger = root(number=955).certificate.der
    for chain in ([first, last, middle], [first, middle], [first, last], [first, middle, last, stranger], [first]):
        refused(stored(envelope, chain=chain))
    refused(stored(envelope, chain=[middle, first, last]), SignatureInvalid)
    refused(stored(envelope, chain=[first, middle, last] * 5), LimitExceeded)


@both
def test_a_chain_whose_names_fit_and_whose_signature_does_not_is_refused(envelope: str) -> None:
    signer = certified()
    impostor = intermediate(root(number=955), number=956)
    refused(stored(envelope, chain=[signer.chain[0].der, *(item.der for item in impostor.chain)]))


@both
def test_more_authorities_than_the_path_length_allows_are_refused(envelope: str) -> None:
    lower = intermediate(intermediate(root()), "C=US,CN=lower", number=902)
    refused(stored(envelope, signer=leaf(lower)), match="authorities below")


@both
def test_a_self_signed_signer_keeps_the_rules_of_a_signer(envelope: str) -> None:
    alone = leaf(None)
    assert authenticate(stored(envelope, signer=alone), trusting(alone.certificate)).authority == "acme"
    authority = root(usage=(key_usage("digital_signature", "key_cert_sign"), True))
    with pytest.raises(FormatViolation, match="authority"):
        authenticate(stored(envelope, signer=authority), trusting(authority.certificate))


@both
@pytest.mark.parametrize(
    "usage",
    [
        None,
        (key_usage("digital_signature"), False),
        (key_usage("content_commitment"), True),
        (key_usage("digital_signature", "key_cert_sign"), True),
        (key_usage("digital_signature", "key_encipherment"), True),
        (key_usage("digital_signature", "crl_sign"), True),
        (key_usage("digital_signature", "key_agreement", "encipher_only"), True),
    ],
)
def test_a_signer_with_another_key_usage_is_refused(envelope: str, usage: Any) -> None:
    refused(stored(envelope, signer=leaf(root(), usage=usage)), match="keyUsage")


# --- algorithms ------------------------------------------------------------------------------------------------------


@both
def test_cve_2015_9258_an_algorithm_that_is_not_the_keys_is_refused(envelope: str) -> None:
    others = {"jws": ["ES384", "PS256", "none", "HS256", None, 1], "cose": [-35, -37, "ES256", None, True, 0]}
    for other in others[envelope]:
        refused(stored(envelope, {"alg": other}), match="alg is")


@both
def test_rsa_of_another_scheme_or_size_of_hash_is_refused(envelope: str) -> None:
    signer = certified(KeyType.RSA_2048)
    for algorithm in (RSA_PKCS1V15_SHA256, RSA_PSS_SHA384):
        refused(stored(envelope, signer=signer, algorithm=algorithm), SignatureInvalid)


@both
def test_an_ecdsa_signature_in_der_is_refused(envelope: str) -> None:
    good = stored(envelope)
    message = Notation().parse(good).message
    der = certified().private_key.sign(ToSign(message, ECDSA_SHA256))
    refused(stored(envelope, signature=der), match="r\\|\\|s")


@both
def test_a_signature_by_another_key_is_refused(envelope: str) -> None:
    attacker = replace(certified(), key=private_key(number=66))
    refused(stored(envelope, signer=attacker), SignatureInvalid)


@both
def test_another_payload_or_header_under_the_same_signature_is_refused(envelope: str) -> None:
    good = Notation().parse(stored(envelope))
    raw = good.signature
    refused(stored(envelope, payload=target(size=528), signature=raw), SignatureInvalid)
    refused(stored(envelope, {SIGNING_TIME: NOW}, signature=raw), SignatureInvalid)


# --- attributes ------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    "changes",
    [
        {"crit": []},
        {"crit": GONE},
        {"crit": SIGNING_SCHEME},
        {"crit": [SIGNING_SCHEME, SIGNING_SCHEME]},
        {"crit": [SIGNING_SCHEME, "absent"]},
        {"crit": [SIGNING_SCHEME, SIGNING_TIME]},
        {"crit": [SIGNING_SCHEME, EXPIRY_ATTRIBUTE]},
        {EXPIRY_ATTRIBUTE: NOW + timedelta(hours=1)},
        {**EXPIRING, EXPIRY_ATTRIBUTE: NOW - timedelta(hours=1)},
        {**EXPIRING, EXPIRY_ATTRIBUTE: NOW - timedelta(hours=2)},
        {"cty": "application/json"},
        {"cty": GONE},
        {SIGNING_SCHEME: "notary.x509.other"},
        {SIGNING_SCHEME: None},
        {SIGNING_SCHEME: GONE},
        {SIGNING_TIME: GONE},
        {SIGNING_TIME: "yesterday"},
        {SIGNING_TIME: None},
        {AUTHENTIC_SIGNING_TIME: NOW, "crit": [SIGNING_SCHEME, AUTHENTIC_SIGNING_TIME]},
        {**AUTHORITY_HEADER, "crit": [SIGNING_SCHEME]},
        {**AUTHORITY_HEADER, AUTHENTIC_SIGNING_TIME: GONE, "crit": [SIGNING_SCHEME]},
        {**AUTHORITY_HEADER, SIGNING_TIME: NOW},
    ],
)
def test_a_header_that_breaks_a_rule_is_refused(envelope: str, changes: dict[Any, Any]) -> None:
    refused(stored(envelope, changes))


@pytest.mark.parametrize("name", ["alg", "cty"])
def test_in_jws_the_registered_members_are_never_critical(name: str) -> None:
    refused(stored("jws", {"crit": [SIGNING_SCHEME, name]}))


@pytest.mark.parametrize(
    "time",
    ["2026-11-24T11:00:00", "2026-11-24 11:00:00Z", "2026-13-24T11:00:00Z", "2026-11-24T23:59:60Z", "1764000000", 1764],
)
def test_in_jws_a_time_is_one_of_rfc_3339(time: object) -> None:
    refused(stored("jws", {SIGNING_TIME: time}))


@pytest.mark.parametrize(
    "time", ["2026-11-24T19:00:00+08:00", "2026-11-24T11:00:00.123456789Z", "2026-11-24T11:00:00z"]
)
def test_in_jws_offsets_and_fractions_are_read(time: str) -> None:
    assert failed(stored("jws", {SIGNING_TIME: time})) == []


@pytest.mark.parametrize(
    "time",
    [cbor.Tag(1, 1.5), cbor.Tag(0, "2026-11-24T11:00:00Z"), 1764000000, cbor.Tag(1, True), cbor.Tag(1, 10**18), "x"],
)
def test_in_cose_a_time_is_whole_seconds_with_their_tag(time: object) -> None:
    refused(stored("cose", {SIGNING_TIME: time}))


# --- encodings -------------------------------------------------------------------------------------------------------


def test_jws_base64url_has_no_padding_and_one_form() -> None:
    good = json.loads(stored("jws").parts[0].content)
    for change in (
        {"payload": good["payload"] + "="},
        {"signature": good["signature"] + "=="},
        {"signature": good["signature"][:-1] + chr(ord(good["signature"][-1]) + 1)},
        {"protected": good["protected"] + "\n"},
        {"protected": good["protected"].replace("e", "+", 1)},
        {"payload": None},
        {"signature": ""},
    ):
        content = json.dumps(good | change).encode()
        with pytest.raises(ImagesigError):
            authenticate(of_bytes(content, "application/jose+json"))


@pytest.mark.parametrize("x5c", [[], None, "AA==", [1], ["%%"], ["AAAA"], GONE])
def test_jws_certificates_are_needed_and_are_certificates(x5c: object) -> None:
    refused(stored("jws", unprotected={"x5c": x5c}), MalformedError if x5c == ["AAAA"] else FormatViolation)


@pytest.mark.parametrize(("envelope", "name"), [("jws", "x5c"), ("cose", "x5chain")])
def test_more_certificates_than_the_limit_are_refused_unread(envelope: str, name: str) -> None:
    many = [b"no certificate"] * (limits.CHAIN_CERTIFICATES + 1)
    listed = {33: many} if envelope == "cose" else {"x5c": [base64.b64encode(item).decode() for item in many]}
    refused(stored(envelope, unprotected=listed), LimitExceeded, f"{name}: {len(many)} certificates")


def test_cose_that_is_not_strict_cbor_is_refused() -> None:
    good = stored("cose").parts[0].content
    assert good[:2] == b"\xd2\x84"
    rest = good[1:]
    bomb = b"\xd2" + b"\x81" * 1000 + b"\x00"
    for content in (
        good + b"\x00",  # trailing bytes
        rest,  # untagged
        b"\xd1" + rest,  # COSE_Mac0's tag
        b"\xd8\x62" + rest,  # COSE_Sign's tag
        b"\xd2\x9f" + good[2:] + b"\xff",  # indefinite length
        bomb,
        b"",
        b"\xd2\x84\x40\xa0\xf6\x40",  # detached payload
        b"\xd2\x83\x40\xa0\x40",
    ):
        with pytest.raises(
            MalformedError if content in (good + b"\x00", bomb, b"") else (FormatViolation, MalformedError)
        ):
            authenticate(of_bytes(content, "application/cose"))


def test_cose_headers_with_a_key_twice_or_labels_that_are_none_are_refused() -> None:
    members = cbor.dump({1: -7})
    twice = b"\xa2" + members[1:] + members[1:]
    refused(stored("cose", protected=twice), MalformedError, "Duplicate")
    good = {1: -7, 2: [SIGNING_SCHEME], 3: "x"}
    del good[1]
    refused(stored("cose", protected=cbor.dump({True: -7, **good})), match="labels")
    refused(stored("cose", protected=cbor.dump([1])), match="map")
    refused(stored("cose", unprotected={33: certified().chain[0].der}), match="x5chain")
    refused(stored("cose", unprotected={33: []}), match="x5chain")
    refused(stored("cose", unprotected={33: GONE}), match="x5chain")


def test_cve_2025_30204_an_envelope_of_nothing_but_dots_is_refused_cheaply() -> None:
    refused(of_bytes(b"." * 5_000_000, "application/jose+json"), MalformedError)
    refused(stored("jws", outer={"protected": "." * 200_000}))


def test_an_artifact_of_another_type_is_refused() -> None:
    for envelope in ENVELOPES:
        refused(stored(envelope, manifest={"config_type": "application/vnd.example"}), match="artifact of type")
        refused(stored(envelope, manifest={"artifact_type": "application/vnd.example"}), match="artifact of type")
    content = stored("jws").parts[0].content
    refused(of_bytes(content, "application/cose"), MalformedError)
    refused(of_bytes(content, "application/json"), match="envelope of type")


@both
def test_a_signing_agent_changes_nothing(envelope: str) -> None:
    agent = {"io.cncf.notary.signingAgent": "notation-go/1.3.2"}
    assert failed(stored(envelope, unprotected=agent)) == []
    refused(stored(envelope, unprotected={"io.cncf.notary.signingAgent": 7}))


@both
@pytest.mark.parametrize("scheme", ["notary.x509.other", "", "notary.x509.signingauthority", 7])
def test_another_scheme_is_refused_whichever_time_comes_with_it(envelope: str, scheme: object) -> None:
    refused(stored(envelope, {SIGNING_SCHEME: scheme}), match="signingScheme")
    refused(stored(envelope, {**AUTHORITY_HEADER, SIGNING_SCHEME: scheme}), match="signingScheme")


# --- other types -----------------------------------------------------------------------------------------------------


def cose_parts() -> list[Any]:
    parsed: Any = cbor.parse(stored("cose").parts[0].content, "x")
    return list(parsed.value)


def of_cose(parts: list[Any]) -> StoredSignature:
    return of_bytes(cbor.dump(cbor.Tag(18, parts)), "application/cose")


NO_BYTES = [None, "text", 7, [b"x"], {1: 2}]


@pytest.mark.parametrize("value", NO_BYTES, ids=str)
@pytest.mark.parametrize("place", [0, 2, 3], ids=["header", "payload", "signature"])
def test_in_cose_each_of_the_three_must_be_bytes(place: int, value: object) -> None:
    parts = cose_parts()
    parts[place] = value
    refused(of_cose(parts), match="must be byte strings")


@pytest.mark.parametrize("token", [None, "text", 7, [b"x"]])
def test_in_cose_a_timestamp_is_bytes(token: object) -> None:
    unprotected = {"io.cncf.notary.timestampSignature": token}
    refused(stored("cose", unprotected=unprotected), match="a byte string of at most")


@pytest.mark.parametrize("label", [True, 33.0, 1.0, b"x", None], ids=str)
def test_in_cose_a_label_is_a_number_or_text(label: object) -> None:
    protected, unprotected, payload, signature = cose_parts()
    # To Python some of these are the same key as the whole number: they take its place.
    renamed = {label: unprotected[33]} | {name: value for name, value in unprotected.items() if name != label}
    refused(of_cose([protected, renamed, payload, signature]), match="a map of labels")
    labels: Any = cbor.parse(protected, "x")
    renamed = {label: labels.get(label, "x")} | {name: value for name, value in labels.items() if name != label}
    refused(stored("cose", protected=cbor.dump(renamed)), match="a map of labels")


@pytest.mark.parametrize("name", [True, 1.0, {}, {1: 2}, b"x", None, []], ids=str)
def test_in_cose_critical_is_a_list_of_labels(name: object) -> None:
    refused(stored("cose", {"crit": [SIGNING_SCHEME, name]}), match="an array of labels")
    refused(stored("cose", {"crit": {SIGNING_SCHEME: name}}), match="an array of labels")


@pytest.mark.parametrize("name", [1, None, {}, ["x"], True, 1.5], ids=str)
def test_in_jws_critical_is_a_list_of_names(name: object) -> None:
    refused(stored("jws", {"crit": [SIGNING_SCHEME, name]}), match="a list of names")
    refused(stored("jws", {"crit": {SIGNING_SCHEME: name}}), match="a list of names")


@pytest.mark.parametrize("seconds", [10**12, -(10**12), 2**63, 2**64 - 1, -(2**63)])
def test_in_cose_a_time_beyond_every_calendar_is_none(seconds: int) -> None:
    refused(stored("cose", {SIGNING_TIME: cbor.Tag(1, seconds)}), match="a valid time is needed")


@pytest.mark.parametrize("tag", [0, 2, 100, 1001])
def test_in_cose_a_time_has_the_tag_of_seconds_since_1970(tag: int) -> None:
    refused(stored("cose", {SIGNING_TIME: cbor.Tag(tag, 1_700_000_000)}), match="whole seconds since 1970 with tag 1")


@both
@pytest.mark.parametrize(
    "changes",
    [
        *({"digest": value} for value in (GONE, None, "", "sha256:ab", f"sha256:{'ab' * 32}/../x", 1, ["x"])),
        *({"size": value} for value in (GONE, None, -1, "1", True, 1.5, 2**64)),
        *({"mediaType": value} for value in (GONE, None, "", 7, "x y/z")),
        *({"annotations": value} for value in ("x", ["x"], {"a": 1}, {"a": None})),
    ],
    ids=lambda changes: str({name: "gone" if value is GONE else value for name, value in changes.items()}),
)
def test_a_payload_that_describes_no_artifact_is_refused(envelope: str, changes: dict[str, Any]) -> None:
    refused(stored(envelope, payload=target(**changes)))


@both
@pytest.mark.parametrize("artifact", [None, "x", 1, [], {}])
def test_a_payload_whose_artifact_is_no_object_is_refused(envelope: str, artifact: object) -> None:
    refused(stored(envelope, payload={"targetArtifact": artifact}))
    refused(stored(envelope, payload={}), match="targetArtifact alone")
    refused(stored(envelope, payload=target() | {"other": 1}), match="targetArtifact alone")


@both
def test_a_signature_has_one_layer(envelope: str) -> None:
    whole = stored(envelope)
    for parts in ((), whole.parts * 2):
        refused(replace(whole, parts=parts), match=f"{len(parts)} layers")
