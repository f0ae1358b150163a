"""Registries, and images on disk, that attack their readers: each in one way, which has a name.

A program that verifies, signs or copies images tries itself on all of them::

    for hostility in HOSTILITIES.values():
        with hostile_registry(hostility.name) as served:
            try:
                outcome = my_program(served.image, served.key)   # the digest that it would deploy
            except ImagesigError as error:
                outcome = error
            assert served.is_right(outcome), hostility.sentence
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from imagesig.arguments import checks_arguments
from imagesig.errors import InvalidArgument
from imagesig.testing.hostile.homes.archive_files import ARCHIVE_FILES
from imagesig.testing.hostile.homes.archives import ARCHIVES
from imagesig.testing.hostile.homes.changing_layouts import CHANGING_LAYOUTS
from imagesig.testing.hostile.homes.folders import FOLDERS
from imagesig.testing.hostile.homes.gzips import GZIPS
from imagesig.testing.hostile.homes.home import IDENTITY
from imagesig.testing.hostile.homes.layouts import LAYOUTS
from imagesig.testing.hostile.homes.tar_members import TAR_MEMBERS
from imagesig.testing.hostile.kinds import HomeHostility, HostileHome, HostileRegistry, Hostility, Work, by_name
from imagesig.testing.hostile.registries.changes import CHANGES
from imagesig.testing.hostile.registries.descriptors import DESCRIPTORS
from imagesig.testing.hostile.registries.documents import DOCUMENTS
from imagesig.testing.hostile.registries.envelopes import ENVELOPES
from imagesig.testing.hostile.registries.lies import LIES
from imagesig.testing.hostile.registries.listings import LISTINGS
from imagesig.testing.hostile.registries.logins import LOGINS
from imagesig.testing.hostile.registries.redirects import REDIRECTS
from imagesig.testing.hostile.registries.signing import SIGNING
from imagesig.testing.hostile.registries.stage import NAME, Stage, signer
from imagesig.testing.hostile.registries.transport import TRANSPORT
from imagesig.testing.registry import InMemoryRegistry
from imagesig.text import quote

__all__ = [
    "HOSTILE_HOMES",
    "HOSTILITIES",
    "HomeHostility",
    "HostileHome",
    "HostileRegistry",
    "Hostility",
    "Work",
    "hostile_home",
    "hostile_homes",
    "hostile_registry",
]

HOSTILITIES: Mapping[str, Hostility] = by_name(
    [*TRANSPORT, *REDIRECTS, *LOGINS, *DOCUMENTS, *ENVELOPES, *DESCRIPTORS, *LIES, *LISTINGS, *CHANGES, *SIGNING]
)
"""What a registry may do, by name."""
HOSTILE_HOMES: Mapping[str, HomeHostility] = by_name(
    [*FOLDERS, *LAYOUTS, *CHANGING_LAYOUTS, *GZIPS, *TAR_MEMBERS, *ARCHIVES, *ARCHIVE_FILES]
)
"""What may lie in a home on disk, by name."""


@contextmanager
@checks_arguments
def hostile_registry(name: str) -> Iterator[HostileRegistry]:
    """A registry on loopback that misbehaves in this way until the block ends.

    Raises:
        InvalidArgument: no hostility has this name.
    """
    hostility = HOSTILITIES.get(name)
    if hostility is None:
        raise InvalidArgument(f"hostility {quote(name)} is unknown", hint="choose from HOSTILITIES")
    with InMemoryRegistry() as server, ExitStack() as others:
        stage = Stage(server, others)
        hostility.script(stage)
        server.requests.clear()
        trusted = signer()
        yield HostileRegistry(
            image=f"{server.host}/{NAME}{'@' if ':' in stage.target else ':'}{stage.target}",
            digest=stage.digest,
            key=trusted.public,
            certificate=trusted.certificate if stage.certified else "",
            expected=hostility.expected,
            harmless=hostility.harmless,
            identity="",
            hostility=hostility,
            host=server.host,
            requests=server.requests,
        )


@contextmanager
@checks_arguments
def hostile_home(name: str, folder: str | Path) -> Iterator[HostileHome]:
    """A home on disk of this kind, made below an empty folder. It stops changing when the block ends.

    Raises:
        InvalidArgument: no hostility has this name.
    """
    hostility = HOSTILE_HOMES.get(name)
    if hostility is None:
        raise InvalidArgument(f"hostile home {quote(name)} is unknown", hint="choose from HOSTILE_HOMES")
    Path(folder).mkdir(parents=True, exist_ok=True)
    made = hostility.script(Path(folder))
    with ExitStack() as stack:
        if made.during is not None:
            stack.enter_context(made.during)
        yield HostileHome(
            image=made.image,
            digest=made.digest,
            key=signer().public,
            certificate="",
            expected=hostility.expected,
            harmless=hostility.harmless,
            identity=IDENTITY,
            name=name,
            sentence=hostility.sentence,
            waits=hostility.waits,
        )


@checks_arguments
def hostile_homes(folder: str | Path) -> Iterator[HostileHome]:
    """Every hostile home, one after the other, each below a folder of its own name."""
    for name in HOSTILE_HOMES:
        with hostile_home(name, Path(folder) / name) as home:
            yield home
