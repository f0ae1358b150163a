"""What is done while a call into another package fails: the library's own calls, the command, and `doctor`."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from imagesig import Policy, diagnose, inspect, open_key, open_public_keys, sign, verify, verify_many
from imagesig.cli.main import cli
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import ImagesigError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout, layout
from imagesig.images.open import open_image
from imagesig.images.registry.connect import registry
from imagesig.keys import KeySettings
from imagesig.keys.awskms.provider import AwsKmsProvider
from imagesig.keys.file.provider import FileKey, FileProvider
from imagesig.keys.secrets import fixed
from imagesig.testing.registry import InMemoryRegistry
from tests.chains import certified, trusting
from tests.makers import private_key


def _command(*arguments: str) -> None:
    """The command in this process; an error that it prints is raised here."""
    with redirect_stdout(io.StringIO()):
        try:
            status = cli.main(list(arguments), standalone_mode=False)
        except click.exceptions.Exit as ended:
            status = ended.exit_code
    assert status in (0, 1, 2, 10, 11, 12, 13, None)


def _doctor(*names: str, settings: KeySettings | None = None) -> None:
    """`doctor` must come to its end: an exception of any kind is a fault of it."""
    try:
        list(diagnose(*names, settings=settings))
    except ImagesigError as error:
        raise AssertionError(f"doctor ended with {error}") from error


class Scenarios:
    """Named acts over images and keys that are made once, in `folder`."""

    def __init__(self, folder: Path, server: InMemoryRegistry) -> None:
        self.folder = folder
        self.plain = folder / "plain.key"
        self.encrypted = folder / "cosign.key"
        self.pkcs8 = folder / "pkcs8.key"
        self.p12 = folder / "key.p12"
        self.public = folder / "plain.pub"
        self.program = folder / "sigstore-kms-one"
        self._make_keys()
        self.layout = self._image("layout", "cosign", self._classic)
        self.jws = self._image("jws", "notation-jws", self._certified)
        self.cose = self._image("cose", "notation-cose", self._certified)
        self.host = server.host
        self.remote = f"{server.host}/team/app:1.0"
        build_image(registry(self.remote).home, {"a": b"b"}, PLATFORMS[0], "1.0")
        sign(self.remote, self._classic(), formats=("cosign", "bundle"))
        self.policy = Policy.any_of(private_key().public_key)

    def _make_keys(self) -> None:
        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            PrivateFormat,
            pkcs12,
        )

        key: Any = private_key().loaded
        secret = BestAvailableEncryption(b"x")
        files = {
            self.plain: private_key().to_pem(None),
            self.encrypted: private_key().to_pem("x"),
            self.pkcs8: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret),
            self.p12: pkcs12.serialize_key_and_certificates(b"k", key, None, None, secret),
        }
        for path, content in files.items():
            path.write_bytes(content)
            path.chmod(0o600)
        self.public.write_text(private_key().public_key.pem)
        self.program.write_text("#!/bin/sh\necho '{}'\n")
        self.program.chmod(0o755)
        (self.folder / "workload.yaml").write_text(
            "kind: Pod\napiVersion: v1\nspec:\n  containers: [{name: a, image: 'localhost:1/a/b:1'}]\n"
        )
        (self.folder / "policy.toml").write_text(f'[[rules]]\nscope = "*"\nkeys = ["{self.public}"]\n')

    def _classic(self) -> FileKey:
        return FileKey(private_key(), "test key")

    def _certified(self) -> FileKey:
        signer = certified()
        return FileKey(replace(signer.private_key, chain=signer.chain), "test key")

    def _image(self, name: str, format_name: str, key: Callable[[], FileKey]) -> str:
        build_image(Layout.create(self.folder / name), {"a": b"b"}, PLATFORMS[0], "1.0")
        sign(layout(self.folder / name, "1.0"), key(), formats=(format_name,))
        return f"oci:{self.folder / name}:1.0"

    # --- acts ----------------------------------------------------------------------------------------------------

    def open_plain(self) -> None:
        open_key(str(self.plain)).close()

    def open_cosign(self) -> None:
        open_key(str(self.encrypted), secrets=fixed("x")).close()

    def open_pkcs8(self) -> None:
        open_key(str(self.pkcs8), secrets=fixed("x")).close()

    def open_p12(self) -> None:
        open_key(str(self.p12), secrets=fixed("x")).close()

    def open_public(self) -> None:
        open_public_keys(str(self.public))

    def open_rsa_public(self) -> None:
        path = self.folder / "rsa.pub"
        path.write_text(private_key(KeyType.RSA_2048).public_key.pem)
        open_public_keys(str(path))

    def read_chain(self) -> None:
        from imagesig.keys.certified import read_chain

        read_chain(self.public)

    def sign_message(self) -> None:
        with self._classic() as key:
            key.sign(b"message")

    def generate(self) -> None:
        name = f"new-{len(list(self.folder.iterdir()))}.key"
        try:
            FileProvider(self.folder, secrets=fixed("x")).generate(name, KeyType.ECDSA_P256)
        finally:
            for path in (self.folder / name, (self.folder / name).with_suffix(".pub")):
                path.unlink(missing_ok=True)

    def list_keys(self) -> None:
        list(FileProvider(self.folder).list())

    def prompt(self) -> None:
        from imagesig.keys.secrets import SecretKind, SecretRequest, prompt

        prompt(SecretRequest(SecretKind.PIN, "token"))

    def _vault(self) -> KeySettings:
        return KeySettings({"VAULT_ADDR": f"http://{self.host}", "VAULT_TOKEN": "t"})

    def open_vault(self) -> None:
        open_key("hashivault://app", settings=self._vault())

    def list_vault(self) -> None:
        from imagesig.keys import resolve_key

        provider, _ = resolve_key("hashivault://", self._vault())
        with provider:
            list(provider.list())  # type: ignore[attr-defined]

    def doctor_vault(self) -> None:
        _doctor("hashivault://app", settings=self._vault())

    def open_kms(self) -> None:
        with AwsKmsProvider(region="eu-central-1", endpoint=f"http://{self.host}") as provider:
            provider.open("alias/app")

    def doctor_kms(self) -> None:
        _doctor("awskms:///alias/app", settings=KeySettings({"AWS_REGION": "eu-central-1"}))

    def open_plugin(self) -> None:
        open_key("sigstore-kms://one/key", settings=KeySettings({"PATH": f"{self.folder}:/usr/bin:/bin"}))

    def open_elsewhere(self) -> None:
        open_key("elsewhere://key")

    def verify_layout(self) -> None:
        verify(self.layout, self.policy)

    def verify_remote(self) -> None:
        # opened anew: with connections of its own
        verify(open_image(self.remote), self.policy)

    def verify_bundle(self) -> None:
        # opened anew: with connections of its own
        verify(open_image(self.remote), Policy.any_of(private_key().public_key, formats=("bundle",)))

    def verify_jws(self) -> None:
        verify(self.jws, Policy.any_of(trusting(certified().chain[-1]).authorities[0]))

    def verify_cose(self) -> None:
        verify(self.cose, Policy.any_of(trusting(certified().chain[-1]).authorities[0]))

    def verify_many(self) -> None:
        for outcome in verify_many([self.layout, self.cose, self.jws, self.remote], self.policy, workers=1):
            assert outcome.result is not None or isinstance(outcome.error, ImagesigError)

    def inspect_cose(self) -> None:
        inspect(self.cose)

    def sign_layout(self) -> None:
        sign(self.layout, self._classic(), formats=("cosign",))

    def sign_notation(self) -> None:
        sign(self.cose, self._certified(), formats=("notation-cose", "notation-jws"))

    def doctor_key(self) -> None:
        _doctor(str(self.plain))

    def doctor_image(self) -> None:
        _doctor("", self.remote)

    def doctor_alone(self) -> None:
        _doctor()

    def command_verify(self) -> None:
        _command("verify", self.layout, "--key", str(self.public))

    def command_sign(self) -> None:
        _command("sign", self.layout, "--key", str(self.plain))

    def command_doctor(self) -> None:
        _command("doctor", str(self.plain), self.remote)

    def command_workload(self) -> None:
        _command("verify", "--workload", str(self.folder / "workload.yaml"), "--key", str(self.public))

    def command_csr(self) -> None:
        _command("key", "csr", str(self.plain), "--subject", "CN=a")
