"""`imagesig policy`: init, check, explain, import."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click

from imagesig.cli.key_options import passphrase_option
from imagesig.cli.options import FilePath, output_option
from imagesig.cli.output.failure import FAILED, USAGE
from imagesig.cli.output.policy_text import (
    check_json,
    write_check,
    write_explanation,
    write_policy_json,
)
from imagesig.cli.output.terminal import document as write
from imagesig.cli.output.terminal import note
from imagesig.cli.policy_options import load_policy, policy_from_option
from imagesig.cli.settings import key_settings
from imagesig.cli.shared_keys import OpenedKeys
from imagesig.cli.transport import open_images, transport_options
from imagesig.errors import InvalidArgument
from imagesig.images.open import Transport
from imagesig.keys.file.open import names_private_key
from imagesig.keys.uri import KeySettings, open_public_keys
from imagesig.naming import is_key_uri, scheme_of
from imagesig.policy import KeyReference, Policy, Scope, parse_scope
from imagesig.policy.files.default import new_default_policy
from imagesig.policy.files.kinds import CONTAINERS, NOTATION
from imagesig.policy.files.toml import toml_text
from imagesig.policy.files.write import document_of
from imagesig.policy.scope import LOCAL_TRANSPORTS, check_scope
from imagesig.trust import TrustedKey


@click.group("policy")
def command() -> None:
    """Make, check, explain and import policy files."""


_policy_argument = click.argument("policy_file", metavar="FILE", type=FilePath())


@command.command("check", short_help="Check a policy file.")
@_policy_argument
@policy_from_option
@click.option("--open-keys", is_flag=True, help="Open all keys, not only those that must be distinct.")
@passphrase_option
@output_option
def check_command(
    policy_file: Path, policy_from: str | None, open_keys: bool, passphrase_file: Path | None, output: str
) -> None:
    """Check a policy file, show what it requires, and check that its keys can be read and are distinct.

    Exit status: 2 the file is wrong, or two names that must be distinct share a key; 1 a key cannot be opened.
    """
    policy = load_policy(policy_file, policy_from)
    settings = key_settings(passphrase_file)
    opened = OpenedKeys(
        lambda text: open_public_keys(text, settings=settings),
        lambda reference: open_keys or scheme_of(reference.text) == "file",
    )
    shared, warnings = opened.shared_keys(policy)
    problems = [*opened.problems, *shared]
    if output == "json":
        write_policy_json("policy check", check_json(policy, problems))
    else:
        write_check(str(policy_file), policy, problems)
    for scope in policy.rules:
        if scope.transport in LOCAL_TRANSPORTS and os.path.realpath(scope.name or "/") != (scope.name or "/"):
            note(f"warning: {scope}: the path has a symbolic link, so no image is in this scope; name its target")
    for warning in warnings:
        note(f"warning: {warning}")
    if shared:
        raise click.exceptions.Exit(USAGE)
    if problems:
        raise click.exceptions.Exit(FAILED)


def _is_readable(scope: Scope) -> bool:
    try:
        check_scope(scope)
    except InvalidArgument:
        return False
    return True


@command.command("explain", short_help="Show the rule that applies to an image.")
@_policy_argument
@click.argument("image", metavar="IMAGE")
@policy_from_option
@passphrase_option
@output_option
@transport_options
def explain_command(
    policy_file: Path,
    image: str,
    policy_from: str | None,
    passphrase_file: Path | None,
    output: str,
    transport: Transport,
) -> None:
    """Show which rule of a policy applies to an image, why, and what each authority has signed.

    The answer proves nothing: `imagesig verify` decides.
    """
    from imagesig.api.explaining import explain

    policy = load_policy(policy_file, policy_from)
    settings = key_settings(passphrase_file)
    (opened,) = open_images([image], transport)
    explanation = explain(opened, policy, open_keys=lambda text: open_public_keys(text, settings=settings))
    if output == "json":
        write_policy_json("policy explain", explanation.document())
    else:
        write_explanation(explanation)


@command.command("import", short_help="Convert another tool's policy.")
@_policy_argument
@click.option(
    "--policy-from",
    "source",
    type=click.Choice([CONTAINERS, NOTATION]),
    help="Kind of policy file: podman's and skopeo's (containers) or notation's. Default: by its shape.",
)
@click.option(
    "--output", type=click.Choice(["toml", "json"]), default="toml", show_default=True, help="The format to print."
)
def import_command(policy_file: Path, source: str | None, output: str) -> None:
    """Print another tool's policy as one of imagesig's own, or refuse it if imagesig cannot express it."""
    policy = load_policy(policy_file, source)
    reached = {scope: rule for scope, rule in policy.rules.items() if _is_readable(scope)}
    left_out = [rule.name for scope, rule in policy.rules.items() if scope not in reached]
    document = document_of(Policy(policy.default, reached, policy.refuse_tag_with_digest))
    for name in left_out:
        note(f"left out, imagesig cannot read such images: {name}")
    write(json.dumps(document, indent=2) + "\n" if output == "json" else toml_text(document))


@command.command("init", short_help="Make a policy from keys.")
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Trusted key; repeatable.")
@click.option(
    "--scope", "scopes", multiple=True, metavar="NAME", help="Registry or repository; repeatable. Default: all."
)
@click.option("--write", "to_file", is_flag=True, help="Write the file that applies by default; never over a file.")
@passphrase_option
def init_command(keys: tuple[str, ...], scopes: tuple[str, ...], to_file: bool, passphrase_file: Path | None) -> None:
    """Print a policy that needs a signature by one of the keys. With scopes, all other images are rejected.

    Of a private key, the policy gets the public key as text.

    Example: imagesig policy init --key release.pub --scope ghcr.io/acme --write
    """
    if not keys:
        raise InvalidArgument(
            "policy init: no key is given, at least one is needed",
            hint="name the keys to trust: imagesig policy init --key PUBLIC_KEY",
        )
    settings = key_settings(passphrase_file)
    trusted = Policy.any_of(*(_trusted(key, settings) for key in keys))
    if scopes:
        trusted = Policy(rules={parse_scope(scope): trusted.default for scope in scopes})
    text = toml_text(document_of(trusted))
    if not to_file:
        write(text)
        return
    path = new_default_policy(text)
    note(f"wrote {path}", "imagesig verify IMAGE uses it if you name no key, CA or policy")


def _trusted(key: str, settings: KeySettings) -> KeyReference | TrustedKey:
    """The key under the name of its file, or of the key in its store. Verifying does not need the private key."""
    path = key if is_key_uri(key) else str(Path.cwd() / key)
    name = re.sub(r"[^A-Za-z0-9_-]", "-", Path(path.partition("?")[0]).stem).strip("-") or "key"
    public_keys = open_public_keys(key, settings=settings)
    return TrustedKey(name, public_keys) if names_private_key(key, settings) else KeyReference(path, name)
