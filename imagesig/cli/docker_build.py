"""`docker build --sign-key KEY_URI … --push`: buildx builds, then its images are signed by digest."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from imagesig.api.sign.signed_image import SignedImage
from imagesig.api.sign.signing import sign
from imagesig.cli.key_options import KeyOptions, private_key_option, signing_key_options
from imagesig.cli.options import no_recursive_option, parse_annotations
from imagesig.cli.output.terminal import note, say
from imagesig.cli.sign_formats import sign_format_options
from imagesig.cli.transport import transport_options
from imagesig.docker.build_arguments import SIGN, BuildRequest, build_request
from imagesig.docker.buildx_metadata import BuiltImage, read_metadata
from imagesig.docker.command import run
from imagesig.errors import ImageNotFound, ImagesigError, InvalidArgument
from imagesig.formats import Format
from imagesig.images.open import Transport
from imagesig.keys.provider import SigningKey
from imagesig.oci.reference import Reference
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.api.options import SignOptions


class Signing(Struct, frozen=True):
    """How a build is signed, from the options `--sign-*`."""

    key_uri: str
    formats: tuple[Format, ...]
    annotations: tuple[str, ...]
    no_recursive: bool
    key_options: KeyOptions
    transport: Transport


@click.command("sign", add_help_option=False)
@private_key_option("Private key: file, key URI, or name of docker trust key.")
@click.option("--annotation", "annotations", multiple=True, metavar="NAME=VALUE", help="Annotation to include.")
@no_recursive_option
@sign_format_options
@signing_key_options
@transport_options
def _signing(
    key_uri: str,
    annotations: tuple[str, ...],
    no_recursive: bool,
    formats: tuple[Format, ...],
    key_options: KeyOptions,
    transport: Transport,
) -> Signing:
    parse_annotations(annotations)
    return Signing(key_uri, formats, annotations, no_recursive, key_options, transport)


def build(options: Sequence[str], subcommand: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs `docker OPTIONS buildx SUBCOMMAND ARGUMENTS` and signs its images; gives the exit status of the build.

    Everything that can refuse the signature is asked before the build: where the images go, the options, and the key.

    Raises:
        InvalidArgument: the images go nowhere where they can be signed, an option is wrong, or nothing was built.
        KeyProviderError: the key cannot be opened.
        ImagesigError: signing failed; the images are pushed or written, and a note says which ones.
    """
    request = build_request(subcommand, arguments)
    signing = parse_signing(request.signing)
    with _opened(signing) as key, tempfile.TemporaryDirectory(prefix="imagesig-") as folder:
        metadata = request.metadata_file or str(Path(folder, "metadata.json"))
        inner = dict(environ)
        if not request.metadata_file:
            # The provenance would be in the metadata file, which only imagesig reads.
            inner["BUILDX_METADATA_PROVENANCE"] = "disabled"
        own = [] if request.metadata_file else ["--metadata-file", metadata]
        earlier = _written(metadata)
        if status := run([*options, "buildx", subcommand, *own, *request.arguments], inner):
            return status
        if _written(metadata) == earlier:
            raise InvalidArgument(
                f"signing the build: buildx wrote nothing to {quote(metadata)}, so it is not known what was built",
                hint="without a build (--check, --call, --print, --list), leave --sign-key out",
            )
        _sign_all(request, signing, key, read_metadata(metadata))
    return 0


def _written(path: str) -> object:
    """What tells a file from one that is written later under its name; None without a file."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _opened(signing: Signing) -> SigningKey:
    """The key: a file or key URI, or, as no such file exists, the name or id of a key that `docker trust` has."""
    from imagesig.cli.commands.trust.docker_keys import named_key_file

    named = named_key_file(signing.key_uri)
    return signing.key_options.open(signing.key_uri if named is None else str(named))


def parse_signing(arguments: Sequence[str]) -> Signing:
    """The options of `imagesig sign` among them. Raises `InvalidArgument` for wrong ones."""
    try:
        signing: Signing = _signing.main(list(arguments), prog_name="docker build", standalone_mode=False)
    except click.UsageError as error:
        text = re.sub(r"(?<![\w-])--(?=[a-z])", SIGN, error.format_message())
        raise InvalidArgument(f"signing the build: {text}", hint="see docker build --help") from error
    return signing


def build_help(options: Sequence[str], subcommand: str, environ: Mapping[str, str]) -> int:
    """The help of buildx, and then the options of ours."""
    status = run([*options, "buildx", subcommand, "--help"], environ)
    say("", "Options of imagesig, for builds with --push or -o type=oci,dest=FILE:")
    context = click.Context(_signing)
    for parameter in _signing.params:
        record = parameter.get_help_record(context)
        if record is not None:
            say(f"      {SIGN}{record[0].removeprefix('--'):32} {record[1]}")
    return status


def _sign_all(request: BuildRequest, signing: Signing, key: SigningKey, built: Sequence[BuiltImage]) -> None:
    pushed = [name for image in built for name in image.pushed] if request.pushes else []
    images = [(image.digest, name) for image in built for name in image.names or (None,)]
    written = [(archive, *image) for archive in request.archives for image in images]
    options: SignOptions = {
        "formats": signing.formats,
        "annotations": parse_annotations(signing.annotations),
        "recursive": not signing.no_recursive,
        "transport": signing.transport,
    }
    try:
        # One after the other: the second tag of an image finds the signatures that name no tag.
        for name in pushed:
            _note(sign(name, key, **options))
        for archive, digest, reference in written:
            _note(_signed_archive(archive, digest, reference, key, options))
    except ImagesigError:
        note(*(f"built, but perhaps not signed: {name}" for name in [*pushed, *(item[0] for item in written)]))
        raise


def _signed_archive(
    archive: str, digest: str, name: Reference | None, key: SigningKey, options: SignOptions
) -> SignedImage:
    """Signs an image in an archive that the build wrote.

    Of several outputs, buildx names the digest of one: an archive whose image has no statements has another one.
    """
    named = options | {"identity": str(name or "")}
    try:
        return sign(f"{archive}@{digest}", key, **named)
    except ImageNotFound:
        return sign(f"{archive}:{name.tag}" if name else archive, key, **named)


def _note(image: SignedImage) -> None:
    """On stderr, as buildx's progress: with -q, stdout has the image's digest alone."""
    note(f"signed {image.pinned} as {image.identity or '(no name)'} with {image.public_key}")
