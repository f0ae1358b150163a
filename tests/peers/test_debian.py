"""Reading the machine's own apt sources, in both of their forms."""

from __future__ import annotations

import pytest

from tests.peers.debian import deb822_sources, one_line_sources


def test_a_one_line_source_gives_its_options_address_suite_and_components() -> None:
    text = (
        "# deb http://off.test/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://a.test/debian sid main contrib # why\n"
    )

    assert one_line_sources(text) == [
        ("[arch=amd64 signed-by=/k.gpg]", "http://a.test/debian", ["sid"], ["main", "contrib"])
    ]


def test_a_source_of_source_packages_is_not_taken() -> None:
    assert one_line_sources("deb-src http://a.test/debian bookworm main\n") == []
    assert deb822_sources("Types: deb-src\nURIs: http://a.test/debian\nSuites: bookworm\nComponents: main\n") == []


def test_a_deb822_stanza_gives_the_same() -> None:
    text = (
        "Types: deb\n# a comment\nURIs: http://a.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
        "Signed-By: /k.gpg\n\nTypes: deb\nURIs: http://b.test/debian\nSuites: sid\nComponents: main\n"
    )

    assert deb822_sources(text) == [
        ("[signed-by=/k.gpg]", "http://a.test/debian", ["bookworm", "bookworm-updates"], ["main"]),
        ("", "http://b.test/debian", ["sid"], ["main"]),
    ]


@pytest.mark.parametrize("switch", ["Enabled: no\n", ""])
def test_a_deb822_stanza_that_is_switched_off_is_not_taken(switch: str) -> None:
    text = f"{switch}Types: deb\nURIs: http://a.test/debian\nSuites: sid\nComponents: main\n"

    assert len(deb822_sources(text)) == (0 if switch else 1)


def test_a_key_written_into_the_stanza_is_left_out() -> None:
    text = (
        "Types: deb\nURIs: http://a.test/debian\nSuites: sid\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n"
    )

    assert deb822_sources(text) == [("", "http://a.test/debian", ["sid"], ["main"])]
