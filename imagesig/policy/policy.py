"""`Policy`: which rule applies to which image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Self

from msgspec.structs import replace

from imagesig.arguments import checks_arguments
from imagesig.errors import InvalidArgument, RefusedByPolicy
from imagesig.oci.annotations import NO_ANNOTATIONS
from imagesig.oci.location import REGISTRY, Location
from imagesig.oci.reference import Reference
from imagesig.policy.authority import KeyLike, KeyReference, authority
from imagesig.policy.exact import check_kind
from imagesig.policy.identity import Identity
from imagesig.policy.requirement import PathLike, Rule, Rules
from imagesig.policy.scope import Scope, as_one_name, check_scope, lookup_order, one_host
from imagesig.policy.signed import Signed
from imagesig.text import quote
from imagesig.trust import CertificateAuthority, ContentTrust

AuthorityLike = KeyLike | KeyReference | CertificateAuthority | ContentTrust


class Policy(Rules, frozen=True, dict=True):
    """Rules by scope, and a default rule for every other image, which rejects them unless you give another one.

    `any_of`, `all_of` and `at_least` make a policy of one rule for all images; `load` and `from_containers_policy` read
    a file. Immutable, hashable, and small when pickled. `refuse_tag_with_digest` refuses names with a tag and a digest,
    as containers/image does, because it is unclear which of the two a rule is about. `foreign_scopes` keeps scopes that
    no image can be in, as other tools do; by default they are refused, because a broader rule would apply instead.

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
    @checks_arguments
    def load(cls, path: str | PathLike) -> Self:
        """The policy in a TOML or JSON file. Paths in it are relative to the file.

        Files with certificates are read now. `verify` opens the keys of the rule that applies.

        Raises:
            InvalidArgument: there is no such file, or it is invalid; the message names the line.
        """
        from imagesig.policy.files.load import load_policy

        return cls.of(load_policy(path))

    @classmethod
    def load_default(cls) -> Self:
        """The policy that applies if the user names none.

        It is in the file that `$IMAGESIG_POLICY` names, else in `$XDG_CONFIG_HOME/imagesig/policy.toml`, else in
        `/etc/imagesig/policy.toml`. podman's and notation's policy files are recognized by their shape.

        Raises:
            InvalidArgument: there is no such file, or it is invalid.
        """
        from imagesig.policy.files.default import default_policy_path
        from imagesig.policy.files.load import load_policy_of_kind

        return cls.of(load_policy_of_kind(default_policy_path()))

    @classmethod
    @checks_arguments
    def from_containers_policy(cls, path: str | PathLike, *, formats: Iterable[str] = ("cosign",)) -> Self:
        """The policy in a `policy.json` of podman, skopeo, buildah and CRI-O.

        `formats` are the formats that it accepts; podman reads classic signatures only. An image is refused if its rule
        asks for what imagesig cannot judge (OpenPGP, Fulcio, PKI, Rekor); other images are judged.

        Raises:
            InvalidArgument: there is no such file, or it is invalid; the message names the line.
        """
        from imagesig.policy.files.load import load_containers_policy

        return cls.of(load_containers_policy(path, formats=formats))

    @classmethod
    @checks_arguments
    def any_of(
        cls,
        *authorities: AuthorityLike,
        annotations: Mapping[str, str] | None = None,
        identity: Identity | str | None = None,
        formats: Iterable[str] = (),
    ) -> Self:
        """A policy that needs one signature: by any of the keys, or by a holder that a given authority certified.

        `annotations` must be in the signed payload, with these values. `identity` is the repository or repository:tag
        that must be in it; the image's own name by default.

        Raises:
            InvalidArgument: no keys are given, or a value is no key.
        """
        return cls._of(authorities, 1, annotations, identity, formats)

    @classmethod
    @checks_arguments
    def all_of(
        cls,
        *authorities: AuthorityLike,
        annotations: Mapping[str, str] | None = None,
        identity: Identity | str | None = None,
        formats: Iterable[str] = (),
    ) -> Self:
        """A policy that needs a signature by every one of the keys. Arguments and errors as for `at_least`.

        Raises:
            InvalidArgument: the only argument is a list of several keys: they would be one signer, and one signature
                of it enough.
        """
        if len(authorities) == 1 and isinstance(authorities[0], list | tuple | set | frozenset) and authorities[0]:
            raise InvalidArgument(
                f"policy: all_of with a {type(authorities[0]).__name__} of keys: the keys of one signer, of which one "
                "is enough; the keys themselves are needed",
                hint="give each key as an argument of its own: Policy.all_of(*keys); any_of takes one signer",
            )
        return cls._of(authorities, None, annotations, identity, formats)

    @classmethod
    @checks_arguments
    def at_least(
        cls,
        threshold: int,
        *authorities: AuthorityLike,
        annotations: Mapping[str, str] | None = None,
        identity: Identity | str | None = None,
        formats: Iterable[str] = (),
    ) -> Self:
        """A policy that needs signatures by `threshold` distinct keys. Other arguments as for `any_of`.

        Raises:
            InvalidArgument: the threshold cannot be met, or two of the names are the same key. If keys are not open
                yet, `verify` finds that out when it opens them.
        """
        return cls._of(authorities, threshold, annotations, identity, formats)

    @classmethod
    @checks_arguments
    def from_notation(cls, path: str | PathLike, *, trust_store: str | PathLike = "", scope: str = "") -> Self:
        """The policy in notation's `trustpolicy.json` or `trustpolicy.oci.json`, or in the folder that has one.

        `trust_store` is the folder with `x509/ca/…`; by default `truststore` beside the file. With a `scope`, such as
        `local/hello`, the policy of that scope applies to every image: layouts have no name of their own. Repositories
        that are in no scope are refused. Those of level `skip` pass without proof.

        Raises:
            InvalidArgument: there is no such file, it is invalid, or a trust store cannot be used.
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
        if not isinstance(formats, Iterable):
            raise InvalidArgument(f"policy: formats {quote(formats)}, names of formats are needed")
        requirement = Signed(
            tuple(authority(item) for item in authorities),
            threshold,
            (formats,) if isinstance(formats, str) else tuple(formats),
            annotations=NO_ANNOTATIONS if annotations is None else annotations,  # type: ignore[arg-type]  # checked there
            identity=identity or Identity.of_image(),
        )
        return cls(Rule((requirement,)))

    @checks_arguments
    def select(self, location: Location) -> Rule:
        """The rule for the image at this location: the rule of the most specific scope, or the default.

        Raises:
            InvalidArgument: the name has a tag and a digest, and the policy refuses such names.
            RefusedByPolicy: a rule for the same place spells the host in another way.
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
        """The scopes of registries by `as_one_name`: scopes are compared as text, and a host has many."""
        return {as_one_name(scope): scope for scope in self.rules if scope.transport == REGISTRY}

    def _check_spelling(self, reference: Reference, found: Scope | None, rule: Rule) -> None:
        """Refuses an image that gets a broader rule by another spelling of its host, such as `host:0443`."""
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
