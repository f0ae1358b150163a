"""`imagesig tree`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from imagesig.api.attached.artifact import ArtifactKind
from imagesig.api.attached.tree import ImageTree, TreeNode, tree
from imagesig.cli.help import GroupedCommand
from imagesig.cli.options import output_option
from imagesig.cli.output.failure import fail
from imagesig.cli.output.render import word, write_json
from imagesig.cli.output.terminal import say
from imagesig.cli.transport import open_images, transport_options
from imagesig.images.open import Transport

_UNITS = ("B", "kB", "MB", "GB", "TB")


@click.command(
    "tree",
    cls=GroupedCommand,
    short_help="Show attached artifacts, unverified.",
    headings={},
    example="imagesig tree ghcr.io/acme/app:1.0",
)
@click.argument("image", metavar="IMAGE")
@output_option
@transport_options
def command(image: str, output: str, transport: Transport) -> None:
    """Show an image's platforms, and the signatures, attestations, SBOMs and other artifacts attached to each.

    Nothing is verified: kinds, types and dates are what the artifacts claim. BuildKit's statements are unsigned.
    """
    (opened,) = open_images([image], transport)
    found = tree(opened, allow_incomplete=True)
    if output == "json":
        write_json("tree", {"images": [found.document()]})
    else:
        _write_text(found)
    if found.failure:
        raise click.exceptions.Exit(fail(found.failure))


def _write_text(found: ImageTree) -> None:
    say(f"{found.pinned}  {_described(found.root)}")
    say(*_branches(found.root, ""))
    if not found.root.children:
        say("  nothing is attached to it")
    if found.failure:
        say("  some content could not be read: there may be more")


def _branches(node: TreeNode, indent: str) -> Iterator[str]:
    for number, child in enumerate(node.children, 1):
        is_last = number == len(node.children)
        yield f"{indent}{'`-- ' if is_last else '|-- '}{_described(child)}"
        yield from _branches(child, indent + ("    " if is_last else "|   "))


def _described(node: TreeNode) -> str:
    """The node in one line. What others wrote is quoted unless it is a plain word."""
    words = [word(node.platform)] if node.platform else []
    words.append(node.kind.value)
    words += [word(text) for text in (node.predicate_type or node.artifact_type or _type_of(node),) if text]
    words += [node.digest] if node.digest else []
    words += [_size(node.size)] if node.size >= 0 else []
    words += [word(node.created)] if node.created else []
    words += [f"({_place(node.origin)})"] if node.origin else []
    words += [f"problem: {node.problem}"] if node.problem else []
    return "  ".join(words)


def _place(origin: str) -> str:
    return f"tag {origin.rpartition('.')[2]}" if origin.startswith("sha256-") else origin


def _type_of(node: TreeNode) -> str:
    return "" if node.kind in (ArtifactKind.INDEX, ArtifactKind.IMAGE) else node.media_type


def _size(size: float) -> str:
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
