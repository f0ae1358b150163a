"""`VerifiedStatement`: an accepted attestation of an image."""

from __future__ import annotations

import base64
from functools import cached_property

from msgspec import Struct

from imagesig.in_toto.statement import parse_predicate
from imagesig.signature import StatementClaim, VerifiedSignature


class VerifiedStatement(Struct, frozen=True, dict=True):
    """A statement that the policy accepted for the image; `signature` proves it.

    `predicate` is JSON text, exactly as it was signed. If `index` is not empty, the statement itself is not signed:
    BuildKit stored it in the image index with this digest, and `signature` is one of that index.
    """

    signature: VerifiedSignature

    @property
    def subjects(self) -> tuple[str, ...]:
        """The digests of everything that the statement is about: the verified image, or one that `index` lists."""
        return tuple(subject.digest for subject in self._claim.subjects)

    @property
    def index(self) -> str:
        """The digest of the signed index that contains the statement; empty if the statement itself is signed."""
        return self.signature.index

    @property
    def authority(self) -> str:
        """The policy's name of the signer."""
        return self.signature.authority

    @property
    def predicate_type(self) -> str:
        """The type of what is attested, a URI."""
        return self._claim.predicate_type

    @property
    def statement_type(self) -> str:
        """The version of the in-toto statement, a URI."""
        return self._claim.statement_type

    @property
    def predicate(self) -> bytes:
        """The JSON of what is attested, byte for byte as it was signed."""
        return self._claim.predicate

    @cached_property
    def parsed(self) -> object:
        """The value of the predicate, read strictly.

        Raises:
            MalformedError: it is not strict JSON, for example because a member occurs twice.
            LimitExceeded: it has too many values.
        """
        return parse_predicate(self.predicate)

    @property
    def _claim(self) -> StatementClaim:
        claim = self.signature.claim
        assert isinstance(claim, StatementClaim)
        return claim

    def document(self, *, predicate: bool = False) -> dict[str, object]:
        """What `--output json` prints for it; with the predicate only if that is asked for, in base64."""
        content = {"predicate": base64.b64encode(self.predicate).decode("ascii")} if predicate else {}
        return {
            "predicate_type": self.predicate_type,
            "statement_type": self.statement_type,
            "predicate_bytes": len(self.predicate),
            "proven_by": "index" if self.index else "signature",
            "index": self.index,
            **content,
            "signature": self.signature.document(),
        }
