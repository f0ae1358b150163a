"""Our choice of a proxy beside golang.org/x/net/http/httpproxy: the same one, or ours refuses the setting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesig.errors import InvalidArgument
from imagesig.http.proxies import Proxies
from imagesig.url import parse_url
from tests.differential.proxies import make_question
from tests.differential.readers import DOCUMENTS, EXAMPLES, Answer, Conversation, ask

pytestmark = pytest.mark.interop

DIRECT: list[object] = []


def ours(question: dict[str, Any]) -> list[object] | None:
    """Scheme, host, port, user and password of the proxy; nothing for none; None where a setting is refused."""
    proxies = Proxies({"http": question["http"], "https": question["https"]}, question["bypass"], question["cgi"])
    try:
        proxy = proxies.find(parse_url(question["target"]))
    except InvalidArgument:
        return None
    if proxy is None:
        return DIRECT
    user, _, password = proxy.login.partition(":")
    return [proxy.url.scheme, proxy.url.host, proxy.url.port, unquote(user), unquote(password)]


def theirs(answer: Answer) -> list[object] | None:
    if answer.refused:
        return None
    if not answer.value:
        return DIRECT
    (found,) = answer.value
    port = int(found["port"] or {"http": 80, "https": 443}.get(found["scheme"], 0))
    return [found["scheme"], found["host"].lower(), port, found["user"], found["password"]]


def agree(document: bytes, answer: Answer) -> bool:
    """Whether ours chose; it must then have chosen as Go does."""
    question = json.loads(document)
    mine = ours(question)
    if mine is None:
        return False
    if parse_url(question["target"]).is_loopback:
        assert mine == DIRECT  # in whatever form: Go knows the name in small letters and without a dot only
    else:
        assert mine == theirs(answer), question
    return True


@pytest.fixture(scope="module")
def go() -> Iterator[Conversation]:
    with Conversation("proxy") as conversation:
        yield conversation


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_settings_of_hypothesis_choose_gos_proxy_or_are_refused(go: Conversation, random: Random) -> None:
    document = make_question(random)
    agree(document, go.ask(document))


def test_generated_settings_choose_gos_proxy_or_are_refused() -> None:
    random = Random(6)
    chosen = 0
    for left in range(DOCUMENTS, 0, -5000):
        chosen += sum(agree(*asked) for asked in ask("proxy", [make_question(random) for _ in range(min(left, 5000))]))
    assert chosen > DOCUMENTS // 3, "the generator makes too few settings that are read at all"
