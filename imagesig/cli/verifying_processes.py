"""Verifying many images on all cores of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from msgspec import Struct
from msgspec.structs import replace

from imagesig.cli.processes import ForkPool, available
from imagesig.concurrency import WORKERS
from imagesig.errors import ImagesigError
from imagesig.formats import ALL_FORMATS, select_formats
from imagesig.keys.uri import open_public_keys
from imagesig.naming import is_key_uri
from imagesig.policy import Policy
from imagesig.policy.authority import OpenPublicKeys
from imagesig.policy.requirement import formats_of

_MANY = 100
"""Images for which a copy of this process is soon made up for."""
_NEEDED = ("imagesig.api.remote_workers", "imagesig.images.registry.connect", "imagesig.crypto.ecdsa")


class Spread(Struct, frozen=True):
    """What `verify_many` needs: with an `executor`, a policy whose keys are open and a key opener that pickles."""

    policy: Policy
    open_keys: OpenPublicKeys
    executor: ForkPool | None = None
    workers: int = WORKERS


@contextmanager
def spread_over_cores(policy: Policy, open_keys: OpenPublicKeys, total: int | None) -> Iterator[Spread]:
    """A pool of forks if there are many images and several cores, and the policy trusts only keys in files.

    Whoever asks for a PIN, logs in or asks revocation servers stays one process, which does that once.
    """
    here = Spread(policy, open_keys)
    cores = available() if total is not None and total >= _MANY else 0
    opened = _opened(policy, open_keys) if cores > 1 else None
    if opened is None:
        yield here
        return
    _load_what_copies_need(opened)
    with ForkPool(cores) as copies:
        yield Spread(opened, open_public_keys, copies, 2 * cores)


def _load_what_copies_need(policy: Policy) -> None:
    """Modules that each copy would otherwise load for itself."""
    from cryptography.hazmat.backends import default_backend

    default_backend()
    for module in _NEEDED:
        import_module(module)
    for rule in (policy.default, *policy.rules.values()):
        if rule.signed:
            select_formats(formats_of(rule.signed) or ALL_FORMATS)


def _opened(policy: Policy, open_keys: OpenPublicKeys) -> Policy | None:
    """The policy with every key opened; None where that asks somebody, or fails, which is for its images to tell."""
    for rule in (policy.default, *policy.rules.values()):
        for requirement in rule.signed:
            if requirement.certificate_authorities or any(is_key_uri(item.text) for item in requirement.references):
                return None
    try:
        rules = {scope: rule.opened(open_keys) for scope, rule in policy.rules.items()}
        return replace(policy, default=policy.default.opened(open_keys), rules=rules)
    except ImagesigError:
        return None
