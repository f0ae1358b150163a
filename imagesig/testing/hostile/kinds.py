"""What a hostility is, and what a program gets to test itself with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Struct

from imagesig.errors import ImagesigError
from imagesig.policy import Policy
from imagesig.testing.loopback_server import Request
from imagesig.trust import CertificateAuthority

if TYPE_CHECKING:
    from pathlib import Path


class Work(Enum):
    """What a program does with the hostile image."""

    VERIFYING = "verify"
    SIGNING = "sign"
    COPYING = "copy"


Script = Callable[[Any], object]
"""Arms a registry, given its `Stage`: the registry has a signed image and begins to misbehave. The result is unused."""
Errors = tuple[type[ImagesigError], ...]
"""The errors of which one is expected."""
MIB = 1024 * 1024


class Hostility(Struct, frozen=True):
    """One way in which a registry misbehaves.

    `expected` are the errors that are right. With `harmless` the work may also succeed, as long as it names the digest
    that is served as right. `waits` says that the work ends only at its deadline, or after several attempts.
    """

    name: str
    sentence: str
    script: Script
    expected: Errors
    work: Work = Work.VERIFYING
    harmless: bool = False
    waits: bool = False


class _Served(Struct, dict=True):
    """What is right for one image of an attacker."""

    image: str
    digest: str
    key: str
    certificate: str
    expected: Errors
    harmless: bool
    identity: str

    @cached_property
    def policy(self) -> Policy:
        """Trusts the signer: by its certificate if the image is signed with one, else by its key."""
        if self.certificate:
            return Policy.any_of(CertificateAuthority.from_pem("signer", self.certificate.encode()))
        return Policy.any_of(self.key, identity=self.identity) if self.identity else Policy.any_of(self.key)

    def is_right(self, outcome: str | BaseException) -> bool:
        """Whether the work may end so: with this digest, or with this exception."""
        if isinstance(outcome, BaseException):
            return isinstance(outcome, self.expected)
        return self.harmless and outcome == self.digest


class HostileRegistry(_Served):
    """A registry on loopback that misbehaves until the `with` block ends.

    `image` is the reference, `key` the signer's public key in PEM, and `certificate` the signer's certificate, empty if
    there is none. `digest` is the only digest that a program may report. An image to sign has no signature yet.
    `identity` is the repository in the signature if the image has another name, as on disk. `requests` has the requests
    so far.
    """

    hostility: Hostility
    host: str
    requests: list[Request]


class HostileHome(_Served):
    """An image in a layout, an archive or a `dir:` that an attacker has written. Fields as in `HostileRegistry`."""

    name: str
    sentence: str
    waits: bool


class HomeScript(Protocol):
    """Makes a home below an empty folder; the result also has what changes it while it is read."""

    def __call__(self, folder: Path) -> MadeHome: ...


class MadeHome(Struct, frozen=True):
    """An image's text and its digest; `during` is entered while the home is used."""

    image: str
    digest: str
    during: AbstractContextManager[object] | None = None


class HomeHostility(Struct, frozen=True):
    """One way in which a local home misbehaves. Fields as in `Hostility`."""

    name: str
    sentence: str
    script: HomeScript
    expected: Errors
    harmless: bool = False
    waits: bool = False


_Kind = TypeVar("_Kind", Hostility, HomeHostility)


def by_name(hostilities: list[_Kind]) -> Mapping[str, _Kind]:
    """Each by its name."""
    found = {item.name: item for item in hostilities}
    assert len(found) == len(hostilities)
    return found
