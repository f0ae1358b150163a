"""Chains of certificates: put in order, and matched to a key."""

from __future__ import annotations

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.errors import InvalidArgument, KeyMismatch
from imagesig.keys.chain import chain_in, check_leaf, parse_chain
from imagesig.trust.path import climb
from tests.issuers import Issuer, pem
from tests.makers import private_key

KEY, OTHER = private_key().public_key, private_key(number=1).public_key
ROOT = Issuer("root")
MIDDLE = Issuer("middle", [ROOT])


def test_a_chain_is_built_from_certificates_in_any_order() -> None:
    leaf, middle, root = MIDDLE.chain_for(KEY)
    unrelated = Issuer("unrelated").certificate
    assert climb(leaf, [root, unrelated, middle]) == (leaf, middle, root)


def test_an_authority_of_the_same_name_with_another_key_is_not_the_issuer() -> None:
    leaf, middle, _ = MIDDLE.chain_for(KEY)
    assert climb(leaf, [Issuer("middle").certificate]) == (leaf,)
    assert climb(leaf, [Issuer("middle").certificate, middle]) == (leaf, middle)


def test_certificates_beside_a_key_are_its_own_only_if_the_first_one_is() -> None:
    chain = MIDDLE.chain_for(KEY)
    assert chain_in(pem(chain), KEY) == chain
    assert chain_in(pem(chain), OTHER) == ()
    assert chain_in(pem(chain[::-1]), KEY) == ()
    assert chain_in(b"no certificates", KEY) == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        pem(MIDDLE.chain_for(KEY)[::-1]),
        pem([MIDDLE.chain_for(KEY)[0], ROOT.certificate]),
        pem([MIDDLE.chain_for(KEY)[0], Issuer("middle").certificate]),
        pem([MIDDLE.chain_for(KEY)[0]] * 11),
    ],
    ids=["empty", "text", "damaged", "root first", "gap", "stranger of the same name", "too many"],
)
def test_a_named_chain_is_certificates_each_issued_by_the_next(data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        parse_chain(data, "chain.pem")


def test_a_leaf_of_another_key_is_refused_with_both_fingerprints() -> None:
    with pytest.raises(KeyMismatch) as refused:
        check_leaf(MIDDLE.chain_for(KEY), [OTHER], "hashivault://app", "chain.pem")
    assert KEY.fingerprint in str(refused.value)
    assert OTHER.fingerprint in str(refused.value)


def test_a_chain_whose_leaf_is_not_first_says_where_it_is() -> None:
    with pytest.raises(KeyMismatch) as refused:
        check_leaf(MIDDLE.chain_for(KEY)[::-1], [KEY], "hashivault://app", "chain.pem")
    assert "put certificate 3 first" in refused.value.hint


def test_a_leaf_of_an_older_version_gives_that_version() -> None:
    newest = private_key(KeyType.ECDSA_P256, 2).public_key
    assert check_leaf(MIDDLE.chain_for(KEY), [newest, KEY], "hashivault://app", "chain.pem") == KEY
