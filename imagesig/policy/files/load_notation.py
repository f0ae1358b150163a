"""Reads notation's trust policy and trust stores, from notation's own folder or another one.

Spec: Notary Project trust-store-trust-policy, "Trust Store"; notation keeps the stores in `truststore/x509`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from imagesig import limits
from imagesig.crypto.certificate import Certificate, parse_certificates
from imagesig.errors import InvalidArgument, MalformedError
from imagesig.policy.files.notation import TIMESTAMPING, Store, parse_trust_policy, rules_of
from imagesig.policy.requirement import PathLike, Rules
from imagesig.reading import home_folder, is_folder, read_bounded, usage_error
from imagesig.text import quote
from imagesig.trust.profile import is_authority

POLICY_NAMES = ("trustpolicy.oci.json", "trustpolicy.json")
"""The first of these that a folder has is read, as notation does."""
TRUST_STORE = "truststore"


def load_notation_policy(path: str | PathLike, trust_store: str | PathLike = "", scope: str = "") -> Rules:
    """See `Policy.from_notation`."""
    file = _policy_file(Path(path))
    stores = Path(trust_store) if trust_store else file.parent / TRUST_STORE
    statements = parse_trust_policy(_read(file, limits.POLICY_BYTES, "trust policy"), f"trust policy {file}")
    read: dict[Store, tuple[Certificate, ...]] = {}

    def read_store(store: Store) -> tuple[Certificate, ...]:
        if store not in read:
            read[store] = load_trust_store(stores, store)
        return read[store]

    return rules_of(statements, read_store, scope)


def notation_folder(environ: Mapping[str, str]) -> Path:
    """Where notation keeps its configuration on this machine (Linux): trust policy, trust stores, keys."""
    if environ.get("NOTATION_CONFIG"):
        return Path(environ["NOTATION_CONFIG"])
    if environ.get("XDG_CONFIG_HOME"):
        return Path(environ["XDG_CONFIG_HOME"]) / "notation"
    return home_folder(environ) / ".config" / "notation"


def load_trust_store(folder: Path, store: Store) -> tuple[Certificate, ...]:
    """Every certificate of the store in `folder/x509/TYPE/NAME`; sub-folders are ignored.

    Raises:
        InvalidArgument: there is no such store, it is empty or has a symbolic link, or a file has anything but
            certificates of authorities and self-signed ones.
    """
    place = folder / "x509" / store.type / store.name
    what = f"trust store {store} ({place})"
    found: list[Certificate] = []
    for file in _files(place, what):
        certificates = _certificates(file, what)
        if store.type == TIMESTAMPING:
            wrong = [item for item in certificates if not (is_authority(item) and item.is_self_signed)]
            needed = "only self-signed certificates of authorities are trusted for timestamps"
        else:
            wrong = [item for item in certificates if not (is_authority(item) or item.is_self_signed)]
            needed = "only those of authorities, and self-signed ones, are trusted"
        if wrong:
            raise InvalidArgument(f"{what}: {file.name} has the certificate of {quote(wrong[0].subject)}; {needed}")
        found += certificates
        if len(found) > limits.CERTIFICATES:
            raise InvalidArgument(f"{what}: more than {limits.CERTIFICATES} certificates")
    if not found:
        raise InvalidArgument(f"{what}: is empty", hint="put the trusted certificates there, in PEM or DER")
    return tuple(found)


def _files(place: Path, what: str) -> list[Path]:
    try:
        mode = place.lstat().st_mode
        if not stat.S_ISDIR(mode):
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "no folder"
            raise InvalidArgument(f"{what}: is {kind}, a folder is needed")
        found = [entry for entry in sorted(place.iterdir()) if not stat.S_ISDIR(entry.lstat().st_mode)]
    except OSError as error:
        raise InvalidArgument(f"{what}: cannot be read: {error.strerror}", hint="check its name and folder") from error
    return found


def _certificates(file: Path, what: str) -> tuple[Certificate, ...]:
    try:
        return parse_certificates(_read(file, limits.CERTIFICATE_FILE_BYTES, what), f"{what}: {file.name}")
    except MalformedError as error:
        raise InvalidArgument(str(error)) from error


def _policy_file(path: Path) -> Path:
    if not is_folder(path):
        return path
    for name in POLICY_NAMES:
        if os.path.lexists(path / name):
            return path / name
    raise InvalidArgument(f"trust policy: {path} has neither {' nor '.join(POLICY_NAMES)}")


def _read(file: Path, most: int, what: str) -> bytes:
    """The content of a regular file. A symbolic link is refused: its target may change."""
    return read_bounded(
        file, most, what, links=False, explain=usage_error(f"{what}: {file}", "a regular file is needed")
    )
