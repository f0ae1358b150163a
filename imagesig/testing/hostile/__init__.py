"""A registry and homes on disk that attack whoever reads them, each in one way that has a name.

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

from imagesig.errors import InvalidArgument
from imagesig.testing.hostile.bombs import BOMBS
from imagesig.testing.hostile.changes import CHANGES
from imagesig.testing.hostile.ground import IDENTITY
from imagesig.testing.hostile.homes import HOMES
from imagesig.testing.hostile.kinds import HomeHostility, HostileHome, HostileRegistry, Hostility, Work, by_name
from imagesig.testing.hostile.lies import LIES
from imagesig.testing.hostile.listings import LISTINGS
from imagesig.testing.hostile.places import PLACES
from imagesig.testing.hostile.stage import NAME, Stage, signer
from imagesig.testing.hostile.transport import TRANSPORT
from imagesig.testing.hostile.writing import WRITING
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

HOSTILITIES: Mapping[str, Hostility] = by_name([*TRANSPORT, *PLACES, *BOMBS, *LIES, *LISTINGS, *CHANGES, *WRITING])
"""What a registry may do, by name."""
HOSTILE_HOMES: Mapping[str, HomeHostility] = {item.name: item for item in HOMES}
"""What may lie in a home on disk, by name."""


@contextmanager
def hostile_registry(name: str) -> Iterator[HostileRegistry]:
    """A registry on loopback that misbehaves in this way as long as the block lasts.

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
def hostile_home(name: str, folder: str | Path) -> Iterator[HostileHome]:
    """A home on disk of this kind, made below an empty folder. What goes on in it ends with the block.

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


def hostile_homes(folder: str | Path) -> Iterator[HostileHome]:
    """Every hostile home, one after the other, each below a folder of its own name."""
    for name in HOSTILE_HOMES:
        with hostile_home(name, Path(folder) / name) as home:
            yield home
