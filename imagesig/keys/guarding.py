"""Every exception of a provider becomes an `ImagesigError`: its methods are wrapped when its class is defined.

Providers translate the failures that they know. This wrapper translates the rest: an unexpected exception of our own
provider becomes an `InternalError`, one of a third-party provider a `KeyProviderError` that names the provider. Neither
shows the exception's text, because it may contain a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from types import FunctionType
from typing import Any

from imagesig.arguments import check_fields, checks_arguments
from imagesig.crypto.algorithms import Algorithm
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, InvalidArgument, KeyProviderError
from imagesig.external import Explain, explained
from imagesig.signature import SignerInfo

_ITERATES = ("list", "facts")


def provider_failure(kind: type[object] | str) -> Explain:
    """Explains what a provider raised. `kind` is its class, or the name of its function."""
    name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    is_ours = not isinstance(kind, str) and kind.__module__.partition(".")[0] == "imagesig"

    def explain(error: Exception) -> ImagesigError | None:
        if is_ours:
            return None
        return KeyProviderError(
            f"key provider {name}: failed with {type(error).__name__}",
            hint="this provider is not part of imagesig: report it to its authors",
        )

    return explain


Before = Callable[[str, Any], None]
After = Callable[[str, Any, Any], None]


def guard(kind: type[object], names: tuple[str, ...], before: Before, after: After) -> None:
    """Wraps the named methods and properties that the class itself defines.

    `before` gets the name and the object before each call of a method, `after` also gets the result.
    """
    for name in names:
        defined = kind.__dict__.get(name)
        if isinstance(defined, property) and defined.fget is not None:
            setattr(kind, name, property(_guarded_property(defined.fget, name, after), defined.fset, defined.fdel))
        elif isinstance(defined, FunctionType):
            setattr(kind, name, _guarded(defined, name, before, after))


# speed: properties are read with every signature, without the rest of `_guarded` (benchmarks/test_pkcs11.py)
def _guarded_property(method: Callable[[Any], Any], name: str, after: After) -> Callable[[Any], Any]:
    @wraps(method)
    def call(self: Any) -> Any:
        try:
            result = method(self)
            after(name, self, result)
        except ImagesigError:
            raise
        except Exception as error:
            raise error_of(self, error) from error
        return result

    return call


def _guarded(method: Callable[..., Any], name: str, before: Before, after: After) -> Callable[..., Any]:
    checked = checks_arguments(method)

    @wraps(method)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            before(name, self)
            result = checked(self, *arguments, **options)
            if name in _ITERATES:
                return _each(iter(result), self)
            after(name, self, result)
        except ImagesigError:
            raise
        except Exception as error:
            raise error_of(self, error) from error
        return result

    return call


def _each(items: Iterator[Any], owner: object) -> Iterator[Any]:
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except ImagesigError:
            raise
        except Exception as error:
            raise error_of(owner, error) from error
        yield item


def check_result(owner: object, name: str, result: object, needed: type[object]) -> None:
    """Returns if the result of a provider's method is of this type, and a `SignerInfo` has values of its types.

    Raises:
        KeyProviderError: it is not.
    """
    kind = type(owner)
    if not isinstance(result, needed):
        seen = f"{name} gave a {type(result).__name__}, a {needed.__name__} is needed"
    elif isinstance(result, SignerInfo) and not _is_usual(result):
        try:
            check_fields(result)
            return
        except InvalidArgument as error:
            seen = f"{name} gave a wrong value: {error}"
    else:
        return
    raise KeyProviderError(f"key provider {kind.__module__}.{kind.__qualname__}: {seen}")


# speed: `info` is read several times for each signature (benchmarks/test_pkcs11.py)
def _is_usual(signer: SignerInfo) -> bool:
    """Whether all values have the types that imagesig itself gives them."""
    return (
        type(signer.public_key) is PublicKey
        and type(signer.key_id) is str
        and type(signer.algorithms) is tuple
        and {*map(type, signer.algorithms)} == {Algorithm}
        and signer.chain == ()
    )


def error_of(owner: object, error: Exception) -> ImagesigError:
    """The `ImagesigError` for an exception of a provider or key."""
    kind = type(owner)
    return explained(error, f"key provider {kind.__qualname__}", provider_failure(kind))
