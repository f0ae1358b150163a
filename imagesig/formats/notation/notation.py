"""`Notation`, the format: drafts and seals, parses and authenticates.

Spec: Notary Project signature-specification v1.1, and main of 2025-05 for the newer form of the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from imagesig.arguments import check_fields
from imagesig.crypto.algorithms import ToSign
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, InvalidArgument, TimestampInvalid
from imagesig.format_names import NOTATION, Storage
from imagesig.formats.certified import check_chain_of_key
from imagesig.formats.format import choose_algorithm
from imagesig.formats.notation.algorithms import encoded_signature, named_for
from imagesig.formats.notation.cose import Cose
from imagesig.formats.notation.envelope import (
    PLUGIN,
    PLUGIN_VERSION,
    STANDARD,
    X509,
    Attribute,
    EnvelopeForm,
    Opened,
    SignedAttributes,
    Unprotected,
)
from imagesig.formats.notation.jws import Jws
from imagesig.formats.notation.payload import parse_payload, payload_bytes
from imagesig.formats.notation.reading import (
    ROLES,
    check_signer_may_count,
    describe,
    examine,
    read,
    split,
)
from imagesig.oci.annotations import Annotations
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Draft,
    Envelope,
    Examined,
    Part,
    SignerInfo,
    StoredSignature,
    TimestampRequest,
)
from imagesig.text import quote
from imagesig.trust import TrustAnchors
from imagesig.trust.chain import check_validity
from imagesig.trust.profile import check_code_signing_chain
from imagesig.version import __version__

THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"
_FORMS: Mapping[str, EnvelopeForm] = {"jws": Jws(), "cose": Cose()}
_JSON_NAMES = frozenset({"alg", "cty", "crit"})


class ManifestForm(Enum):
    """Where a signature's manifest says that it is one.

    `CONFIG` is the form of the specification's first versions and all that notation 1.3 finds in an OCI layout;
    `ARTIFACT_TYPE` is the newer one. Both are read.
    """

    CONFIG = "config"
    ARTIFACT_TYPE = "artifactType"


class _Body(Struct, frozen=True):
    """A draft's body: the envelope without its signature."""

    form: EnvelopeForm
    opened: Opened
    chain: tuple[Certificate, ...]
    public_key: PublicKey
    created: datetime


