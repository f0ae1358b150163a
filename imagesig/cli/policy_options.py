"""Policies on the command line: the options for a policy file, and the rule for each image with its keys open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TypeVar

import click
from click.core import ParameterSource

from imagesig.cli.options import FilePath
from imagesig.cli.output.terminal import note
from imagesig.cli.trust import Trust
from imagesig.errors import ImagesigError
from imagesig.images.image import Image
from imagesig.keys.uri import KeySettings, open_public_keys
from imagesig.policy import Policy, Rule
from imagesig.policy.files.kinds import KINDS

_Command = TypeVar("_Command", bound=Callable[..., object])

policy_from_option = click.option(
    "--policy-from",
    type=click.Choice(KINDS),
    default=None,
    help="Kind of policy file: imagesig's, podman's and skopeo's (containers) or notation's. Default: by its shape.",
)

_OVERRIDES = "notary_server"
"""The parameter that takes the place of the servers in a policy file."""
_OF_TRUST_SERVERS = ("notary_server", "pins", "signers", "trust_on_first_use")
_WHOM_TO_TRUST = (
    "keys",
    "threshold",
    "annotations",
    "identity",
    "formats",
    *Trust.__struct_fields__,
    *_OF_TRUST_SERVERS,
)
"""Parameters of `verify` that a policy file replaces."""


def policy_options(command: _Command) -> _Command:
    """Adds the options by which a command takes a policy file instead of keys."""
    for option in reversed(
        (
            click.option(
                "--policy",
                "policy_file",
                type=FilePath(),
                metavar="FILE",
                help="Policy file with the required signers of each image.",
            ),
            policy_from_option,
            click.option(
                "--allow-unverified",
                is_flag=True,
                help="Accept images the policy allows without proof; warn.",
            ),
        )
    ):
        command = option(command)
    return command


def policy_of_command(policy_file: Path | None, policy_from: str | None, make: Callable[[], Policy]) -> Policy:
    """The policy in the file; without a file, the policy that `make` builds from the other options.

    If no option says whom to trust, the default policy applies, and its file is named on stderr.

    Raises:
        UsageError: a policy file is given, and an option that it replaces.
        InvalidArgument: the file is invalid, or the other options name no trusted key.
    """
    context = click.get_current_context()
    options = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    given = [
        options[name]
        for name in _WHOM_TO_TRUST
        if context.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)
    ]
    if policy_file is None:
        if given:
            return make()
        # speed: keys on the command line need no policy file (benchmarks/test_cli.py)
        from imagesig.policy.files.default import default_policy_path

        policy_file = default_policy_path()
        note(f"policy: {policy_file}")
    elif replaced := [option for option in given if option != options.get(_OVERRIDES)]:
        raise click.UsageError(f"--policy cannot be combined with {replaced[0]}: put it into the policy", context)
    return load_policy(policy_file, policy_from)


def load_policy(policy_file: Path, policy_from: str | None) -> Policy:
    """The policy in the file. Raises `InvalidArgument` if the file is invalid."""
    # speed: without a policy file, its readers are not needed (benchmarks/test_cli.py)
    from imagesig.policy.files.load import load_policy_of_kind

    return Policy.of(load_policy_of_kind(policy_file, policy_from or ""))


class OpenedRules:
    """The rule for each image, with its keys open: opened once, and only if the rule applies. Thread-safe."""

    def __init__(self, policy: Policy, settings: KeySettings) -> None:
        self._policy, self._settings = policy, settings
        self._lock = Lock()
        self._opened: dict[Rule, Rule | ImagesigError] = {}

    def rule_for(self, image: Image) -> Rule:
        """The rule for the image. Raises as opening its keys does; a failure is kept, so no PIN is tried twice."""
        return self._open(self._policy.select(image.location))

    def _open(self, rule: Rule) -> Rule:
        with self._lock:
            if rule not in self._opened:
                try:
                    self._opened[rule] = rule.opened(lambda text: open_public_keys(text, settings=self._settings))
                except ImagesigError as error:
                    self._opened[rule] = error
            opened = self._opened[rule]
        if isinstance(opened, ImagesigError):
            raise opened
        return opened
