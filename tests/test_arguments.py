"""Every public function, called with a wrong type in every parameter: an `InvalidArgument` that names the parameter."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pytest

import imagesig
from imagesig import (
    Identity,
    InternalError,
    InvalidArgument,
    KeyType,
    Policy,
    PublicKey,
    Transport,
    aio,
    content_trust,
    formats,
    images,
    keys,
    testing,
    witnesses,
)
from imagesig.api import options
from imagesig.arguments import checks_arguments
from imagesig.content_trust import InMemoryTrust, TrustKeys
from imagesig.errors import ImagesigError
from imagesig.images.build import build_index
from imagesig.images.layout.layout import Layout
from imagesig.keys import CertifiedKey, FileProvider
from imagesig.text import quote
from imagesig.trust import CertificateAuthority, ContentTrust, Holder, HolderKind
from imagesig.witnesses import Offline, RevocationChecker, Witnesses
from tests.public_names import PACKAGES, table

Call = tuple[Callable[..., Any], dict[str, Any]]

TRUSTED = "registry.invalid/app:1"
IMAGE, PUBLIC, PRIVATE = "oci:image:1", "release.pub", "release.key"
OF_IMAGES: dict[str, dict[str, Any]] = {
    "sign": {"image": IMAGE, "key": PRIVATE, "dry_run": True},
    "sign_many": {"images": [IMAGE], "key": PRIVATE, "dry_run": True},
    "verify": {"image": IMAGE, "policy": PUBLIC},
    "verify_many": {"images": [IMAGE], "policy": PUBLIC},
    "verify_attestation": {"image": IMAGE, "policy": PUBLIC, "predicate_type": "vuln"},
    "explain": {"image": IMAGE, "policy": PUBLIC},
    "inspect": {"image": IMAGE},
    "copy": {"source": IMAGE, "destination": "oci:there:1"},
    "remove": {"image": IMAGE, "key": PUBLIC, "dry_run": True},
    "remove_many": {"images": [IMAGE], "key": PUBLIC, "dry_run": True},
    "generate_payload": {"image": IMAGE, "identity": "registry.example/app:1"},
    "tree": {"image": IMAGE},
    "download": {"image": IMAGE, "what": "signature"},
    "attest": {"image": IMAGE, "key": PRIVATE, "predicate_type": "custom", "predicate": {"a": 1}, "dry_run": True},
    "attest_many": {"images": [IMAGE], "key": PRIVATE, "predicate_type": "custom", "predicate": {"a": 1}},
    "migrate_trust": {"repositories": [], "key": PRIVATE, "trust": ContentTrust(first_use=True)},
    "attach": {"image": IMAGE, "signature": b"", "key": PUBLIC},
}
"""Arguments with which each function succeeds."""
OF_BLOBS: dict[str, dict[str, Any]] = {
    "sign_blob": {"blob": b"content", "key": PRIVATE},
    "attest_blob": {"blob": b"content", "key": PRIVATE, "predicate_type": "custom", "predicate": {"a": 1}},
    "verify_blob": {"blob": b"content", "policy": PUBLIC, "signature": b"a signature by nobody"},
}
OF_TRUST: dict[str, dict[str, Any]] = {
    "inspect_trust": {"image": TRUSTED},
    "sign_trust": {"image": TRUSTED, "keys": TrustKeys()},
    "revoke_trust": {"image": TRUSTED, "keys": TrustKeys()},
    "add_signer": {"repository": TRUSTED, "name": "alice", "public_keys": (), "keys": TrustKeys()},
    "remove_signer": {"repository": TRUSTED, "name": "alice", "keys": TrustKeys()},
    "init_trust": {"repository": TRUSTED, "keys": TrustKeys()},
    "rotate_trust_key": {"repository": TRUSTED, "role": "root", "keys": TrustKeys()},
}
"""No server is there: no call succeeds."""
OTHERS: dict[str, dict[str, Any]] = {
    "imagesig.worker_processes": {"count": 1},
    "imagesig.diagnose": {"key": PRIVATE, "image": IMAGE},
    "imagesig.open_key": {"uri_or_path": PRIVATE},
    "imagesig.open_public_keys": {"uri_or_path": PUBLIC},
    "imagesig.key_from_pem": {"pem": "PEM"},
    "imagesig.registry": {"reference": "registry.example/app:1"},
    "imagesig.registry_client": {},
    "imagesig.layout": {"directory": "image", "target": "1"},
    "imagesig.archive": {"file": "missing.tar"},
    "imagesig.docker_archive": {"file": "missing.tar"},
    "imagesig.directory": {"path": "missing"},
    "imagesig.keys.resolve_key": {"uri_or_path": PRIVATE, "settings": None},
    "imagesig.keys.certificate_request": {"key": None, "subject": "CN=release"},
    "imagesig.keys.self_signed_certificate": {"key": None, "subject": "C=US,ST=WA,O=Acme,CN=release"},
    "imagesig.policy.parse_scope": {"text": "registry.example"},
    "imagesig.trust.parse_certificates": {"data": b"", "what": "certificates"},
    "imagesig.witnesses.offline": {},
    "imagesig.witnesses.online": {},
    "imagesig.formats.select_formats": {"chosen": ["cosign"]},
}
METHODS: dict[str, Call] = {
    "Session": (imagesig.Session, {}),
    "PolicyFile": (imagesig.PolicyFile, {"path": "missing.toml"}),
    "aio.Session": (aio.Session, {}),
    "Transport": (Transport, {}),
    "Policy.load": (Policy.load, {"path": "missing.toml"}),
    "Policy.from_containers_policy": (Policy.from_containers_policy, {"path": "missing.json"}),
    "Policy.from_notation": (Policy.from_notation, {"path": "missing.json"}),
    "Policy.any_of": (lambda **given: Policy.any_of(PUBLIC, **given), {}),
    "Policy.all_of": (lambda **given: Policy.all_of(PUBLIC, **given), {}),
    "Policy.at_least": (lambda threshold, **given: Policy.at_least(threshold, PUBLIC, **given), {"threshold": 1}),
    "Identity.exactly": (Identity.exactly, {"text": "registry.example/app:1"}),
    "Identity.exact_reference": (Identity.exact_reference, {"text": "registry.example/app:1"}),
    "Identity.exact_repository": (Identity.exact_repository, {"text": "registry.example/app"}),
    "Identity.remap_identity": (Identity.remap_identity, {"prefix": "a.example", "signed_prefix": "b.example"}),
    "PublicKey.from_pem": (PublicKey.from_pem, {"pem": ""}),
    "PublicKey.from_der": (PublicKey.from_der, {"spki": b""}),
    "CertificateAuthority.from_pem": (CertificateAuthority.from_pem, {"name": "ca", "pem": b""}),
    "Holder.of": (Holder.of, {"text": "email:a@example.com"}),
}
FOLDER: dict[str, Any] = {"folder": "folder"}
CLASSES: dict[str, Call] = {
    "KeySettings": (keys.KeySettings, {"environ": {}}),
    "FileProvider": (FileProvider, {}),
    "Pkcs11Provider": (keys.Pkcs11Provider, {"module": "missing.so"}),
    "VaultConnection": (keys.VaultConnection, {"address": "https://vault.example"}),
    "VaultProvider": (keys.VaultProvider, {}),
    "AwsKmsProvider": (keys.AwsKmsProvider, {}),
    "NotationPluginProvider": (keys.NotationPluginProvider, {"name": "a", "directory": "missing", "environ": {}}),
    "SigstorePluginProvider": (keys.SigstorePluginProvider, {"program": "missing", "environ": {}}),
    "app_role": (keys.app_role, {"role_id": "id", "secret_id": str}),
    "jwt": (keys.jwt, {"role": "ci", "token": str}),
    "kubernetes": (keys.kubernetes, {"role": "ci", "token": str}),
    "userpass": (keys.userpass, {"username": "ci", "password": str}),
    "ToSign": (keys.ToSign, {"message": b"", "algorithm": keys.ECDSA_SHA256}),
    "Cosign": (formats.Cosign, {}),
    "BundleAttestation": (formats.BundleAttestation, {}),
    "Notation": (formats.Notation, {}),
    "Attribute": (formats.Attribute, {"name": "a", "value": "b"}),
    "Holder": (Holder, {"kind": HolderKind.EMAIL, "value": "a@example.com"}),
    "ContentTrust": (ContentTrust, {"first_use": True}),
    "TrustServers": (imagesig.TrustServers, {}),
    "TrustBackup": (content_trust.TrustBackup, FOLDER),
    "DockerTrust": (content_trust.DockerTrust, FOLDER),
    "FolderMemory": (content_trust.FolderMemory, FOLDER),
    "FolderMemory.load": (content_trust.FolderMemory("folder").load, {"server": "https://a", "repository": "b"}),
    "InMemoryTrust.store": (InMemoryTrust().store, {"server": "https://a", "repository": "b", "files": {}}),
    "PrivateKeyFolder": (content_trust.PrivateKeyFolder, FOLDER | {"passphrases": len}),
    "PrivateKeyFolder.find": (content_trust.PrivateKeyFolder("folder", len).find, {"key_id": "a"}),
    "docker_passphrases": (content_trust.docker_passphrases, {"environ": {}}),
    "canonical_id": (content_trust.canonical_id, {}),
    "released": (content_trust.released, {"tag": "1"}),
    "releases": (content_trust.releases, {}),
    "signers_of": (content_trust.signers_of, {"tag": "1"}),
    "Witnesses": (Witnesses, {"fetcher": Offline(), "revocation": RevocationChecker(Offline())}),
    "RevocationChecker": (RevocationChecker, {"fetcher": Offline()}),
    "RevocationChecker.check": (RevocationChecker(Offline()).check, {"chain": (), "at": datetime.now(UTC)}),
    "FileCrlCache": (witnesses.FileCrlCache, FOLDER),
    "MemoryCrlCache": (witnesses.MemoryCrlCache, {}),
    "RegistryClient": (images.RegistryClient, {"credentials": len}),
    "InMemoryRegistry": (testing.InMemoryRegistry, {}),
    "InMemoryRegistry.add_image": (testing.InMemoryRegistry().add_image, {}),
    "InMemoryRegistry.put_blob": (testing.InMemoryRegistry().put_blob, {"name": "a", "content": b""}),
    "MemoryProvider": (testing.MemoryProvider, {}),
    "MemoryProvider.open": (testing.MemoryProvider().open, {}),
    "hostile_registry": (testing.hostile_registry, {}),
    "Policy.select": (Policy().select, {}),
}
PARAMETERS = {
    "AwsKmsProvider": ["session", "region", "endpoint", "plain_http"],
    "docker_passphrases": ["environ"],
    "released": ["view"],
    "signers_of": ["view"],
    "Policy.any_of": ["annotations", "identity", "formats"],
    "Policy.all_of": ["annotations", "identity", "formats"],
    "Policy.at_least": ["threshold", "annotations", "identity", "formats"],
}
"""Of functions that take authorities before them, anything, or values that only imagesig makes."""
AUTHORS_ONLY = {
    **dict.fromkeys(
        ("imagesig.formats.reader_of", "imagesig.trust.examine_timestamp", "imagesig.witnesses.request_timestamp"),
        "takes values that imagesig itself makes",
    ),
    **dict.fromkeys(
        [
            f"imagesig.content_trust.{name}"
            for name in ("canonical_id", "docker_passphrases", "released", "releases", "signers_of")
        ],
        "in CLASSES",
    ),
    **dict.fromkeys(
        [f"imagesig.docker.{name}" for name in ("from_env", "pull_verified", "verify")], "takes docker-py's own values"
    ),
    **dict.fromkeys(
        [f"imagesig.keys.{login}" for login in ("app_role", "jwt", "kubernetes", "userpass")], "in CLASSES"
    ),
    **dict.fromkeys(
        [f"imagesig.testing.{name}" for name in ("hostile_home", "hostile_homes", "hostile_registry")],
        "in CLASSES, or makes many files",
    ),
}
"""Functions without a row in the tables by dotted names, and why."""

ANY = (7, -1.5, float("nan"), True, None, "oci:nowhere", b"oci:nowhere", [], [7], {"a": 1}, Path("nowhere"))
MORE = (datetime(2026, 1, 1), datetime.now(UTC), len, IMAGE.encode(), {}, 10**400, -(10**400))


def public_functions() -> dict[str, Callable[..., Any]]:
    """Every public function by its dotted name, each once."""
    found: dict[int, tuple[str, Callable[..., Any]]] = {}
    for package in PACKAGES:
        for name in table(package):
            item = getattr(import_module(package), name)
            if inspect.isfunction(item):
                found.setdefault(id(item), (f"{package}.{name}", item))
    return dict(found.values())


def parameters(function: Callable[..., Any]) -> list[str]:
    """The names of all parameters; those of `**options: Unpack[…]` are among them."""
    names = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            typed = parameter.annotation.removeprefix("Unpack[").removesuffix("]").removeprefix("given.")
            names += getattr(options, typed).__annotations__
        else:
            names.append(parameter.name)
    return names


def result(value: Any) -> Any:
    """What a call gives in the end, whatever the way: outcomes, or what an asynchronous function returns."""
    if isinstance(value, Awaitable):
        return asyncio.run(value)  # type: ignore[arg-type]
    if isinstance(value, AsyncIterator):

        async def collected() -> list[Any]:
            return [item async for item in value]

        value = asyncio.run(collected())
    return [raised(item) for item in value] if hasattr(value, "__next__") or isinstance(value, list) else value


def raised(item: Any) -> Any:
    error = getattr(item, "error", None)
    if error is not None:
        raise error
    return item


def error_of(function: Callable[..., Any], arguments: dict[str, Any]) -> ImagesigError | None:
    """The error of imagesig that the call raises, if it raises one."""
    try:
        result(function(**arguments))
    except ImagesigError as error:
        return error
    return None


def calls() -> dict[str, Call]:
    found: dict[str, Call] = METHODS | CLASSES
    for name, arguments in OF_IMAGES.items():
        found[name] = (getattr(imagesig, name), arguments)
        found[f"aio.{name}"] = (getattr(aio, name), arguments)
        found[f"Session.{name}"] = (getattr(imagesig.Session(), name), arguments)
        found[f"aio.Session.{name}"] = (getattr(aio.Session(), name), arguments)
    for name, arguments in (OF_BLOBS | OF_TRUST).items():
        found[f"imagesig.{name}"] = (getattr(imagesig, name), arguments)
        found[f"aio.{name}"] = (getattr(aio, name), arguments)
    for name, arguments in OF_TRUST.items():
        found[f"Session.{name}"] = (getattr(imagesig.Session(), name), arguments)
        found[f"aio.Session.{name}"] = (getattr(aio.Session(), name), arguments)
    functions = public_functions()
    return found | {name: (functions[name], arguments) for name, arguments in OTHERS.items()}


CALLS = calls()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("arguments")
    key = FileProvider(place).generate(PRIVATE, KeyType.ECDSA_P256)
    (place / PUBLIC).write_text(key.info.public_key.pem)
    build_index(Layout.create(place / "image"), {"a": b"b"}, "1")
    imagesig.sign(f"oci:{place / 'image'}:1", key)
    return place


@pytest.fixture
def arguments(place: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, dict[str, Any]]:
    """The arguments of each call, with an open key and settings where one is needed."""
    monkeypatch.chdir(place)
    key = imagesig.open_key(PRIVATE)
    opened = {"key": key, "settings": imagesig.keys.KeySettings(environ={}), "pem": (place / PRIVATE).read_text()}
    return {
        name: {item: opened[item] if value in (None, "PEM") else value for item, value in given.items()}
        for name, (_, given) in CALLS.items()
    }


def test_every_public_function_has_a_row() -> None:
    twins = OF_IMAGES.keys() | OF_BLOBS.keys() | OF_TRUST.keys()
    assert public_functions().keys() - {f"imagesig.{name}" for name in twins} == OTHERS.keys() | AUTHORS_ONLY.keys()
    assert twins == set(aio.__all__) - {"Session"}
    assert OF_IMAGES.keys() | OF_TRUST.keys() <= set(dir(imagesig.Session)) & set(dir(aio.Session))


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_value_of_no_type_is_refused_by_the_name_of_its_parameter(
    arguments: Mapping[str, dict[str, Any]], name: str
) -> None:
    function = CALLS[name][0]
    for parameter in PARAMETERS.get(name) or parameters(function):
        for wrong in (object(), [object()]) if parameter == "formats" else (object(),):
            with pytest.raises(InvalidArgument) as caught:
                result(function(**{**arguments[name], parameter: wrong}))
            assert parameter in str(caught.value), f"{parameter}: {caught.value}"
            assert "0x" not in str(caught.value), "the value may be a secret"


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("name", sorted(name for name in CALLS if "aio." not in name and "Session." not in name))
def test_a_value_of_any_type_is_taken_or_refused_and_never_an_error_of_python(
    arguments: Mapping[str, dict[str, Any]], name: str
) -> None:
    function = CALLS[name][0]
    for parameter in PARAMETERS.get(name) or parameters(function):
        for value in (*ANY, *MORE):
            if value is len and parameter in ("admit", "progress"):
                continue  # what the caller's function raises is the caller's
            error = error_of(function, {**arguments[name], parameter: value})
            assert not isinstance(error, InternalError), f"{parameter}={quote(value)}: {error.__cause__!r}"


@pytest.mark.parametrize("option", ["timeout", "deadline", "workers"])
def test_a_number_that_is_too_large_is_refused_as_such(arguments: Mapping[str, dict[str, Any]], option: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{option} is too large"):
        result(imagesig.verify_many(**(arguments["verify_many"] | {option: 10**400})))
    with pytest.raises(InvalidArgument, match="timeout is too large"):
        imagesig.Transport(timeout=10**400)
    with pytest.raises(InvalidArgument, match="timeout is too large"):
        asyncio.run(aio.verify(**arguments["verify"], timeout=10**400))


@pytest.mark.parametrize("name", ["verify", "aio.verify", "Session.verify", "aio.Session.verify", "verify_many"])
@pytest.mark.parametrize(
    "option", [{"now": "x"}, {"now": datetime(2026, 1, 1)}, {"allow_unverified": "no"}], ids=["text", "naive", "no"]
)
def test_an_option_that_would_be_read_wrongly_is_refused(
    arguments: Mapping[str, dict[str, Any]], name: str, option: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(option))):
        result(CALLS[name][0](**arguments[name], **option))


def test_a_text_is_taken_where_a_list_of_texts_is_meant(arguments: Mapping[str, dict[str, Any]]) -> None:
    key = imagesig.open_key(Path(PRIVATE))

    assert imagesig.sign(IMAGE, key, formats="cosign", dry_run=True).signatures
    assert Policy.any_of(PUBLIC, formats="cosign")
    assert imagesig.keys.certificate_request(key, "CN=release", "dns:release.example")
    assert list(imagesig.diagnose(Path(PRIVATE)))


def test_a_key_says_which_argument_is_wrong(arguments: Mapping[str, dict[str, Any]]) -> None:
    key: Any = imagesig.open_key(PRIVATE)
    for call, parameter in (
        (lambda: key.sign("text"), "message"),
        (lambda: key.sign_batch([7]), "requests"),
        (lambda: key.sign_batch("x"), "requests"),
        (lambda: key.expect(PUBLIC), "public_key"),
        (lambda: CertifiedKey(key, "x"), "chain"),
        (lambda: imagesig.open_key(PRIVATE, chain=[7]), "chain"),
    ):
        with pytest.raises(InvalidArgument, match=parameter):
            call()


def test_an_option_of_a_run_over_many_images_is_named_by_a_public_function() -> None:
    with pytest.raises(InvalidArgument, match=r"^sign: annotations is of type int"):
        next(imagesig.sign_many([], "release.key", annotations=7))
    with pytest.raises(InvalidArgument, match=r"^attest: predicate is of type str"):
        next(imagesig.attest_many([], "release.key", predicate_type="custom", predicate="sbom.json"))


def test_of_a_list_the_item_that_does_not_fit_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"cel has an item that is of type int, text is needed$"):
        imagesig.verify_attestation("oci:a", "a.pub", predicate_type="custom", cel=["true", 1])  # type: ignore[list-item]
    with pytest.raises(InvalidArgument, match=r"repositories has an item that is of type int, text is needed$"):
        imagesig.migrate_trust(["a.example/b", 3], "a.key", imagesig.ContentTrust(first_use=True))  # type: ignore[list-item]
    with pytest.raises(InvalidArgument, match=r"cel is of type int, text or a list is needed$"):
        imagesig.verify_attestation("oci:a", "a.pub", predicate_type="custom", cel=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [imagesig.sign_blob, imagesig.verify_blob, imagesig.attest_blob])
def test_no_alias_of_a_type_is_in_an_error(function: Callable[..., object]) -> None:
    with pytest.raises(
        InvalidArgument, match=r"blob is of type bytearray, bytes, a path or a binary stream is needed$"
    ):
        function(bytearray(b"x"), "a.key")


def test_the_signature_of_a_checked_function_is_shown() -> None:
    assert list(inspect.signature(imagesig.verify).parameters)[:2] == ["image", "policy"]
    assert imagesig.verify.__module__ == "imagesig.api.verify.verifying"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_taken_as_text_too(arguments: Mapping[str, dict[str, Any]], place: Path, kind: type[Any]) -> None:
    folder, missing = kind(str(place)), kind(str(place / "missing"))

    assert FileProvider(folder).open(PRIVATE).info.public_key
    with pytest.raises(InvalidArgument, match="not a folder"):
        content_trust.TrustBackup(missing)
    for memory in (content_trust.DockerTrust(missing), content_trust.FolderMemory(missing)):
        assert memory.load("https://notary.example", "registry.example/app") == {}
    assert witnesses.FileCrlCache(missing).get("http://ca.example/crl") is None
    assert content_trust.PrivateKeyFolder(missing, docker_passphrase).roles() == {}
    with pytest.raises(imagesig.KeyNotFound, match="no file"):
        keys.NotationPluginProvider("a", folder, environ={})
    with pytest.raises(ImagesigError, match="missing"):
        keys.Pkcs11Provider(missing)
    assert "missing" in repr(keys.SigstorePluginProvider(missing, environ={}))


def docker_passphrase(role: str) -> Callable[[object], str | None]:
    return lambda request: None


@pytest.mark.parametrize("name", [7, None, b"release.key", Path(PRIVATE), [PRIVATE]])
def test_a_provider_takes_a_name_in_text(arguments: Mapping[str, dict[str, Any]], place: Path, name: Any) -> None:
    vault = keys.VaultProvider(keys.VaultConnection("https://vault.invalid"), keys.userpass("ci", str))
    for provider in (FileProvider(place), vault, keys.AwsKmsProvider(), testing.MemoryProvider()):
        for call in (provider.open, provider.public_keys, lambda name: FileProvider(place).generate(name, "ecdsa")):  # type: ignore[arg-type]
            with pytest.raises(InvalidArgument, match="name is of type"):
                call(name)
    with pytest.raises(InvalidArgument, match="key_type is of type str, KeyType is needed"):
        FileProvider(place).generate("new.key", "ecdsa-p256")  # type: ignore[arg-type]


def test_a_registry_of_tests_says_what_is_wrong() -> None:
    with pytest.raises(InvalidArgument, match="not started") as caught:
        testing.InMemoryRegistry().host  # noqa: B018
    assert "with" in caught.value.hint
    with testing.InMemoryRegistry() as server:
        with pytest.raises(InvalidArgument, match="APP"):
            server.add_image("APP:1")
        client = imagesig.Transport(plain_http=True)
        image = server.add_image(platforms="linux/arm64")
        assert [node.platform for node in imagesig.tree(image, transport=client).root.children] == ["linux/arm64"]


class OnlyForTypeCheckers(Protocol):
    attrs: dict[str, Any]


@checks_arguments
def takes_anything(image: OnlyForTypeCheckers, platform: str = "", client: Any = None) -> str:
    return platform


def test_what_isinstance_does_not_take_is_not_checked() -> None:
    assert takes_anything(7, "linux", 7) == "linux"  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="platform"):
        takes_anything(7, 7)  # type: ignore[arg-type]
