"""Providers of others raise what they like, and return what they like: callers see a `KeyProviderError`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

import imagesig
from imagesig import diagnose, open_key, open_public_keys
from imagesig.api.doctor.diagnosis import State
from imagesig.crypto.algorithms import KeyType, ToSign
from imagesig.errors import InternalError, KeyNotFound, KeyProviderError
from imagesig.keys import ECDSA_SHA256, KeySettings
from imagesig.keys.file.provider import FileKey
from imagesig.keys.provider import KeyInfo, KeyProvider, SigningKey
from imagesig.signature import SignerInfo
from tests.makers import private_key

RAISED = [TypeError, KeyError, AttributeError, ValueError, OSError, RecursionError, MemoryError, RuntimeError]
Raise = Callable[[], Exception]


class Key(SigningKey):
    def __init__(self, fails: dict[str, Any]) -> None:
        self._fails = fails

    def _at(self, name: str, otherwise: Any) -> Any:
        value = self._fails.get(name)
        if isinstance(value, type) and issubclass(value, BaseException):
            raise value("s3cret")
        return otherwise if value is None else value

    @property
    def info(self) -> SignerInfo:
        found: SignerInfo = self._at("info", SignerInfo(private_key().public_key, "elsewhere:1"))
        return found

    def _sign(self, request: ToSign) -> bytes:
        made: bytes = self._at("_sign", b"")
        return made or private_key().sign(request)

    def _release(self) -> None:
        self._at("close", None)


class Provider(KeyProvider):
    def __init__(self, fails: dict[str, Any]) -> None:
        self._fails = fails
        self._at = Key(fails)._at

    def open(self, name: str) -> SigningKey:
        opened: SigningKey = self._at("open", Key(self._fails))
        return opened

    def list(self) -> Iterator[KeyInfo]:
        yield KeyInfo("elsewhere:1", KeyType.ECDSA_P256)
        self._at("list", None)

    def generate(self, name: str, key_type: KeyType) -> SigningKey:
        made: SigningKey = self._at("generate", Key(self._fails))
        return made

    def facts(self) -> Iterator[tuple[str, str]]:
        self._at("facts", None)
        yield "elsewhere", "is here"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    def do(factory: Any) -> None:
        point = EntryPoint("elsewhere", "tests.keys.test_guarding:factory", "imagesig.key_providers")
        monkeypatch.setattr(EntryPoint, "load", lambda _: factory)
        monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: EntryPoints([point]))

    return do


@pytest.mark.parametrize("kind", RAISED)
@pytest.mark.parametrize("method", ["open", "info", "_sign", "close"])
def test_an_exception_of_a_third_party_provider_names_it(method: str, kind: type[Exception], install: Any) -> None:
    install(lambda uri, settings: (Provider({method: kind}), "key"))
    with (
        pytest.raises(KeyProviderError, match=rf"test_guarding\.\w+: failed with {kind.__name__}") as caught,
        open_key("elsewhere://key") as key,
    ):
        key.sign(b"message")
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("kind", RAISED)
@pytest.mark.parametrize("method", ["list", "facts"])
def test_an_exception_between_two_items_names_the_provider(method: str, kind: type[Exception]) -> None:
    with pytest.raises(KeyProviderError, match=kind.__name__):
        list(getattr(Provider({method: kind}), method)())


@pytest.mark.parametrize("returned", [1, "a", object()])
@pytest.mark.parametrize("method", ["open", "info", "_sign"])
def test_results_of_a_third_party_provider_are_checked(method: str, returned: Any, install: Any) -> None:
    install(lambda uri, settings: (Provider({method: returned}), "key"))

    def act() -> None:
        open_key("elsewhere://key").sign(b"message")

    with pytest.raises(KeyProviderError):
        act()


@pytest.mark.parametrize("wrong", [7, "a", ("a",), [None]], ids=str)
@pytest.mark.parametrize("field", ["public_key", "key_id", "algorithms", "chain"])
def test_a_third_party_signer_with_a_wrong_value_is_an_error(field: str, wrong: Any, install: Any) -> None:
    if (field, wrong) == ("key_id", "a"):
        return
    values: dict[str, Any] = {"public_key": private_key().public_key, "key_id": "k", "algorithms": (ECDSA_SHA256,)}
    install(lambda uri, settings: (Provider({"info": SignerInfo(**values | {field: wrong})}), "key"))
    with pytest.raises(KeyProviderError, match=rf"test_guarding\.\w+: info gave a wrong value: SignerInfo: {field} "):
        open_key("elsewhere://key").sign(b"message")


def test_a_generated_key_of_a_wrong_type_is_an_error() -> None:
    with pytest.raises(KeyProviderError, match="generate gave a int"):
        Provider({"generate": 1}).generate("k", KeyType.ECDSA_P256)


@pytest.mark.parametrize("made", [None, 1, (1, 2), ("a", "b"), (Provider({}),), (Provider({}), 1)])
def test_a_factory_with_a_wrong_result_is_an_error(made: Any, install: Any) -> None:
    install(lambda uri, settings: made)
    with pytest.raises(KeyProviderError, match="elsewhere://"):
        open_key("elsewhere://key")


@pytest.mark.parametrize("kind", RAISED)
def test_an_exception_of_a_factory_is_translated(kind: type[Exception], install: Any) -> None:
    def factory(uri: str, settings: KeySettings) -> Any:
        raise kind("s3cret")

    install(factory)
    for act in (open_key, open_public_keys):
        with pytest.raises(KeyProviderError, match=kind.__name__):
            act("elsewhere://key")


@pytest.mark.parametrize("kind", RAISED)
def test_doctor_survives_each_of_them(kind: type[Exception], install: Any) -> None:
    for method in ("open", "info", "_sign", "close", "facts", "list"):
        install(lambda uri, settings, method=method: (Provider({method: kind}), "" if method == "list" else "key"))
        found = list(diagnose("elsewhere://key"))
        assert any(item.state is State.FAILED and kind.__name__ in item.detail for item in found), (method, found)


def test_errors_of_ours_pass_unchanged(install: Any) -> None:
    install(lambda uri, settings: (Provider({"open": KeyNotFound}), "key"))
    with pytest.raises(KeyNotFound, match="s3cret"):
        open_key("elsewhere://key")


def test_an_unexpected_exception_of_our_provider_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    key = FileKey(private_key(), "test")
    monkeypatch.setattr(FileKey, "_sign", lambda *_: {}["s3cret"])
    with pytest.raises(InternalError, match="KeyError"):
        key.sign(b"message")


# --- the rule, read off the source --------------------------------------------------------------------------------

KEYS = Path(imagesig.__file__).parent / "keys"
SDKS = {"pkcs11", "hvac", "requests", "urllib3", "boto3", "botocore", "cryptography", "nacl", "asn1crypto", "cbor2"}
UNDER_A_LOCK = {
    f"pkcs11/{name}.py"
    for name in ("attributes", "encoding", "errors", "functions", "objects", "pins", "signing", "tokens")
}
"""Called inside `Module.locked` only, which explains every exception."""
GUARDED = {
    "pkcs11/module.py": "`Module.locked` holds everything but `module_at`, which has its own block",
    "vault/client.py": "`request` holds `_explained` and `_refusal`",
    "vault/transport.py": "`VaultConnection.connect` holds `session`, `VaultClient.request` all that it calls later",
    "file/private_key.py": "`generate` and `sign` hold the functions that they call",
    "file/password_encryption.py": "its public functions hold the others",
    "file/pkcs12.py": "`_is_rsa` asks of what kind a key is that `_load` made",
    "file/reading.py": "`_load` holds the functions that it calls",
    "file/notary_key.py": "`reading._load` holds the functions that read, `to_notary_pem` those that write",
    "file/block_cipher.py": "called by functions of password_encryption.py, which hold it",
    "awskms/session.py": "a block of awskms/provider.py holds `new`",
    "awskms/errors.py": "explains what `external_call` blocks of awskms/provider.py caught",
    "file/cosign_key.py": "`decrypt` and `encrypt` hold `_derive`; `_not_opened` explains",
}


def _loose_imports(path: Path) -> list[str]:
    """Imports of an SDK in functions, outside of every `with external_call(…)`."""
    found = []

    def walk(node: ast.AST, inside: bool, function: str) -> None:
        if isinstance(node, ast.FunctionDef):
            function = node.name
        if isinstance(node, ast.With):
            inside = inside or any("external_call(" in ast.unparse(item.context_expr) for item in node.items)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.partition(".")[0] in SDKS for name in names) and not inside:
            found.append(
                f"{path.relative_to(KEYS)}: {function} imports {', '.join(names)} outside of `with external_call(…)`"
            )
        for child in ast.iter_child_nodes(node):
            walk(child, inside, function)

    walk(ast.parse(path.read_text()), False, "the module")
    return found


def test_every_sdk_is_used_where_its_exceptions_are_explained() -> None:
    loose = [
        text
        for path in sorted(KEYS.rglob("*.py"))
        if path.relative_to(KEYS).as_posix() not in UNDER_A_LOCK | GUARDED.keys()
        for text in _loose_imports(path)
    ]

    assert not loose, "\n".join(loose)


def test_the_listed_modules_exist_and_need_their_exception() -> None:
    for name in UNDER_A_LOCK | GUARDED.keys():
        assert _loose_imports(KEYS / name), f"{name} needs no exception any more"
