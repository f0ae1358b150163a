"""The timestamp service of new signatures, from the options of `imagesig sign`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.certificate import parse_certificates
from imagesig.errors import InvalidArgument
from imagesig.formats import Format
from imagesig.formats.notation import Notation
from imagesig.reading import read_bounded, usage_error


def timestamped(formats: Sequence[Format], url: str, roots: Path | None) -> tuple[Format, ...]:
    """The same formats; notation's are timestamped by the service at this URL, whose roots are in a PEM or DER file.

    Raises:
        InvalidArgument: URL or file is missing, the file cannot be read, or no format can be timestamped.
    """
    if not url or roots is None:
        raise InvalidArgument(
            "--timestamp-url and --timestamp-root go together: the service, and the roots that it must chain to"
        )
    if not any(isinstance(item, Notation) for item in formats):
        names = ", ".join(item.name for item in formats)
        raise InvalidArgument(
            f"--timestamp-url: {names} signatures have no timestamp",
            hint="add --format notation-jws, or leave --timestamp-url out",
        )
    name, most = "--timestamp-root", limits.CERTIFICATE_FILE_BYTES
    content = read_bounded(roots, most, name, streams=True, explain=usage_error(f"{name} {roots}"))
    trusted = parse_certificates(content, str(roots))
    return tuple(
        replace(item, timestamp_url=url, timestamp_authorities=trusted) if isinstance(item, Notation) else item
        for item in formats
    )
