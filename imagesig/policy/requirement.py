"""Requirements, and rules made of them: an image passes a rule if every requirement of it holds.

The kinds are closed: a rule refuses every other kind. What depends on a kind alone is a member of its class, and code
that treats kinds differently matches on all of them and ends with `assert_never`: mypy finds what a new kind forgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Protocol, Self, assert_never, get_args

from msgspec import Struct, field
from msgspec.structs import force_setattr, replace

from imagesig.errors import InvalidArgument
from imagesig.policy.attested import Attested
from imagesig.policy.authority import Authority, OpenPublicKeys
from imagesig.policy.exact import check_kind, checked_tuple
from imagesig.policy.scope import Scope
from imagesig.policy.signed import Signed


class _Fixed(Struct, frozen=True):
    """A requirement that holds for every image or for none."""

    needs_evidence: ClassVar[bool] = False

    @property
    def authorities(self) -> tuple[Authority, ...]:
        return ()

    def opened(self, _open_public_keys: OpenPublicKeys) -> Self:
        return self


class AcceptAnything(_Fixed, frozen=True):
    """Holds for every image and proves nothing."""

    @property
    def refusal(self) -> str:
        return ""

    def describe(self) -> str:
        return "accepted, without proof"

    def caution(self, *, alone: bool) -> str:
        return "images of this scope pass without proof" if alone else ""


class Reject(_Fixed, frozen=True):
    """Holds for no image."""

    reason: str = "the policy rejects it"

    def __post_init__(self) -> None:
        check_kind(self.reason, (str,), "policy: reason")

    @property
    def refusal(self) -> str:
        return self.reason

    def describe(self) -> str:
        return "rejected"

    def caution(self, *, alone: bool) -> str:
        return ""


class Unsupported(Reject, frozen=True):
    """A requirement of another tool's policy that imagesig cannot judge. Holds for no image."""

    def describe(self) -> str:
        return self.reason

    def caution(self, *, alone: bool) -> str:
        return "every image of this scope is refused"


Requirement = Signed | Attested | AcceptAnything | Reject | Unsupported
"""Each kind has these members:

`needs_evidence`: whether it depends on the image.
`refusal`: why no image can pass; empty if one can.
`authorities`: the keys and certificate authorities that it names.
`opened()`: the same requirement with every key opened.
`describe()`: what it asks for, in one line.
`caution()`: what `imagesig policy check` warns of; empty if nothing. `alone`: the rule has no other requirement.
"""
KINDS: tuple[type, ...] = get_args(Requirement)
"""Every kind of requirement. An object of a subclass is of no known kind."""


class Rule(Struct, frozen=True):
    """What must hold for the images of one scope. `name` is the line of the policy it comes from, for people.

    With `warn` an image that fails passes unverified, with the reasons.

    Raises:
        InvalidArgument: there is no requirement, or a value is of an unknown kind.
    """

    requirements: tuple[Requirement, ...]
    name: str = "default"
    warn: bool = False

    def __post_init__(self) -> None:
        check_kind(self.name, (str,), "policy: name of a rule")
        what = f"policy: rule {self.name}"
        check_kind(self.warn, (bool,), what)
        requirements = checked_tuple(self.requirements, what)
        for item in requirements:
            check_kind(item, KINDS, what)
        force_setattr(self, "requirements", requirements)
        if not self.requirements:
            raise InvalidArgument(f"policy: rule {self.name} has no requirement; an empty rule would accept everything")

    def opened(self, open_public_keys: OpenPublicKeys) -> Self:
        """The same with every key opened. Raises as `Signed.opened` does."""
        return replace(self, requirements=tuple(item.opened(open_public_keys) for item in self.requirements))

    @property
    def signed(self) -> tuple[Signed, ...]:
        """Its requirements for signatures."""
        return tuple(item for item in self.proven if type(item) is Signed)

    @property
    def attested(self) -> tuple[Attested, ...]:
        """Its requirements for attestations."""
        return tuple(item for item in self.proven if type(item) is Attested)

    @property
    def proven(self) -> tuple[Signed | Attested, ...]:
        """Its requirements for signatures or attestations, in order."""
        found: list[Signed | Attested] = []
        for item in self.requirements:
            match item:
                case Signed() | Attested():
                    found.append(item)
                case AcceptAnything() | Unsupported() | Reject():
                    pass
                case _:
                    assert_never(item)
        return tuple(found)

    @property
    def refuses_all(self) -> bool:
        """Whether no image passes under the rule, regardless of its signatures."""
        return any(item.refusal for item in self.requirements)


REJECT = Rule((Reject("no rule of the policy applies to it"),))


class Rules(Struct, frozen=True):
    """What a policy file says: `rules` by scope, and `default` for every other image. See `Policy` for the flags."""

    default: Rule = REJECT
    rules: Mapping[Scope, Rule] = field(default_factory=dict)
    refuse_tag_with_digest: bool = False
    foreign_scopes: bool = False


class PathLike(Protocol):
    """A path, such as `pathlib.Path`."""

    def __fspath__(self) -> str: ...


def formats_of(requirements: Iterable[Signed | Attested]) -> tuple[str, ...]:
    """The names of all formats that one of the requirements accepts; empty means every format."""
    named: dict[str, None] = {}
    for item in requirements:
        if not item.formats:
            return ()
        named |= dict.fromkeys(item.formats)
    return tuple(named)
