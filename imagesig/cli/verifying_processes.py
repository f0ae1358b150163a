"""Verification of many images on all cores of this machine."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from imagesig.concurrency import WORKERS
from imagesig.errors import ImagesigError
from imagesig.formats import ALL_FORMATS, select_formats
from imagesig.keys.uri import open_public_keys
from imagesig.naming import is_key_uri
from imagesig.policy import Policy
from imagesig.policy.authority import OpenPublicKeys
from imagesig.policy.requirement import formats_of
from imagesig.trust import ContentTrust

if TYPE_CHECKING:
    from imagesig.cli.processes import ForkPool

_MANY = 100
"""From so many images on, forks save more time than they cost."""
_MODULES_OF_FORKS = ("imagesig.api.verify.remote_workers", "imagesig.images.registry.connect", "imagesig.crypto.ecdsa")


def useful_forks() -> int:
    """How many forks are useful: one for each core that we may use, none if forks are not safe."""
    if not sys.platform.startswith("linux") or threading.active_count() > 1:
        return 0
    return len(os.sched_getaffinity(0))


class Workers(Struct, frozen=True):
    """Arguments of `verify_many`; `count` is its `workers`.

    With an `executor`, the keys of the policy are open and `open_keys` pickles.
    """

    policy: Policy
    open_keys: OpenPublicKeys
    executor: ForkPool | None = None
    count: int = WORKERS


@contextmanager
def workers_for(policy: Policy, open_keys: OpenPublicKeys, total: int | None) -> Iterator[Workers]:
    """A pool of forks if there are many images and several cores, and the policy trusts only keys in files.

    A policy that needs a PIN, a login or revocation servers is verified in one process, which asks once.
    """
    here = Workers(policy, open_keys)
    cores = useful_forks() if total is not None and total >= _MANY else 0
    opened = _with_open_keys(policy, open_keys) if cores > 1 else None
    if opened is None:
        yield here
        return
    from imagesig.cli.processes import ForkPool  # loads `multiprocessing`, which takes longer than one verification

    _load_modules(opened)
    with ForkPool(cores) as pool:
        yield Workers(opened, open_public_keys, pool, 2 * cores)


def _load_modules(policy: Policy) -> None:
    """Loads modules that otherwise each fork would load."""
    from cryptography.hazmat.backends import default_backend

    default_backend()
    for module in _MODULES_OF_FORKS:
        import_module(module)
    for rule in (policy.default, *policy.rules.values()):
        if rule.signed:
            select_formats(formats_of(rule.signed) or ALL_FORMATS)


def _with_open_keys(policy: Policy, open_keys: OpenPublicKeys) -> Policy | None:
    """The policy with its keys opened; None if one needs a login or a PIN, or fails: its images have the error."""
    for rule in (policy.default, *policy.rules.values()):
        for requirement in rule.proven:
            named = any(type(item) is ContentTrust for item in requirement.authorities)
            if (
                named
                or requirement.certificate_authorities
                or any(is_key_uri(item.text) for item in requirement.references)
            ):
                return None
    try:
        rules = {scope: rule.opened(open_keys) for scope, rule in policy.rules.items()}
        return replace(policy, default=policy.default.opened(open_keys), rules=rules)
    except ImagesigError:
        return None