class Notation(Struct, frozen=True):
    """The format of the Notary Project. The signing key needs its certificates, the root among them.

    With an `envelope` only that one is written and read; without one, JWS is written and both are read. The signature
    expires `expiry` after signing, in whole seconds. `timestamp_url` is an RFC 3161 service that timestamps the
    signature; its chain must end in one of `timestamp_authorities`. `attributes` are signed too. `understood` names
    critical attributes to accept when reading; name only those that your program handles.

    Raises:
        InvalidArgument: the options cannot be combined.
    """

    envelope: Literal["jws", "cose"] | None = None
    expiry: timedelta | None = None
    signing_agent: str = f"imagesig/{__version__}"
    signing_scheme: str = X509
    timestamp_url: str = ""
    timestamp_authorities: tuple[Certificate, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    understood: frozenset[str] = frozenset()
    manifest_form: ManifestForm = ManifestForm.CONFIG

    def __post_init__(self) -> None:
        check_fields(self)
        if self.envelope not in (None, *_FORMS):
            raise InvalidArgument(f"notation: envelope {quote(self.envelope)}, jws or cose is needed")
        if self.expiry is not None and (self.expiry <= timedelta() or self.expiry.microseconds):
            raise InvalidArgument(f"notation: expiry {self.expiry}, a number of whole seconds above 0 is needed")
        if self.signing_scheme not in ROLES:
            raise InvalidArgument(f"notation: scheme {quote(self.signing_scheme)}, one of {', '.join(ROLES)} is needed")
        if bool(self.timestamp_url) != bool(self.timestamp_authorities):
            raise InvalidArgument(
                "notation: a timestamp service and the roots of its certificate are needed together",
                hint="give both: the service's chain is verified before the timestamp is stored",
            )
        if self.timestamp_url and self.signing_scheme != X509:
            raise InvalidArgument(f"notation: a timestamp cannot be combined with the scheme {self.signing_scheme}")
        names = [item.name for item in self.attributes]
        for name in names:
            if name in STANDARD | {PLUGIN, PLUGIN_VERSION} | _JSON_NAMES or names.count(name) > 1 or not name:
                raise InvalidArgument(f"notation: attribute {quote(name)} is reserved, empty, or listed twice")

    @property
    def name(self) -> str:
        return f"notation-{self.envelope}" if self.envelope else "notation"

    @property
    def storage(self) -> Storage:
        return Storage.REFERRER

    def reads(self, media_type: str) -> bool:
        return media_type == NOTATION or any(form.media_type == media_type for form in self._forms)

    def recognizes(self, envelope: Envelope) -> bool:
        return True

    @property
    def _forms(self) -> tuple[EnvelopeForm, ...]:
        return (_FORMS[self.envelope],) if self.envelope else tuple(_FORMS.values())

    # --- signing -----------------------------------------------------------------------------------------------------

    def draft(
        self, claim: Claim, signer: SignerInfo, at: datetime, prior: Sequence[StoredSignature]
    ) -> Draft | AlreadySigned:
        """See `Format.draft`. Before anything is signed, the chain is checked against the key and the profile."""
        payload = payload_bytes(claim)
        named = named_for(signer.public_key.key_type)
        algorithm = choose_algorithm(signer, (named.algorithm,), self.name)
        at = at.astimezone(UTC).replace(microsecond=0)
        self._check_chain(signer, at)
        for stored in prior:
            if self._says(stored, claim, signer, at):
                return AlreadySigned(self.name, stored.origin)
        form = self._forms[0]
        expiry = at + self.expiry if self.expiry else None
        protected = form.protect(
            form.algorithm(named), SignedAttributes(self.signing_scheme, at, expiry, self.attributes)
        )
        message = form.message(protected, payload)
        unprotected = Unprotected(tuple(item.der for item in signer.chain), b"", self.signing_agent)
        opened = Opened(protected, payload, message, b"", unprotected)
        stamp = None
        if self.timestamp_url:
            assert algorithm.hash is not None
            stored_form = partial(encoded_signature, key_type=signer.public_key.key_type)
            stamp = TimestampRequest(self.timestamp_url, algorithm.hash, self.timestamp_authorities, stored_form)
        body = _Body(form, opened, signer.chain, signer.public_key, at)
        return Draft(self.name, (ToSign(message, algorithm),), body, stamp)

    def _check_chain(self, signer: SignerInfo, at: datetime) -> None:
        hint = "give the chain in order: the signer's certificate, its issuers, the root; see docs: howto/notation"
        if not signer.chain:
            raise InvalidArgument(
                f"{signer.key_id}: has no certificate, and a Notary Project signature needs its complete chain",
                hint="give it: --certificate-chain FILE (PEM: the signer's certificate first, the root last)",
            )
        check_chain_of_key(signer.chain, signer.public_key, signer.key_id)
        try:
            check_code_signing_chain(signer.chain)
            check_validity(signer.chain, at, at)
        except ImagesigError as error:
            raise InvalidArgument(f"{signer.key_id}: {error}", hint=hint) from error

    def _says(self, stored: StoredSignature, claim: Claim, signer: SignerInfo, at: datetime) -> bool:
        """Whether it is by this certificate, says the same, and is valid long enough not to be renewed."""
        try:
            envelope = self.parse(stored)
            if envelope.chain != tuple(item.der for item in signer.chain):
                return False  # another signer's: not read further
            intact = read(envelope, self._forms[:1], self.understood | set(_extended(self.attributes)))
        except ImagesigError:
            return False
        return (
            intact.chain == signer.chain
            and intact.claim.subjects == claim.subjects
            and intact.attributes.scheme == self.signing_scheme
            and _extended(intact.attributes.extended) == _extended(self.attributes)
            and self._lasts(intact.attributes.expiry, at)
            and (not self.timestamp_url or bool(intact.opened.unprotected.timestamp))
        )

    def _lasts(self, expiry: datetime | None, at: datetime) -> bool:
        """Whether less than half of the time to expiry has passed; after that, signing again renews the signature."""
        if self.expiry is None or expiry is None:
            return self.expiry is None and expiry is None
        return at + self.expiry / 2 <= expiry <= at + self.expiry

    def seal(self, draft: Draft, signatures: Sequence[bytes], timestamp: bytes = b"") -> StoredSignature:
        """See `Format.seal`. Raises `TimestampInvalid` if the draft wanted a timestamp and none is given."""
        body = draft.body
        assert isinstance(body, _Body)
        if draft.timestamp and not timestamp:
            raise TimestampInvalid(f"notation: no timestamp came from {draft.timestamp.url}, one is needed")
        signature = encoded_signature(signatures[0], body.public_key.key_type)
        unprotected = replace(body.opened.unprotected, timestamp=timestamp)
        content = body.form.write(replace(body.opened, signature=signature, unprotected=unprotected))
        thumbprints = [hashlib.sha256(item.der).hexdigest() for item in body.chain]
        is_config = self.manifest_form is ManifestForm.CONFIG
        return StoredSignature(
            origin=f"new {self.name} signature",
            parts=(Part(body.form.media_type, content),),
            artifact_type="" if is_config else NOTATION,
            annotations=Annotations(
                {
                    THUMBPRINTS: json.dumps(thumbprints, separators=(",", ":")),
                    "org.opencontainers.image.created": body.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            ),
            config_type=NOTATION if is_config else "",
        )

    # --- reading -----------------------------------------------------------------------------------------------------

    def parse(self, stored: StoredSignature) -> Envelope:
        """See `Format.parse`; only the certificates in the headers are read."""
        return split(stored, self._forms)

    def claim(self, envelope: Envelope) -> Claim:
        return parse_payload(envelope.payload)

    def describe(self, envelope: Envelope) -> Mapping[str, str]:
        """The attributes as stored, for people; unverified until `authenticate` has returned."""
        return describe(envelope, self._forms)

    def authenticate(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """See `Format.authenticate`. Bare keys are not trusted: the signer needs a certificate."""
        check_signer_may_count(envelope, anchors)
        intact = read(envelope, self._forms, self.understood)
        return examine(self.name, intact, envelope.stored, anchors, now)


def _extended(attributes: Iterable[Attribute]) -> dict[str, tuple[str, bool]]:
    return {item.name: (item.value, item.critical) for item in attributes}
