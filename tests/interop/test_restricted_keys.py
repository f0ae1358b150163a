"""Keys of openssl that are refused: RSA restricted to PSS in every form, and ciphers that nothing here reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagesig import InvalidArgument, PublicKey, UnsupportedAlgorithm, open_public_keys, verify
from imagesig.crypto.certificate import parse_certificates
from imagesig.errors import ImagesigError, KeyUnusable, WrongSecret
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys.file.reading import read_private_key
from imagesig.keys.secrets import fixed
from imagesig.policy import Policy
from tests.commands import run_here
from tests.interop.tools import Tools
from tests.peers.openssl import openssl

pytestmark = pytest.mark.interop

SECRET = ("-passout", "pass:swordfish")
BITS = ("-pkeyopt", "rsa_keygen_bits:2048")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`NAME.pem`, `NAME.pub`, `NAME.crt` and encrypted forms, for the keys `rsa`, `pss`, `limited`."""
    made = tmp_path_factory.mktemp("restricted")
    limits = ("-pkeyopt", "rsa_pss_keygen_md:sha256", "-pkeyopt", "rsa_pss_keygen_saltlen:32")
    kinds = {"rsa": ("RSA", *BITS), "pss": ("RSA-PSS", *BITS), "limited": ("RSA-PSS", *BITS, *limits)}
    for name, options in kinds.items():
        key, certificate = made / f"{name}.pem", made / f"{name}.crt"
        openssl("genpkey", "-algorithm", *options, "-out", key)
        openssl("pkey", "-in", key, "-pubout", "-out", made / f"{name}.pub")
        openssl("req", "-x509", "-new", "-key", key, "-subj", "/C=US/ST=WA/O=acme", "-out", certificate)
        for form, more in (("aes", ()), ("scrypt", ("-scrypt",)), ("old", ("-v1", "PBE-SHA1-3DES"))):
            openssl("pkcs8", "-topk8", *more, "-in", key, "-out", made / f"{name}.{form}.pem", *SECRET)
        for form, more in (("p12", ()), ("old.p12", ("-legacy",)), ("aria.p12", ("-keypbe", "aria-256-cbc"))):
            both = ("-inkey", key, "-in", certificate)
            openssl("pkcs12", "-export", *more, *both, "-out", made / f"{name}.{form}", *SECRET)
    for path in made.iterdir():
        path.chmod(0o600)
    return made


PRIVATE = ("pem", "aes.pem", "scrypt.pem", "old.pem", "p12", "old.p12", "aria.p12")


def read(path: Path, passphrase: str = "swordfish") -> object:
    return read_private_key(path.read_bytes(), path.name, fixed(passphrase))


@pytest.mark.parametrize("form", PRIVATE)
def test_a_private_key_restricted_to_pss_is_refused_in_every_form(form: str, folder: Path) -> None:
    assert read(folder / f"rsa.{form}")
    for name in ("pss", "limited"):
        with pytest.raises(UnsupportedAlgorithm, match="restricted to PSS"):
            read(folder / f"{name}.{form}")
    if form != "pem":
        with pytest.raises(WrongSecret):
            read(folder / f"rsa.{form}", "sturgeon")


def test_a_public_key_and_a_certificate_restricted_to_pss_are_refused(folder: Path) -> None:
    (rsa,) = open_public_keys(str(folder / "rsa.pub"))
    (plain,) = parse_certificates((folder / "rsa.crt").read_bytes(), "x")
    assert plain.public_key == rsa
    assert plain.is_self_signed
    for name in ("pss", "limited"):
        with pytest.raises(UnsupportedAlgorithm, match="restricted to PSS"):
            open_public_keys(str(folder / f"{name}.pub"))
        text = (folder / f"{name}.pub").read_text()
        for written in (f"a key --\n{text}", text.replace("\n", "\r\n"), text.replace("-\nM", "-\nProc-Type: 1\n\nM")):
            with pytest.raises((UnsupportedAlgorithm, InvalidArgument)):
                PublicKey.from_pem(written)
        with pytest.raises(UnsupportedAlgorithm, match="restricted to PSS"):
            PublicKey.from_der(openssl("pkey", "-pubin", "-in", folder / f"{name}.pub", "-outform", "DER"))
        (certificate,) = parse_certificates((folder / f"{name}.crt").read_bytes(), "x")
        for member in ("public_key", "issuing_key"):
            with pytest.raises(UnsupportedAlgorithm, match="restricted to PSS"):
                getattr(certificate, member)
        assert not certificate.is_self_signed


def test_commands_and_policies_refuse_it_as_cosign_and_skopeo_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    image, public = f"oci:{tmp_path}/image:1.0", folder / "pss.pub"
    monkeypatch.setenv("IMAGESIG_PASSPHRASE", "swordfish")
    for arguments in (
        ("sign", "--key", folder / "pss.pem", image),
        ("sign", "--key", folder / "pss.p12", image),
        ("verify", "--key", public, image),
        ("attach", "--key", public, "--signature", public, image),
        ("key", "export", folder / "pss.aes.pem"),
    ):
        done = run_here(*arguments)
        assert (done.exit_code, "restricted to PSS" in str(done.exception)) == (1, True), arguments
    containers = tmp_path / "policy.json"
    containers.write_text(json.dumps({"default": [{"type": "sigstoreSigned", "keyPath": str(public)}]}))
    policies = [lambda: Policy.any_of(public.read_text()), lambda: Policy.from_containers_policy(containers)]
    for policy in policies:
        with pytest.raises(ImagesigError, match="restricted to PSS"):
            verify(image, policy())
    tools = Tools(tmp_path)
    blob = tmp_path / "blob"
    blob.write_bytes(b"x")
    run = tools.run("cosign3", "verify-blob", "--key", str(public), "--signature", str(blob), str(blob))
    assert not run.ok
    assert tools.run("cosign3", "import-key-pair", "--key", str(folder / "rsa.pem"), "--output-key-prefix", "a").ok
    assert not tools.run("cosign3", "import-key-pair", "--key", str(folder / "pss.pem"), "--output-key-prefix", "b").ok


CIPHERS = ("camellia-256-cbc", "aria-256-cbc", "sm4-cbc", "aes-256-cfb", "rc2-40-cbc", "des-cbc")


@pytest.mark.parametrize("cipher", [*CIPHERS, "PBE-SHA1-RC2-128", "PBE-SHA1-2DES", "hmacWithSHA512-256"])
@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_a_cipher_that_is_not_read_is_no_wrong_passphrase(cipher: str, name: str, folder: Path, tmp_path: Path) -> None:
    key, target = folder / "rsa.pem", tmp_path / "app.pem"
    if name == "ec":
        key = tmp_path / "ec.pem"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    option = {"P": "-v1", "h": "-v2prf"}.get(cipher[0], "-v2")
    providers = ("-provider", "default", "-provider", "legacy")
    openssl("pkcs8", "-topk8", option, cipher, "-in", key, "-out", target, *SECRET, *providers)
    target.chmod(0o600)
    for passphrase in ("swordfish", "sturgeon"):
        with pytest.raises(KeyUnusable, match="encrypted in a way that is not read") as refused:
            read(target, passphrase)
        assert "openssl pkcs8 -topk8" in refused.value.hint
    # What the hint says works.
    openssl("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", target, "-passin", "pass:swordfish", *SECRET, *providers,
            "-out", tmp_path / "new.pem")  # fmt: skip
    assert read(tmp_path / "new.pem")
    (tmp_path / "new.pem").chmod(0o600)
