"""The servers of a soak, its keys, and the outages that happen to them, one after the other."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import hvac
import pytest

from imagesig import SigningKey
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.open import ImageOpener
from imagesig.keys import FileProvider, open_key
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.pkcs11.provider import Pkcs11Provider
from imagesig.keys.secrets import fixed
from imagesig.testing import ScriptedKms
from tests.peers.quirks import quirky_module
from tests.peers.servers import distribution, serving, softhsm_token, unused_ports, vault_server

Step = Callable[[], None]
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Outage:
    """Something that happens to a running service, and how it ends. `heal` returns when the servers work again."""

    name: str
    begin: Step
    heal: Step


@dataclass(slots=True)
class Rig:
    """Where the service signs, its keys by kind, and what may happen."""

    host: str
    keys: dict[str, SigningKey]
    outages: list[Outage]
    open_sessions: Callable[[], int]
    """Sessions of the PKCS#11 token that are open now."""
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """Closes the keys."""

    def push(self, name: str) -> str:
        """The reference of a new small image."""
        opener = ImageOpener(None)
        descriptor = build_image(opener.open(f"{self.host}/{name}:1").home, {"a": name.encode()}, PLATFORMS[0], "1")
        opener.close()
        return f"{self.host}/{name}@{descriptor.digest}"


@contextlib.contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """All of it, on loopback; the variables of this process name it."""
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("DOCKER_CONFIG", str(folder))
        patch.setenv("HOME", str(folder))
        for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
            patch.delenv(name, raising=False)
        host, outages = _registry(stack, folder)
        made = Rig(host, {}, [], lambda: 0)
        made.keys["file"] = made.closing.enter_context(FileProvider(folder).generate("soak.key", KeyType.ECDSA_P256))
        of_servers = [outages, *(add(made, stack, patch, folder) for add in (_pkcs11, _vault, _kms))]
        # In turn, so that a short soak has one of each server.
        made.outages = [outage for turn in zip_longest(*of_servers) for outage in turn if outage is not None]
        yield made


# --- the registry, its tokens and its password ------------------------------------------------------------------------


def _registry(stack: contextlib.ExitStack, folder: Path) -> tuple[str, list[Outage]]:
    home = folder / "registry"
    home.mkdir()
    running = contextlib.ExitStack()
    stack.callback(running.close)
    address = running.enter_context(distribution(home, f"127.0.0.1:{unused_ports()}")).host
    (folder / "revoked").touch()
    environ = {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tests.soak.front", address, str(folder)]
    fronts = folder / "front"
    fronts.mkdir()
    (folder / "password").write_text("first")
    host = stack.enter_context(serving("front", command, fronts, rb"^listening on (127\.0\.0\.1:\d+)$", environ))

    def log_in() -> None:
        entry = base64.b64encode(b"user:" + (folder / "password").read_bytes()).decode()
        fresh = folder / "config.json.fresh"
        fresh.write_text(json.dumps({"auths": {host: {"auth": entry}}}))
        fresh.rename(folder / "config.json")

    def rotate() -> None:
        (folder / "password").write_text(os.urandom(8).hex())
        (folder / "revoked").touch()

    def start() -> None:
        running.enter_context(distribution(home, address))

    log_in()
    return host, [
        Outage("the registry restarts", running.close, start),
        Outage("all registry tokens expire", (folder / "revoked").touch, lambda: None),
        Outage("the registry's password is rotated", rotate, log_in),
    ]


# --- keys -------------------------------------------------------------------------------------------------------------


_REMOVED = ("C_Sign * * return 0x32", "C_OpenSession * * return 0x32", "C_FindObjectsInit * * return 0x32")
"""CKR_DEVICE_REMOVED."""


def _pkcs11(made: Rig, stack: contextlib.ExitStack, _patch: pytest.MonkeyPatch, folder: Path) -> list[Outage]:
    import ctypes

    token = stack.enter_context(softhsm_token(folder, label="soak", pin="s3cret-pin"))
    module = stack.enter_context(quirky_module(folder, token))
    provider = made.closing.enter_context(Pkcs11Provider(module.path, token="soak", secrets=fixed(token.pin)))
    provider.generate("soak", KeyType.ECDSA_P256)
    made.keys["pkcs11"] = made.closing.enter_context(provider.open("soak"))
    counter = ctypes.c_int.in_dll(ctypes.CDLL(str(module.path)), "quirks_open_sessions")
    made.open_sessions = lambda: counter.value
    return [
        Outage("the token is removed", lambda: module.use(*_REMOVED), module.use),
        Outage("the token loses its sessions", lambda: module.use("C_Sign * 1 return 0xb3"), module.use),
    ]


def _vault(made: Rig, stack: contextlib.ExitStack, patch: pytest.MonkeyPatch, folder: Path) -> list[Outage]:
    server = stack.enter_context(vault_server(folder))
    client = hvac.Client(url=server.address, token=server.root_token)
    client.sys.enable_secrets_engine("transit")
    client.secrets.transit.create_key("soak", key_type="ecdsa-p256")
    patch.setenv("VAULT_ADDR", server.address)

    def log_in(ttl: str = "1h") -> None:
        token = client.auth.token.create(policies=["root"], ttl=ttl)["auth"]["client_token"]
        os.environ["VAULT_TOKEN"] = token

    def expire() -> None:
        log_in("1s")
        time.sleep(1.2)

    patch.setenv("VAULT_TOKEN", "")
    log_in()
    made.keys["vault"] = made.closing.enter_context(open_key("hashivault://soak"))
    return [
        Outage("the Vault token is revoked", lambda: client.auth.token.revoke(os.environ["VAULT_TOKEN"]), log_in),
        Outage("the Vault token expires", expire, log_in),
        Outage("Vault is sealed", client.sys.seal, lambda: client.sys.submit_unseal_key(server.unseal_key)),
    ]


def _kms(made: Rig, stack: contextlib.ExitStack, patch: pytest.MonkeyPatch, _folder: Path) -> list[Outage]:
    kms = stack.enter_context(ScriptedKms({"soak": PrivateKey.generate(KeyType.ECDSA_P256)}))
    variables = {
        "AWS_ENDPOINT_URL_KMS": kms.address,
        "AWS_REGION": kms.region,
        "AWS_ACCESS_KEY_ID": "AKIASCRIPTED",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in variables.items():
        patch.setenv(name, value)

    def rotate() -> None:
        kms.access_keys = {f"AKIA{os.urandom(4).hex().upper()}"}
        kms.requests.clear()

    def log_in() -> None:
        os.environ["AWS_ACCESS_KEY_ID"] = next(iter(kms.access_keys))

    made.keys["kms"] = made.closing.enter_context(open_key("awskms:///alias/soak"))
    return [
        Outage("the AWS credentials are rotated", rotate, log_in),
        Outage(
            "the KMS key is disabled",
            lambda: kms.states.update(soak="Disabled"),
            lambda: (kms.states.update(soak="Enabled"), kms.requests.clear())[0],
        ),
    ]
