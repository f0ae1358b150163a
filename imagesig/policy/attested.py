"""`Attested`: the requirement that trusted signers attest something of an image, such as its provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NewType, Self

from msgspec.structs import force_setattr

from imagesig.errors import InvalidArgument
from imagesig.format_names import Purpose
from imagesig.policy.authority import OpenPublicKeys
from imagesig.policy.exact import check_kind, checked_tuple
from imagesig.policy.identity import KINDS, OF_IMAGE, Identity
from imagesig.policy.signers import Signers
from imagesig.text import quote
from imagesig.trust import ContentTrust

if TYPE_CHECKING:
    from imagesig.policy.predicate import Condition
else:
    Condition = NewType("Condition", object)  # speed: for inspect.signature


class Attested(Signers, frozen=True, dict=True, kw_only=True):
    """Attestations of one type by enough distinct authorities, for this very image. See `Signers`.

    `predicate_type` is a URI, or one of the short names of `imagesig.in_toto.predicates`, and becomes the URI. All
    `conditions` and all expressions of `cel` must hold for the predicate of an attestation. One such attestation by an
    authority is enough, unless `every` is true: then they must hold for every attestation of the type that an authority
    signed for the image, as in cosign.

    A signature of an image index by an authority proves BuildKit's statements in it too, for the images that it lists.
    `identity` is what the name in such a signature must be; an attestation has no name.

    Raises:
        InvalidArgument: as `Signers` does; a type that is not known, or that of a signature; a trust server, which
            signs no attestations.
    """

    purpose: ClassVar[Purpose] = Purpose.ATTESTATION

    predicate_type: str
    conditions: tuple[Condition, ...] = ()
    cel: tuple[str, ...] = ()
    every: bool = False
    identity: Identity = OF_IMAGE

    def __post_init__(self) -> None:
        # speed: most rules need no attestation (tests/test_start.py)
        from imagesig.in_toto.predicates import predicate_type as uri_of
        from imagesig.policy.predicate import Condition

        check_kind(self.predicate_type, (str,), "policy: predicate type")
        force_setattr(self, "predicate_type", uri_of(self.predicate_type))
        conditions = checked_tuple(self.conditions, "policy: conditions")
        expressions = checked_tuple(self.cel, "policy: cel")
        for item in conditions:
            check_kind(item, (Condition,), "policy: conditions")
        for item in expressions:
            check_kind(item, (str,), "policy: cel")
            if not item:
                raise InvalidArgument("policy: cel: the expression is empty")
        force_setattr(self, "conditions", conditions)
        force_setattr(self, "cel", expressions)
        check_kind(self.every, (bool,), "policy: every")
        check_kind(self.identity, KINDS.values(), "policy: identity")
        super().__post_init__()
        if any(type(item) is ContentTrust for item in self.authorities):
            raise InvalidArgument(
                "policy: a trust server signs no attestations", hint="name the keys that sign them as authorities"
            )

    def opened(self, open_public_keys: OpenPublicKeys) -> Self:
        """The same with every key opened. Raises as `Signers.opened` does.

        An expression that is not CEL is an `InvalidArgument`, and a missing package a `MissingExtra`.
        """
        if self.cel:
            from imagesig.policy.cel import check_expression

            for text in self.cel:
                check_expression(text)
        return super().opened(open_public_keys)

    @property
    def asks_for_predicate(self) -> bool:
        """Whether the verdict depends on the content of predicates, so that each must be parsed."""
        return bool(self.conditions or self.cel)

    def describe(self) -> str:
        """One line: `slsaprovenance1 attested by any of release, qa; /builder/id equals 'x'`."""
        from imagesig.in_toto.predicates import short_name

        parts = [f"{short_name(self.predicate_type)} attested by {self.who()}"]
        parts += [str(item) for item in self.conditions]
        parts += [f"cel {quote(text)}" for text in self.cel]
        if self.every:
            parts.append("every attestation of the type must fit")
        if self.identity != OF_IMAGE:
            parts.append(f"signed indexes with identity {self.identity}")
        return "; ".join(parts + self.how())

    def caution(self, *, alone: bool) -> str:
        return ""
