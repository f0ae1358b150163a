from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from msgspec import Struct

import imagesig
from imagesig.redacted import RedactedStruct

SECRET = "s3cret"


class Login(RedactedStruct, frozen=True):
    hidden = ("password",)

    name: str
    password: str


def test_a_hidden_field_is_in_no_repr() -> None:
    login = Login("bob", SECRET)
    assert repr(login) == "Login(name='bob')"
    assert list(login.__rich_repr__()) == [("name", "bob")]


def test_a_value_that_contains_one_does_not_show_it_either() -> None:
    assert SECRET not in repr([{"login": Login("bob", SECRET)}])


def test_comparisons_include_hidden_fields() -> None:
    assert Login("bob", SECRET) != Login("bob", "other")
    assert hash(Login("bob", SECRET)) == hash(Login("bob", SECRET))


def test_a_hidden_name_without_a_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="pasword"):

        class Wrong(RedactedStruct, frozen=True):
            hidden = ("pasword",)

            password: str


def test_a_subclass_hides_the_same_fields() -> None:
    class Session(Login, frozen=True):
        number: int

    assert repr(Session("bob", SECRET, 1)) == "Session(name='bob', number=1)"


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


def kinds_of(kind: type[Struct]) -> Iterator[type[Struct]]:
    for below in kind.__subclasses__():
        yield below
        yield from kinds_of(below)


def test_every_struct_with_a_secret_hides_it() -> None:
    for module in pkgutil.walk_packages(imagesig.__path__, "imagesig."):
        if not module.name.startswith("imagesig.testing") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds = [kind for kind in kinds_of(Struct) if kind.__module__.startswith("imagesig.")]
    telling = {
        kind.__qualname__: SECRETS.intersection(kind.__struct_fields__) - set(getattr(kind, "hidden", ()))
        for kind in kinds
    }
    assert {name for kind in kinds for name in getattr(kind, "hidden", ())} >= SECRETS
    assert {name: fields for name, fields in telling.items() if fields} == {}
