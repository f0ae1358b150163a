"""The options of a public function and of the functions that pass them on are the same: names, types and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import imagesig
from imagesig import aio
from imagesig.api import options
from imagesig.api.sign.signing_job import signing_job


def keywords(function: Callable[..., Any]) -> dict[str, str]:
    """The types of the keyword arguments by name; those of `**options: Unpack[…]` are among them."""
    found: dict[str, str] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            found[parameter.name] = parameter.annotation
        if parameter.kind is parameter.VAR_KEYWORD:
            typed = getattr(options, parameter.annotation.removeprefix("Unpack[").removesuffix("]"))
            found |= {name: getattr(kind, "__forward_arg__", kind) for name, kind in typed.__annotations__.items()}
    return found


def defaults(function: Callable[..., Any]) -> dict[str, object]:
    parameters = inspect.signature(function).parameters.values()
    return {item.name: item.default for item in parameters if item.kind is item.KEYWORD_ONLY}


@pytest.mark.parametrize("name", sorted(set(aio.__all__) - {"Session"}))
def test_an_async_function_has_the_options_of_its_twin(name: str) -> None:
    assert keywords(getattr(aio, name)) == keywords(getattr(imagesig, name))


WITHOUT_TWIN = {
    "diagnose": "for people",
    "worker_processes": "makes an executor",
}


def test_every_public_function_of_images_has_an_async_twin() -> None:
    functions = {name for module, names in imagesig.PUBLIC.items() if ".api." in module for name in names.split()}
    functions = {name for name in functions if inspect.isfunction(getattr(imagesig, name))}
    assert set(aio.__all__) - {"Session"} == functions - WITHOUT_TWIN.keys()


def test_sign_many_has_the_options_of_sign() -> None:
    of_one = keywords(imagesig.sign)
    del of_one["progress"]  # the outcomes of `sign_many` are its progress
    assert of_one.items() <= keywords(imagesig.sign_many).items()


def test_verify_many_has_the_options_of_verify() -> None:
    assert keywords(imagesig.verify).items() <= keywords(imagesig.verify_many).items()
    assert defaults(imagesig.verify).items() <= defaults(imagesig.verify_many).items()


def test_a_run_of_signing_has_the_types_and_defaults_of_sign() -> None:
    assert keywords(signing_job).items() <= keywords(imagesig.sign).items()
    assert keywords(signing_job).keys() == options.SigningJobOptions.__annotations__.keys()
    assert defaults(signing_job).items() <= defaults(imagesig.sign).items()


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="formatz"):
        imagesig.sign_many([], "release.key", formatz=["cosign"])  # type: ignore[call-arg]
