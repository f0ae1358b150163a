"""`Policy`: which rule is for which image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Self

from msgspec.structs import replace

from imagesig.errors import InvalidArgument, RefusedByPolicy
from imagesig.oci.annotations import Annotations
from imagesig.oci.location import REGISTRY, Location
from imagesig.oci.reference import Reference
from imagesig.policy.authority import KeyLike, KeyReference, authority
from imagesig.policy.exact import check_kind
from imagesig.policy.identity import Identity
from imagesig.policy.requirement import PathLike, Rule, Rules
from imagesig.policy.scope import Scope, as_one_name, check_scope, lookup_order, one_host
from imagesig.policy.signed import Signed
from imagesig.text import quote
from imagesig.trust import CertificateAuthority

AuthorityLike = KeyLike | KeyReference | CertificateAuthority


class Policy(Rules, frozen=True, dict=True):
    """Rules by scope, and one for every other image; that one rejects unless told otherwise.

    `any_of`, `all_of` and `at_least` make a policy of one rule for all images; `load` and `from_containers_policy` read
    a file. Immutable, hashable, and pickles small. `refuse_tag_with_digest` has names with both refused, as
    containers/image does, where it is unclear which of the two a rule is about. `foreign_scopes` keeps scopes that no
    image can be in, as other tools do; without it they are refused, since a broader rule would apply in their place.

    Raises:
        InvalidArgument: a value of an unknown kind, or a scope that no image can be in.
    """

    def __post_init__(self) -> None:
        check_kind(self.default, (Rule,), "policy: default rule")
        check_kind(self.refuse_tag_with_digest, (bool,), "policy: refuse_tag_with_digest")
        check_kind(self.foreign_scopes, (bool,), "policy: foreign_scopes")
        if not isinstance(self.rules, Mapping):
            raise InvalidArgument(f"policy: rules {quote(self.rules)}, rules by scope are needed")
        for scope, rule in self.rules.items():
            check_kind(scope, (Scope,), "policy: scope")
            check_kind(rule, (Rule,), f"policy: rule for {scope}")
            if not self.foreign_scopes:
                check_scope(scope)

    def __hash__(self) -> int:
        flags = (self.refuse_tag_with_digest, self.foreign_scopes)
        return hash((self.default, frozenset(self.rules.items()), flags))

    @classmethod
    def of(cls, rules: Rules) -> Self:
        """The policy with these rules, as they were read from a file."""
        return cls(rules.default, rules.rules, rules.refuse_tag_with_digest, rules.foreign_scopes)

    @classmethod
    def load(cls, path: str | PathLike) -> Self:
        """The policy in a TOML or JSON file. Files that it names are relative to it.

        Files with certificates are read now; keys are opened by `verify`, and only those of the rule that applies.

        Raises:
            InvalidArgument: no such file, or it is wrong; the message names the line.
        """
        from imagesig.policy.files.load import load_policy

        return cls.of(load_policy(path))

    @classmethod
    def from_containers_policy(cls, path: str | PathLike, *, formats: Iterable[str] = ("cosign",)) -> Self:
        """The policy in a `policy.json` of podman, skopeo, buildah and CRI-O.

        `formats` are the formats that count for it; podman reads classic signatures alone. An image whose rule asks for
        what imagesig cannot judge (OpenPGP, Fulcio, PKI, Rekor) is refused; the others are judged.

        Raises:
            InvalidArgument: no such file, or it is wrong; the message names the line.
        """
        from imagesig.policy.files.load import load_containers_policy

        return cls.of(load_containers_policy(path, formats=formats))

    @classmethod
    def any_of(
        cls,
        *authorities: AuthorityLike,
        annotations: Mapping[str, str] | None = None,
        identity: Identity | str | None = None,
        formats: Iterable[str] = (),
    ) -> Self:
        """One signature by any of the keys, or of the holders that an authority certified, is enough.

        `annotations` must be in what was signed, with these values. `identity` is the repository or repository:tag that
        must be in it; without one it is the image's own name.

        Raises:
            InvalidArgument: no keys, or something that is no key.
        """
        return cls._of(authorities, 1, annotations, identity, formats)

    @classmethod
    def all_of(
        cls,
        *authorities: AuthorityLike,
        annotations: Mapping[str, str] | None = None,
        identity: Identity | str | None = None,
        formats: Iterable[str] = (),
    ) -> Self:
        """Every one of the keys must have signed: a threshold of all of them. Arguments and errors as of `at_least`."""
        return cls._of(authorities, None, annotations, identity, formats)

    @classmethod
    def at_least(
        cls,
        threshold: int,
        *authorities: AuthorityLike,
        annotations: Mapping[str, str] | None = None,
        identity: Identity | str | None = None,
        formats: Iterable[str] = (),
    ) -> Self:
        """`threshold` distinct keys must have signed. Other arguments as of `any_of`.

        Raises:
            InvalidArgument: no such threshold can be met, or two of the names given stand for one key; of keys that
                are not open yet this shows when `verify` opens them.
        """
        return cls._of(authorities, threshold, annotations, identity, formats)

    @classmethod
    def from_notation(cls, path: str | PathLike, *, trust_store: str | PathLike = "", scope: str = "") -> Self:
        """The policy in notation's `trustpolicy.json` or `trustpolicy.oci.json`, or in the folder that has one.

        `trust_store` is the folder with `x509/ca/…`; without it, `truststore` beside the file. With a `scope`, such as
        `local/hello`, the policy of that scope is for every image: layouts have no name of their own. Repositories
        that no policy has as a scope are refused, and those of level `skip` pass without proof.

        Raises:
            InvalidArgument: no such file, or it is wrong; or a trust store cannot be used.
        """
        from imagesig.policy.files.load_notation import load_notation_policy

        return cls.of(load_notation_policy(path, trust_store, scope))

    @classmethod
    def _of(
        cls,
        authorities: Iterable[AuthorityLike],
        threshold: int | None,
        annotations: Mapping[str, str] | None,
        identity: Identity | str | None,
        formats: Iterable[str],
    ) -> Self:
        if isinstance(identity, str):
            identity = Identity.exactly(identity)
        requirement = Signed(
            tuple(authority(item) for item in authorities),
            threshold,
            Annotations(annotations),
            identity or Identity.of_image(),
            (formats,) if isinstance(formats, str) else tuple(formats),
        )
        return cls(Rule((requirement,)))

    def select(self, location: Location) -> Rule:
        """The rule for an image that was asked for there: that of the most specific scope, else the default.

        Raises:
            InvalidArgument: a name with tag and digest, and the policy refuses such names.
            RefusedByPolicy: the host is written in another way than in the scope of a rule that is for that very place.
        """
        reference = location.reference
        if self.refuse_tag_with_digest and reference and reference.tag and reference.digest:
            raise InvalidArgument(
                f"{reference}: the policy does not judge names with a tag and a digest, as containers/image does not",
                hint="leave out the tag or the digest",
            )
        if not self.rules:
            return self.default
        found = next((scope for scope in lookup_order(location) if scope in self.rules), None)
        rule = self.default if found is None else self.rules[found]
        if reference is not None:
            self._check_spelling(reference, found, rule)
        return rule

    @cached_property
    def _places(self) -> Mapping[Scope, Scope]:
        """The scopes of registries by the one name of each: hosts are compared to the letter, and lead to one place."""
        return {as_one_name(scope): scope for scope in self.rules if scope.transport == REGISTRY}

    def _check_spelling(self, reference: Reference, found: Scope | None, rule: Rule) -> None:
        """Refuses what would get a broader rule by another spelling of its host: `REGISTRY.example`, `host:0443`."""
        place = replace(reference, domain=one_host(reference.domain))
        nearest = next((scope for scope in lookup_order(Location(reference=place)) if scope in self._places), None)
        if nearest is None or (found is not None and as_one_name(found) == nearest):
            return
        meant = self._places[nearest]
        if self.rules[meant] != rule and not rule.refuses_all:
            raise RefusedByPolicy(
                f"{reference}: {reference.domain} is another spelling of the host of {meant}, which has another rule",
                hint="write the host of the image as the policy does",
            )
