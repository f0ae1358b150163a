"""How the command line opens keys: the environment, then a secret file, then a prompt."""

from __future__ import annotations

import os
from pathlib import Path

from imagesig.keys.secrets import SecretRequest, SecretSource, first_of, from_environ, from_file, prompt
from imagesig.keys.uri import KeySettings


def key_settings(
    passphrase_file: Path | None, *, allow_open_permissions: bool = False, expect: Path | None = None
) -> KeySettings:
    """Settings of this process. A file that was named is asked before the environment.

    `expect` is a public key file; keys are pinned to the key in it.

    Raises:
        KeyNotFound, KeyUnusable: there is no such file, or no public key in it.
    """
    sources: list[SecretSource] = [from_environ(os.environ), _prompt]
    if passphrase_file is not None:
        sources.insert(0, from_file(passphrase_file))
    expected = None
    if expect is not None:
        from imagesig.keys.file import FileProvider

        (expected,) = FileProvider().public_keys(str(expect))
    return KeySettings(os.environ, first_of(*sources), allow_open_permissions, expected)


def _prompt(request: SecretRequest) -> str | None:
    answer = prompt(request)
    # At a prompt for a new passphrase, just pressing Enter means "do not encrypt".
    return None if request.new and not answer else answer
