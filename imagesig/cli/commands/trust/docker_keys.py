"""Docker's folder of private keys, for commands: which key a name means, and where passphrases come from."""

from __future__ import annotations

import os
import re
from pathlib import Path

from imagesig.cli.settings import key_settings
from imagesig.content_trust.private_folder import PrivateKeyFolder, docker_passphrases
from imagesig.errors import InvalidArgument, KeyNotFound
from imagesig.images.registry.credentials import docker_folder
from imagesig.keys.secrets import SecretSource, from_file, prompt
from imagesig.trust.anchors import KEY_ID

KEY_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII)
"""The name of a signer, as docker takes it for a key."""


def key_folder(passphrase_file: Path | None = None) -> PrivateKeyFolder:
    """Docker's folder of private keys; passphrases come from the file, docker's variables, or a prompt."""
    if passphrase_file is None:
        return PrivateKeyFolder.of_docker(os.environ, prompt)
    source = from_file(passphrase_file, "--passphrase-file")
    return PrivateKeyFolder(docker_folder(os.environ) / "trust" / "private", lambda _role: source)


def in_folder(keys: PrivateKeyFolder, key: str) -> tuple[str, str] | None:
    """Id and name of the key that is meant; None for a key URI. Raises `InvalidArgument` if several have the name."""
    if not KEY_ID.fullmatch(key) and not KEY_NAME.fullmatch(key):
        return None
    roles = keys.roles()
    if KEY_ID.fullmatch(key):
        if key not in roles:
            raise KeyNotFound("docker's folder has no key with this id")
        return key, roles[key]
    ids = [item for item, role in roles.items() if role == key]
    if len(ids) > 1:
        raise InvalidArgument(f"{key}: {len(ids)} keys have this name", hint=f"give the id: {', '.join(sorted(ids))}")
    return (ids[0], key) if ids else None


def named_key_file(name: str) -> Path | None:
    """The file of the key in docker's folder that a name or id means; None for another file, and for a key URI.

    Raises:
        InvalidArgument: several keys have the name.
    """
    keys = key_folder()
    # An id that the folder does not have may be a private key that was typed: it must not be in an error.
    if os.path.lexists(name) or (KEY_ID.fullmatch(name) and name not in keys.roles()):
        return None
    found = in_folder(keys, name)
    return keys.path(found[0]) if found else None


def secrets_of(role: str, passphrase_file: Path | None) -> SecretSource:
    """The passphrase of a key file: of the option, of docker's variable, of imagesig's variables, or a prompt.

    `role` is the one in the file's headers.
    """
    others = key_settings(passphrase_file).secrets
    return others if passphrase_file else docker_passphrases(os.environ, others)(role)
