"""How the command opens keys: secrets come from a file, the environment or a prompt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.keys.secrets import SecretRequest, SecretSource, first_of, from_environ, from_file, prompt
from imagesig.keys.uri import KeySettings
from imagesig.reading import home_folder

if TYPE_CHECKING:
    from imagesig.policy import Policy
    from imagesig.witnesses import Witnesses


def key_settings(
    passphrase_file: Path | None,
    *,
    allow_open_permissions: bool = False,
    expect: Path | None = None,
    timeout: float = limits.KEY_OPEN_SECONDS,
) -> KeySettings:
    """The settings of this process. A passphrase file takes precedence over the environment.

    `expect` is a public key file; any other key is refused. Opening a key may take `timeout` seconds.

    Raises:
        KeyNotFound, KeyUnusable: the file `expect` is missing, or holds no public key.
    """
    sources: list[SecretSource] = [from_environ(os.environ), _prompt]
    if passphrase_file is not None:
        sources.insert(0, from_file(passphrase_file, "--passphrase-file"))
    expected = None
    if expect is not None:
        from imagesig.keys.file.provider import FileProvider

        (expected,) = FileProvider().public_keys(str(expect))
    return KeySettings(os.environ, first_of(*sources), allow_open_permissions, expected, timeout)


def witnesses_for(policy: Policy, environ: Mapping[str, str] | None = None) -> Witnesses | None:
    """Witnesses that cache CRLs for the next run; None for a policy that trusts only keys."""
    signed = [item for rule in (policy.default, *policy.rules.values()) for item in rule.proven]
    if not any(item.certificate_authorities for item in signed):
        return None
    from imagesig.witnesses import online

    return online(crl_folder=_cache_folder(os.environ if environ is None else environ) / "crl")


def _cache_folder(environ: Mapping[str, str]) -> Path:
    # The XDG Base Directory specification says to ignore a relative path.
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else home_folder(environ) / ".cache") / "imagesig"


def _prompt(request: SecretRequest) -> str | None:
    answer = prompt(request)
    # At the prompt for a new passphrase, an empty answer means "do not encrypt".
    return None if request.new and not answer else answer
