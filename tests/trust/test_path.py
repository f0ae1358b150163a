"""The one search for paths between certificates: what it finds, and what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.effort import Cost
from imagesig.errors import FormatViolation, LimitExceeded
from imagesig.trust.path import climb, find_paths
from tests.chains import SUBJECT, Issuer, intermediate, leaf, root
from tests.effort import counted


def any_step(_issuer: Certificate, _below: int) -> None:
    return None


def paths(signer: Issuer, others: tuple[Certificate, ...], *trusted: Issuer) -> list[tuple[Certificate, ...]]:
    ends = [item.certificate for item in trusted]
    return list(find_paths(signer.certificate, others, ends, any_step).to(signer.certificate, ends))


def test_every_path_is_found_the_shorter_first() -> None:
    top = root()
    middle = intermediate(top)
    signer = leaf(middle)
    assert paths(signer, signer.chain[1:], top) == [signer.chain]
    assert paths(signer, signer.chain[1:], top, middle) == [signer.chain[:2]]
    assert paths(signer, (), top) == []


def test_the_first_refused_step_is_reported() -> None:
    top = root()
    signer = leaf(top)

    def no_step(_issuer: Certificate, _below: int) -> None:
        raise FormatViolation("not this one")

    found = find_paths(signer.certificate, (), top.chain, no_step)
    assert list(found.to(signer.certificate, top.chain)) == []
    assert "not this one" in str(found.problem)


def test_certificates_that_are_not_read_yet_are_read_once_they_are_verified() -> None:
    top = root()
    signer = leaf(intermediate(top))
    unread = [Certificate.unread(item.der) for item in signer.chain[1:]]
    with counted() as spent:
        assert (
            len(list(find_paths(signer.certificate, unread, top.chain, any_step).to(signer.certificate, top.chain)))
            == 1
        )
    assert spent[Cost.CERTIFICATES] == 2
    stranger = [Certificate.unread(root(f"{SUBJECT},CN=x", number=955).certificate.der) for _ in range(9)]
    with counted() as spent:
        find_paths(signer.certificate, stranger, top.chain, any_step)
    assert spent[Cost.CERTIFICATES] == spent[Cost.CERTIFICATE_CHECKS] == 0


def test_trusted_certificates_of_one_name_use_up_nothing() -> None:
    names = [root(number=number) for number in range(940, 946)]
    signer = leaf(names[-1])
    assert paths(signer, (), *names) == [signer.chain]


def test_a_few_certificates_with_only_the_name_of_an_issuer_are_tried() -> None:
    top = root()
    fakes = tuple(root(number=950).certificate for _ in range(9))
    signer = leaf(root(number=950))
    with counted() as spent, pytest.raises(LimitExceeded):
        paths(signer, fakes, top)
    assert spent[Cost.CERTIFICATE_CHECKS] == limits.PATH_CHECKS + 2


def test_a_mesh_of_verified_certificates_ends_too() -> None:
    top = root()
    mesh = [intermediate(top, f"{SUBJECT},CN=m", number=960, constraints=top_constraints()) for _ in range(12)]
    inner = [intermediate(mesh[0], f"{SUBJECT},CN=m", number=960, constraints=top_constraints()) for _ in range(12)]
    signer = leaf(mesh[0])
    others = tuple(item.certificate for item in (*mesh, *inner))
    assert 0 < len(paths(signer, others, top)) <= limits.PATH_STEPS


def top_constraints() -> Any:
    from cryptography import x509

    return x509.BasicConstraints(ca=True, path_length=None), True


def test_climbing_ends_without_an_issuer_or_at_the_longest_chain() -> None:
    top = root()
    signer = leaf(intermediate(top))
    assert climb(signer.certificate, reversed(signer.chain)) == signer.chain
    assert climb(signer.certificate, ()) == signer.chain[:1]
    copies = [root(number=955).certificate for _ in range(30)]
    assert len(climb(leaf(root(number=955)).certificate, copies)) == limits.CHAIN_CERTIFICATES
