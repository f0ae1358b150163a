"""`imagesig demo`: signing and verifying in a temporary folder, without a server."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from imagesig.api.inspecting import inspect
from imagesig.api.sign.signing import sign
from imagesig.api.verify.verifying import verify
from imagesig.cli.options import FilePath
from imagesig.cli.output.terminal import say, say_marked
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.formats.format import readable_hint
from imagesig.images.build import build_index
from imagesig.images.layout.layout import Layout, layout
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.uri import open_public_keys
from imagesig.text import quote

_IDENTITY = "registry.example/demo/app:1.0"


@click.command("demo", short_help="Try everything in a temporary folder.")
@click.option("--keep", type=FilePath(folder=True, file=False), help="Keep the files, in this new folder.")
def command(keep: Path | None) -> None:
    """Generate a key; build, sign, verify and inspect an image; then change a byte and show that it is refused."""
    if keep is not None:
        try:
            keep.mkdir(parents=True)
        except OSError as error:
            raise InvalidArgument(
                f"folder {quote(str(keep))}: cannot be created ({error.strerror})",
                hint="name a folder that does not exist yet",
            ) from error
        _run(keep)
        return
    with tempfile.TemporaryDirectory(prefix="imagesig-demo-") as folder:
        _run(Path(folder))


def _run(folder: Path) -> None:
    _say("1. generate a key file; only its public key is ever shown")
    key = FileProvider(folder).generate("release.key", KeyType.ECDSA_P256)
    _show(f"{key.info.public_key.key_type.value}  {key.info.public_key.fingerprint}")

    _say("2. build an image for linux/amd64 and linux/arm64 as an OCI layout")
    home = Layout.create(folder / "image")
    index = build_index(home, {"bin/hello": b"#!/bin/sh\necho hello\n"}, "1.0")
    _show(f"{index.digest}")

    _say("3. sign the index and both platforms, in cosign's classic format and as Sigstore bundles")
    image = layout(folder / "image", "1.0")
    signed = sign(image, key, identity=_IDENTITY, annotations={"build": "42"})
    for made in signed.signatures:
        _show(f"{made.state}  {made.format:7} {made.digest[:19]}…  {made.platform or 'index'}")

    _say("4. verify with the public key")
    (public_key,) = open_public_keys(str(folder / "release.pub"))
    result = verify(image, public_key)
    for signature in result.signatures:
        _show(f"{signature.format:7} " + "; ".join(check.detail for check in signature.checks))
    _show(f"deploy this name: {result.digest}")

    _say("5. show who signed, without verifying it")
    for seen in inspect(image, recursive=False).signatures:
        name = seen.claim.reference if seen.claim and seen.claim.reference else readable_hint(seen.key_hint)
        _show(f"{seen.format:7} {name}  " + ", ".join(f"{item}={text}" for item, text in seen.annotations.items()))

    _say("6. change one byte of the image, keep the signatures, and verify again")
    changed = build_index(home, {"bin/hello": b"#!/bin/sh\necho hellO\n"}, "1.0")
    _copy_signatures(home, index.digest, changed.digest)
    try:
        verify(image, public_key)
    except ImagesigError as error:
        _show(f"refused: {error}")
        for rejection in getattr(error, "rejections", ()):
            _show(f"  {rejection.error}")
    else:
        raise SystemExit("the changed image was accepted: this must never happen")


def _copy_signatures(home: Layout, old: str, new: str) -> None:
    """Does what a forger would do: stores the good signatures under the tag of the changed image."""
    signatures = home.resolve(old.replace(":", "-") + ".sig")
    content = home.read(signatures, limit=signatures.size)
    home.put_manifest(content, signatures.media_type, new.replace(":", "-") + ".sig")


def _say(text: str) -> None:
    say_marked(text, "", bold=True)


def _show(text: str) -> None:
    say(f"   {text}")
