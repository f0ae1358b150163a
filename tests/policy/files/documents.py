"""Makers and strategies of policy documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import strategies as st

from imagesig.policy import Policy
from imagesig.policy.files.document import read_json, read_toml
from imagesig.policy.files.parse import parse_policy

Json = dict[str, Any]


def policy_of(document: Json) -> Policy:
    """Raises `InvalidArgument` for a wrong document."""
    return Policy.of(parse_policy(read_json(json.dumps(document).encode(), "policy.json"), folder="/etc/imagesig"))


def policy_of_toml(text: str) -> Policy:
    """Raises `InvalidArgument` for a wrong document."""
    return Policy.of(parse_policy(read_toml(text.encode(), "policy.toml"), folder="/etc/imagesig"))


@cache
def pem(number: int = 0) -> str:
    """The same text in every run, so that hypothesis can repeat what it found."""
    key = ec.derive_private_key(number + 1, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@cache
def certificate(number: int = 0) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"root {number}")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(number + 1).not_valid_before(start).not_valid_after(start + timedelta(3650))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


NAMES = ("release", "qa", "hsm", "corp", "dct")
_times = st.sampled_from(["2026-01-01T00:00:00Z", "2026-06-01T12:30:00.5+02:00"])
_late = st.sampled_from(["2027-01-01T00:00:00Z", "2030-01-01T00:00:00-05:00"])
_text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12)
_scopes = st.sampled_from(
    [
        "registry.example",
        "registry.example:5000/team",
        "registry.example/team/app",
        "registry.example/team/app:1.0",
        "registry.example/team/app@sha256:" + "ab" * 32,
        "docker.io/library",
        "localhost/a",
        "*.example.com",
        "docker:",
        "oci:",
        "oci:/images/team",
        "dir:/images/x",
    ]
)


def _optional(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=members)


def _with(required: st.SearchStrategy[Json], optional: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.builds(lambda one, other: {**one, **other}, required, optional)


_window = _optional(not_before=_times, not_after=_late, description=_text)
_pinned = _optional(not_before=_times, not_after=_late, fingerprint=st.just("sha256:" + "0" * 64), description=_text)
_holders = st.lists(
    st.sampled_from(
        [{"subject": "CN=build,O=Acme"}, {"email": "ci@acme.example"}, {"dns": "a.example"}, {"uri": "https://x/y"}]
    ),
    min_size=1,
    max_size=2,
)
_pin = st.sampled_from([{"key_id": "ab" * 32}, {"key_pem": pem(3)}, {"ca_pem": certificate(3)}])
_content_trust = st.one_of(
    _with(
        st.fixed_dictionaries({"pins": st.lists(_pin, min_size=1, max_size=2)}),
        _optional(
            server=st.sampled_from(
                ["https://notary.example", "https://notary.example:4443/base", "http://localhost:1"]
            ),
            signers=st.lists(st.sampled_from(["alice", "bob-2"]), min_size=1, unique=True),
            server_ca_file=st.just("tls/ca.crt"),
            first_use=st.just(False),
        ),
    ),
    st.just({"first_use": True}),
)
authorities = st.fixed_dictionaries(
    {
        "release": _with(st.fixed_dictionaries({"key_file": st.sampled_from(["a.pub", "/keys/a.pub"])}), _pinned),
        "qa": _with(st.fixed_dictionaries({"key_pem": st.sampled_from([pem(1), pem(1) + pem(2)])}), _window),
        "hsm": _with(
            st.fixed_dictionaries({"key_uri": st.sampled_from(["hashivault://a", "pkcs11:object=a"])}), _pinned
        ),
        "corp": _with(
            st.fixed_dictionaries({"ca_pem": st.sampled_from([certificate(0), certificate(0) + certificate(1)])}),
            _optional(role=st.sampled_from(["ca", "signingAuthority"]), holders=_holders),
        ),
        "dct": _with(st.fixed_dictionaries({"content_trust": _content_trust}), _optional(description=_text)),
    }
)
_identities = st.one_of(
    st.sampled_from(["matchImage", "any", "matchExact", "matchRepoDigestOrExact", "matchRepository"]),
    st.sampled_from(
        [
            {"type": "matchExact"},
            {"type": "exactName", "name": "registry.example/a:1"},
            {"type": "exactReference", "reference": "registry.example/a:1"},
            {"type": "exactRepository", "repository": "registry.example/a"},
            {"type": "remapIdentity", "prefix": "mirror.example", "signed_prefix": "docker.io/library"},
        ]
    ),
)
_actions = st.sampled_from(["enforce", "log", "skip"])
_levels = st.sampled_from(["strict", "permissive", "audit"])
_enforcement = st.one_of(
    _levels,
    _optional(
        level=_levels,
        authenticity=st.sampled_from(["enforce", "log"]),
        authentic_timestamp=_actions,
        expiry=_actions,
        revocation=_actions,
    ),
)
_names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
_counts = st.one_of(
    st.fixed_dictionaries({"any": _names}),
    st.fixed_dictionaries({"all": _names}),
    _names.flatmap(lambda of: st.fixed_dictionaries({"threshold": st.integers(1, len(of)), "of": st.just(of)})),
)
_pointers = st.sampled_from(["", "/", "/a", "/a/0/b", "/a~1b/~0"])
_conditions = st.builds(
    lambda pointer, test: {"pointer": pointer, **test},
    _pointers,
    st.sampled_from(
        [
            {"equals": "x"},
            {"equals": 1},
            {"equals": 1.5},
            {"equals": True},
            {"one_of": ["x", 1, False]},
            {"present": False},
            {"like": "https://*"},
            {"at_least": 7},
            {"at_most": "2027-01-01T00:00:00Z"},
            {"younger_than": "30d"},
        ]
    ),
)
_signing_names = st.lists(
    st.sampled_from([name for name in NAMES if name != "dct"]), min_size=1, max_size=4, unique=True
)
_attested = _with(
    st.one_of(
        st.fixed_dictionaries({"any": _signing_names}),
        st.fixed_dictionaries({"all": _signing_names}),
        st.fixed_dictionaries({"threshold": st.just(1), "of": _signing_names}),
    ),
    _with(
        st.fixed_dictionaries(
            {"predicate_type": st.sampled_from(["vuln", "slsaprovenance1", "https://example.com/x"])}
        ),
        _optional(
            conditions=st.lists(_conditions, min_size=1, max_size=3),
            identity=_identities,
            cel=st.sampled_from(["predicate.a == 1", ["has(predicate.a)", "signer.name == 'qa'"]]),
            every=st.booleans(),
            formats=st.lists(st.sampled_from(["cosign", "bundle"]), min_size=1, unique=True),
            timestamps=st.just({"any": ["tsa"]}),
            enforcement=_enforcement,
        ),
    ),
)
_signatures = _with(
    _counts,
    _optional(
        annotations=st.dictionaries(_text, _text, min_size=1, max_size=2),
        identity=_identities,
        formats=st.lists(st.sampled_from(["cosign", "bundle"]), min_size=1, unique=True),
        timestamps=_with(st.just({"any": ["tsa"]}), _optional(after_expiry_only=st.booleans())),
        enforcement=_enforcement,
    ),
)
requirements = st.one_of(_signatures, _attested)
_ruled = _with(
    st.fixed_dictionaries({"require": st.lists(requirements, min_size=1, max_size=2)}),
    _optional(warn=st.booleans(), description=_text),
)
_whole = st.sampled_from(["reject", "insecureAcceptAnything"])
_bodies = st.one_of(_ruled, st.fixed_dictionaries({"require": _whole}))
_rules = st.lists(
    st.builds(lambda scope, body: {"scope": scope, **body}, _scopes, _bodies),
    min_size=1,
    max_size=3,
    unique_by=lambda rule: rule["scope"],
)
documents = _with(
    st.fixed_dictionaries(
        {
            "version": st.just(1),
            "authorities": authorities,
            "timestamp_authorities": st.just({"tsa": {"ca_pem": certificate(2)}}),
        }
    ),
    _optional(
        default=st.one_of(_whole, _bodies), rules=_rules, description=_text, refuse_tag_with_digest=st.booleans()
    ),
)
"""Policy documents that are right."""
