from __future__ import annotations

import importlib
import pkgutil

import pytest

import imagesig
from imagesig.discreet import Discreet

SECRET = "s3cret"


class Login(Discreet, frozen=True):
    hidden = ("password",)

    name: str
    password: str


def test_a_hidden_field_is_in_no_repr() -> None:
    login = Login("bob", SECRET)
    assert repr(login) == "Login(name='bob')"
    assert list(login.__rich_repr__()) == [("name", "bob")]


def test_a_value_that_holds_one_does_not_tell_either() -> None:
    assert SECRET not in repr([{"login": Login("bob", SECRET)}])


def test_hidden_fields_count_where_values_are_compared() -> None:
    assert Login("bob", SECRET) != Login("bob", "other")
    assert hash(Login("bob", SECRET)) == hash(Login("bob", SECRET))


def test_a_name_that_is_no_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="pasword"):

        class Wrong(Discreet, frozen=True):
            hidden = ("pasword",)

            password: str


SECRETS = {
    "password",
    "identity_token",
    "registry_token",
    "pin_value",
    "header",
    "environ",
    "loaded",
    "credentials",
    "urls",
}


def test_whatever_has_a_field_for_a_secret_hides_it() -> None:
    for module in pkgutil.walk_packages(imagesig.__path__, "imagesig."):
        if not module.name.startswith("imagesig.testing") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds = [kind for kind in Discreet.__subclasses__() if kind.__module__.startswith("imagesig.")]
    assert {name for kind in kinds for name in kind.hidden} >= SECRETS
    assert all(set(kind.hidden) >= SECRETS.intersection(kind.__struct_fields__) for kind in kinds)
