"""The images of compose files: those of services, and those that they mount. Other things that run are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from imagesig.cli.workloads.members import Members, is_null, is_text
from imagesig.cli.workloads.yaml_nodes import RENDER, items

if TYPE_CHECKING:
    from yaml import Node, ScalarNode

_INSTEAD = {
    "build": "what runs may be what is built where it is deployed",
    "provider": "what runs is a program, and not an image",
}
"""Members of a service that take the place of its image."""
_PUSHED = "build and push the image, and name it alone in the file that is deployed"
_MODELS = "leave models out of the file, and verify what you serve them with"


def compose_images(document: Mapping[str, Node], members: Members) -> Iterator[ScalarNode]:
    """The image values of a compose file with these top-level members.

    Raises:
        InvalidArgument: a service runs something else, there are models, or compose reads the file differently; with
            the line.
    """
    if "include" in document:
        raise members.refused(document["include"], "includes other files, whose images are not read", RENDER)
    if not is_null(document.get("models")):
        raise members.refused(document["models"], "models are pulled and run, and are not verified", _MODELS)
    for service in members.all(document["services"]).values():
        known = members.known(service, "image", "extends", "volumes", *_INSTEAD)
        extends = known.get("extends")
        if "file" in members.known(extends, "file", "service"):
            assert extends is not None
            raise members.refused(extends, "extends a service of another file, whose image is not read", RENDER)
        for key, what in _INSTEAD.items():
            if not is_null(known.get(key)):
                with_image = "with an image and " if "image" in known else ""
                raise members.refused(known[key], f"a service {with_image}with {key!r}: {what}", _PUSHED)
        yield from members.scalar(service, "image")
        for volume in items(known.get("volumes")):
            yield from _mounted(volume, members)


def _mounted(volume: Node, members: Members) -> Iterator[ScalarNode]:
    kind = members.known(volume, "type", "source").get("type")
    if kind is None:
        return
    if not is_text(kind) or "$" in kind.value:
        raise members.refused(kind, "a type of volume that is only known when it is used", RENDER)
    if kind.value == "image":
        yield from members.scalar(volume, "source")
