"""Keys that only openssl reaches: its signatures, attached by imagesig and by cosign, verified by every tool."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from imagesig import InvalidArgument, KeyType, sign_blob
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from tests.commands import run_here
from tests.interop.tools import Tools
from tests.peers.openssl import openssl
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

GENERATED = {
    KeyType.ECDSA_P256: ("EC", "ec_paramgen_curve:P-256"),
    KeyType.ECDSA_P384: ("EC", "ec_paramgen_curve:P-384"),
    KeyType.ECDSA_P521: ("EC", "ec_paramgen_curve:P-521"),
    KeyType.RSA_3072: ("RSA", "rsa_keygen_bits:3072"),
    KeyType.ED25519: ("ED25519", ""),
}


class Signer:
    """A key of openssl's, and an image in a registry."""

    def __init__(self, folder: Path, host: str, key_type: KeyType = KeyType.ECDSA_P256) -> None:
        algorithm, option = GENERATED[key_type]
        self.folder, self.key_type = folder, key_type
        self.private, self.public = folder / "openssl.pem", folder / "openssl.pub"
        options = ("-pkeyopt", option) if option else ()
        openssl("genpkey", "-algorithm", algorithm, *options, "-out", self.private)
        openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)
        self.image = f"{host}/elsewhere/{uuid.uuid4().hex[:12]}:1.0"
        build_image(registry(self.image).home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")

    def sign(self, payload: Path) -> bytes:
        if self.key_type is KeyType.ED25519:
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.private, "-in", payload)
        return openssl("dgst", "-sha256", "-sign", self.private, payload)

    def payload(self) -> Path:
        """The bytes of `imagesig generate-payload`, in a file."""
        done = run_here("generate-payload", self.image)
        assert done.exit_code == 0, done.output
        (self.folder / "payload.json").write_bytes(done.stdout_bytes)
        return self.folder / "payload.json"

    def in_base64(self, signature: bytes) -> Path:
        """The signature as `openssl base64` writes it, in lines."""
        (self.folder / "app.sig").write_bytes(openssl("base64", stdin=signature))
        assert (self.folder / "app.sig").read_bytes().count(b"\n") >= 2
        return self.folder / "app.sig"

    def verifies(self) -> None:
        done = run_here("verify", "--key", self.public, self.image)
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize("key_type", GENERATED, ids=lambda item: item.value)
def test_what_openssl_signs_and_imagesig_attaches_verifies_in_every_tool(
    key_type: KeyType, tmp_path: Path, registry_tag: RegistryServer
) -> None:
    signer, tools = Signer(tmp_path, registry_tag.host, key_type), Tools(tmp_path)
    payload = signer.payload()
    done = run_here(
        "attach", "--key", signer.public, "--signature", signer.in_base64(signer.sign(payload)), signer.image
    )
    assert done.exit_code == 0, done.output
    signer.verifies()
    for version in ("cosign2", "cosign3"):
        tools.cosign_verify(version, str(signer.public), signer.image).must_succeed()
    tools.skopeo_verify(signer.public, signer.image).must_succeed()


@pytest.mark.parametrize("version", ["cosign2", "cosign3"])
def test_a_payload_of_cosign_is_attached_by_imagesig(
    version: str, tmp_path: Path, registry_tag: RegistryServer
) -> None:
    signer, tools = Signer(tmp_path, registry_tag.host), Tools(tmp_path)
    made = tools.run(version, "generate", "--allow-http-registry", signer.image).must_succeed().stdout
    (tmp_path / "cosign.json").write_text(made)
    # cosign's payload has no tag, and is followed by a newline if it is printed so.
    ours = run_here("generate-payload", "--identity", signer.image.rpartition(":")[0], signer.image)
    assert made.rstrip("\n").encode() == ours.stdout_bytes
    signature = signer.in_base64(signer.sign(tmp_path / "cosign.json"))
    arguments = ("attach", "--key", signer.public, "--signature", signature)
    done = run_here(*arguments, "--payload", tmp_path / "cosign.json", signer.image)
    assert done.exit_code == 0, done.output
    signer.verifies()
    tools.cosign_verify(version, str(signer.public), signer.image).must_succeed()


@pytest.mark.parametrize("version", ["cosign2", "cosign3"])
def test_what_cosign_attaches_with_line_breaks_is_verified(
    version: str, tmp_path: Path, registry_tag: RegistryServer
) -> None:
    """sigstore/cosign issue 548: `openssl base64`, then `cosign attach signature`."""
    signer, tools = Signer(tmp_path, registry_tag.host, KeyType.RSA_3072), Tools(tmp_path)
    payload = signer.payload()
    files = ["--payload", str(payload), "--signature", str(signer.in_base64(signer.sign(payload)))]
    tools.run(version, "attach", "signature", "--allow-http-registry", *files, signer.image).must_succeed()
    tools.cosign_verify(version, str(signer.public), signer.image).must_succeed()
    tools.skopeo_verify(signer.public, signer.image).must_succeed()
    signer.verifies()
    # It is the same signature for `attach`, however it is written.
    raw = tmp_path / "raw.sig"
    raw.write_bytes(signer.sign(payload))
    done = run_here("attach", "--key", signer.public, "--signature", raw, signer.image)
    assert "present   cosign" in done.stdout, done.output


@pytest.mark.parametrize("version", ["cosign2", "cosign3"])
def test_a_long_payload_that_cosign_reads_is_not_signed_as_a_blob(
    version: str, tmp_path: Path, registry_tag: RegistryServer
) -> None:
    signer, tools = Signer(tmp_path, registry_tag.host), Tools(tmp_path)
    payload = signer.payload()
    payload.write_bytes(b'{"pad": "%b", ' % (b"y" * 400_000) + payload.read_bytes().lstrip()[1:])
    files = ["--payload", str(payload), "--signature", str(signer.in_base64(signer.sign(payload)))]
    tools.run(version, "attach", "signature", "--allow-http-registry", *files, signer.image).must_succeed()
    tools.cosign_verify(version, str(signer.public), signer.image).must_succeed()
    with pytest.raises(InvalidArgument, match="the payload of an image signature"):
        sign_blob(payload, str(signer.private))
