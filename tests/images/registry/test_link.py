"""Link headers. Spec: RFC 8288 sections 3, 3.5 (examples) and appendix B."""

from __future__ import annotations

import contextlib
import time

import pytest

from imagesig.errors import UnexpectedResponse
from imagesig.images.registry.link import next_page


@pytest.mark.parametrize(
    "header",
    [
        '</b>; rel="next"',
        "</b>;rel=next",
        "</b> ; REL = NEXT ;",
        '</b>; rel="start next http://example.net/rel"',
        '</a>; rel="prev", </b>; rel="next"',
        '</a>; title*=UTF-8\'de\'letztes%20Kapitel; rel="previous",\t</b>;title="a, <c>; rel=\\"x\\"" ; rel=next,',
        ", </b>; rel=next ,, ",
        "</b>; rel=next; rel=prev",
        '</b>; rel="next", </b>; rel="next"',
    ],
)
def test_the_next_page_is_found(header: str) -> None:
    assert next_page(header, "x") == "/b"


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        ",",
        "</b>",
        '</b>; rel=""',
        "</b>; rel",
        '</b>; rel="nextish"',
        "</b>; rel=prev; rel=next",
        "</b>; a=next",
    ],
)
def test_there_is_no_next_page(header: str) -> None:
    assert next_page(header, "x") == ""


@pytest.mark.parametrize(
    "header",
    [
        *("/b; rel=next", "<", "<>x", "</b; rel=next", "</b> rel=next", "</b>; rel=", '</b>; rel="next', "</b>; ="),
        *("</b>; rel=next x", '</b>; rel="next"x', "</b> </c>; rel=next", '"</b>; rel=next"', "</b\n>; rel=next", "x"),
        *('</a>; rel="next", </b>; rel="next"', "</b>; rel=ne xt", "</b>; rel=next; <"),
    ],
)
def test_an_invalid_link_header_is_refused(header: str) -> None:
    with pytest.raises(UnexpectedResponse):
        next_page(header, "x")


@pytest.mark.parametrize(
    "header",
    [
        "<" * 60_000,
        "<a>;" * 15_000,
        '<a>;b="' + "\\" * 60_000,
        "<a>;rel=" + "x " * 20_000,
        "<a> " * 15_000,
        "," * 60_000,
    ],
)
def test_it_costs_no_more_than_its_length(header: str) -> None:
    started = time.process_time()
    with contextlib.suppress(UnexpectedResponse):
        next_page(header, "x")
    assert time.process_time() - started < 0.5


def test_a_header_without_an_end_is_not_read() -> None:
    with pytest.raises(UnexpectedResponse, match="at most"):
        next_page("</b>; rel=next" + " " * 70_000, "x")


def test_an_empty_address_for_the_next_page_is_refused() -> None:
    with pytest.raises(UnexpectedResponse, match="empty URL"):
        next_page("<>; rel=next", "referrers")
