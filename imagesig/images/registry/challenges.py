"""The challenges of a 401, parsed strictly, and the check of the token server that one names. Pure.

Spec: RFC 9110 section 11 (challenges), RFC 6750 (Bearer).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from msgspec import Struct

from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import ImagesigError, InvalidArgument, UnexpectedResponse
from imagesig.http.reach import Network, written_network
from imagesig.patterns import regex
from imagesig.text import quote
from imagesig.url import parse_url, redact

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# No part can match the same characters in two ways, so a hostile header costs no more than its length.
_CHALLENGE = regex(rf"[\s,]*({_WORD})(?:\s+(?!=)|(?=,)|$)")
_TOKEN68 = regex(r"[A-Za-z0-9._~+/-]++=*+\s*+(?=,|$)")
"""What a challenge such as Negotiate has in place of parameters."""
_PARAMETER = regex(rf'[\s,;]*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))\s*(?=[,;]|$)')
"""Servers in the field also separate parameters with semicolons."""


_SCOPE_CHARACTERS = 4096


class Challenge(Struct, frozen=True):
    """One challenge. `scheme` and the names of parameters are lower case."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges of a WWW-Authenticate header in order, up to the first malformed one."""
    challenges = []
    at = 0
    while match := _CHALLENGE.match(header, at):
        at, parameters = match.end(), {}
        if token := _TOKEN68.match(header, at):
            at = token.end()
        while parameter := _PARAMETER.match(header, at):
            quoted = parameter[2]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3]
            parameters[parameter[1].lower()] = value
            at = parameter.end()
        challenges.append(Challenge(match[1].lower(), parameters))
    return tuple(challenges)


def chosen_challenge(challenges: Sequence[Challenge]) -> Challenge | None:
    """The challenge to answer: the first Bearer that names a token server, else the first Basic."""
    bearer = [challenge for challenge in challenges if challenge.scheme == "bearer"]
    named = [challenge for challenge in bearer if challenge.parameters.get("realm")]
    basic = [challenge for challenge in challenges if challenge.scheme == "basic"]
    return next(iter((*named, *basic, *bearer)), None)


def wanted_scopes(challenge: Challenge, own: Sequence[str], registry: str) -> tuple[str, ...]:
    """The scopes to ask a token server for: those of the challenge, then `own` scopes, which the request needs.

    A gateway that renames repositories grants its own scopes only. The challenge's come first, because some token
    servers read one scope.

    Raises:
        UnexpectedResponse: the challenge's scopes are too long for a request.
    """
    text = challenge.parameters.get("scope", "")
    if len(text) > _SCOPE_CHARACTERS:
        raise UnexpectedResponse(
            f"{redact(registry)}: a scope of {len(text)} characters, at most {_SCOPE_CHARACTERS} are asked for"
        )
    return tuple(dict.fromkeys((*text.split(), *own)))


def granted_scopes(header: str) -> tuple[str, ...]:
    """The scopes that a token in an Authorization header has, for people; empty if it is not a JWT that says so.

    Nothing is decided by them: the token's signature is not verified. Spec: the distribution project's token format.
    """
    parts = header.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return ()
    try:
        content = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        access = parse_object(content, "token", OURS).get("access")
    except (ValueError, ImagesigError):
        return ()
    granted = []
    for item in access if isinstance(access, list) else ():
        actions = item.get("actions") if isinstance(item, dict) else None
        if isinstance(actions, list):
            granted.append(f"{item.get('type')}:{item.get('name')}:{','.join(map(str, actions))}")
    return tuple(granted)


def check_realm(realm: str, registry: str, *, plain_http: bool) -> None:
    """Returns if the token server at `realm` may be used for the registry at `registry`, both URLs.

    It must use HTTPS, unless the registry itself uses plain HTTP. It may be inside a network only if the registry is
    internal too: a registry must not make imagesig call services of this machine. The text of the URL is checked here,
    for a clear message; its addresses are checked when it is connected.

    Raises:
        UnexpectedResponse: it must not be used.
    """
    if not realm:
        raise UnexpectedResponse(
            f"{redact(registry)}: its Bearer challenge names no token server, realm is needed",
            hint="check the gateway before the registry: it may change the header WWW-Authenticate",
        )
    shown = f"{redact(registry)}: its token server {quote(redact(realm))}"
    try:
        url = parse_url(realm)
    except InvalidArgument:
        raise UnexpectedResponse(
            f"{shown} is not an HTTPS URL, or an unusual form of an address inside a network"
        ) from None
    if url.has_login:
        raise UnexpectedResponse(f"{shown} must be an HTTPS URL without a login")
    if url.scheme == "http" and not plain_http:
        raise UnexpectedResponse(f"{shown} does not use HTTPS")
    home = parse_url(registry)
    if url.origin[1:] == home.origin[1:]:
        return
    if written_network(url.host) is not Network.GLOBAL and written_network(home.host) is Network.GLOBAL:
        raise UnexpectedResponse(f"{shown} is an address inside a network")
