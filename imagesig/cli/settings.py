"""How the command line opens keys: the environment, then a secret file, then a prompt."""

from __future__ import annotations

import os
from pathlib import Path

from imagesig.keys.secrets import SecretRequest, SecretSource, first_of, from_environ, from_file, prompt
from imagesig.keys.uri import KeySettings


def key_settings(passphrase_file: Path | None, *, allow_open_permissions: bool = False) -> KeySettings:
    """Settings of this process. A file that was named is asked before the environment."""
    sources: list[SecretSource] = [from_environ(os.environ), _prompt]
    if passphrase_file is not None:
        sources.insert(0, from_file(passphrase_file))
    return KeySettings(os.environ, first_of(*sources), allow_open_permissions)


def _prompt(request: SecretRequest) -> str | None:
    answer = prompt(request)
    # At a prompt for a new passphrase, just pressing Enter means "do not encrypt".
    return None if request.new and not answer else answer
