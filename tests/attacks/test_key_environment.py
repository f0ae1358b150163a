"""Field report A4: what a variable or an option names is no file, or none that can be read to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import private_key

PARENT = Path(__file__).parents[2]
KEY = "awskms:///arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def imagesig(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    fixed = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PARENT), "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.run(
        [sys.executable, "-m", "imagesig", *arguments],
        env={**fixed, "HOME": "/nonexistent", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str], name: str) -> None:
    """It ended with an error of ours that names the variable or the option."""
    assert "Traceback" not in done.stderr, done.stderr
    assert "the output cannot be written" not in done.stderr, done.stderr
    assert "internal error" not in done.stderr, done.stderr
    assert done.returncode in (1, 2), (done.returncode, done.stderr)
    assert name in done.stderr, done.stderr


def missing(folder: Path) -> Path:
    return folder / "none"


def a_folder(folder: Path) -> Path:
    (folder / "folder").mkdir()
    return folder / "folder"


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def endless(folder: Path) -> Path:
    path = folder / "endless"
    path.touch()
    os.truncate(path, 1 << 40)
    return path


def rubbish(folder: Path) -> Path:
    path = folder / "rubbish"
    path.write_bytes(bytes(range(256)) * 8)
    return path


def a_device(_folder: Path) -> Path:
    return Path("/dev/zero")


Made = Callable[[Path], Path]
EVERY: tuple[Made, ...] = (missing, a_folder, a_pipe, endless, rubbish, a_device)
VAULT = {"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": "t"}


@pytest.mark.parametrize("made", EVERY)
@pytest.mark.parametrize("variable", ["VAULT_CACERT", "VAULT_CAPATH", "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY"])
def test_files_of_vaults_tls_settings(variable: str, made: Made, tmp_path: Path) -> None:
    if (variable, made) == ("VAULT_CAPATH", a_folder):
        return  # a folder is what it is for
    both = {"VAULT_CLIENT_CERT": str(rubbish(tmp_path)), "VAULT_CLIENT_KEY": str(rubbish(tmp_path))}
    given = {variable: str(made(tmp_path))}
    done = imagesig("key", "check", "hashivault://app", **VAULT, **(both | given if "CLIENT" in variable else given))

    told(done, "VAULT_CLIENT_CERT" if made is rubbish and "CLIENT" in variable else variable)


def test_an_encrypted_client_key_asks_nobody(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    from imagesig.keys.certify import self_signed_certificate
    from imagesig.keys.file.provider import MemoryProvider

    key = private_key().loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    (tmp_path / "client.key").write_bytes(key)
    opened = MemoryProvider({"k": private_key().to_pem(None)}).open("k")
    (tmp_path / "client.crt").write_text(self_signed_certificate(opened, "CN=client"))
    files = {"VAULT_CLIENT_CERT": str(tmp_path / "client.crt"), "VAULT_CLIENT_KEY": str(tmp_path / "client.key")}

    told(imagesig("key", "check", "hashivault://app", **VAULT, **files), "VAULT_CLIENT_KEY: the key is encrypted")


@pytest.mark.parametrize("made", EVERY[1:])
def test_the_file_of_vaults_token(made: Made, tmp_path: Path) -> None:
    made(tmp_path).rename(tmp_path / ".vault-token") if made is not a_device else os.symlink(
        "/dev/zero", tmp_path / ".vault-token"
    )
    done = imagesig("key", "check", "hashivault://app", VAULT_ADDR="http://127.0.0.1:1", HOME=str(tmp_path))

    told(done, "~/.vault-token" if made is not endless else "Vault")


@pytest.mark.parametrize("made", EVERY)
@pytest.mark.parametrize("variable", ["IMAGESIG_VAULT_JWT_FILE", "IMAGESIG_VAULT_SECRET_ID_FILE"])
def test_files_of_vaults_logins(variable: str, made: Made, tmp_path: Path) -> None:
    method = "jwt" if "JWT" in variable else "approle"
    login = {"IMAGESIG_VAULT_AUTH": method, "IMAGESIG_VAULT_ROLE": "r", "IMAGESIG_VAULT_ROLE_ID": "r"}
    given = {"VAULT_ADDR": "http://127.0.0.1:1", variable: str(made(tmp_path))}

    told(imagesig("key", "check", "hashivault://app", **login, **given), variable)


@pytest.mark.parametrize("made", EVERY)
def test_the_token_file_of_a_web_identity(made: Made, tmp_path: Path) -> None:
    given = {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": str(made(tmp_path))}

    told(imagesig("key", "check", KEY, **given), "AWS_WEB_IDENTITY_TOKEN_FILE")


@pytest.mark.parametrize("made", [a_folder, a_pipe, endless, rubbish, a_device])
@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_configuration_files_of_aws(variable: str, made: Made, tmp_path: Path) -> None:
    told(imagesig("key", "check", KEY, **{variable: str(made(tmp_path))}), "AWS_")


@pytest.mark.parametrize("made", EVERY)
def test_the_certificate_authorities_of_aws(made: Made, tmp_path: Path) -> None:
    given = {"AWS_CA_BUNDLE": str(made(tmp_path)), "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}

    told(imagesig("key", "check", KEY, **given), "AWS_CA_BUNDLE")


PROGRAMS = [
    "/nonexistent/program",
    "/",
    "/dev/null",
    "true",
    "echo []",
    "echo {}",
    "printf \\\\377",
    "false",
    "sleep 100",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_that_give_credentials(program: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    given = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    done = imagesig("doctor", "--timeout", "3", KEY, **given)

    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stdout
    assert "failed" in done.stdout, done.stdout
    assert any(word in done.stdout for word in ("credential", "KMS")), done.stdout


@pytest.mark.parametrize("made", EVERY)
@pytest.mark.parametrize("variable", ["IMAGESIG_PKCS11_MODULE", "COSIGN_PKCS11_MODULE_PATH"])
def test_modules_of_tokens(variable: str, made: Made, tmp_path: Path) -> None:
    done = imagesig("key", "check", "pkcs11:token=t;object=k", **{variable: str(made(tmp_path))})

    told(done, variable if made not in (rubbish, endless) else "PKCS#11 module")


@pytest.mark.parametrize("made", EVERY)
def test_key_files(made: Made, tmp_path: Path) -> None:
    path = made(tmp_path)
    if path.is_file():
        path.chmod(0o600)
    for command in (("key", "check", f"file://{path}"), ("key", "export", f"file://{path}")):
        if made is a_folder:  # opened by name: a folder in itself is for listing
            continue
        told(imagesig(*command), path.name)


@pytest.mark.parametrize("made", EVERY)
def test_files_of_options(made: Made, tmp_path: Path) -> None:
    key = tmp_path / "k.key"
    key.write_bytes(private_key().to_pem("x"))
    key.chmod(0o600)
    path = str(made(tmp_path))

    told(imagesig("key", "check", str(key), "--passphrase-file", path), path if made is missing else "")
    told(imagesig("key", "check", str(key), "--certificate-chain", path, IMAGESIG_PASSPHRASE="x"), "")


def test_a_passphrase_may_come_through_a_pipe_of_the_shell(tmp_path: Path) -> None:
    key = tmp_path / "k.key"
    key.write_bytes(private_key().to_pem("x"))
    key.chmod(0o600)
    command = f'"{sys.executable}" -m imagesig key check "{key}" --passphrase-file <(echo x)'
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PARENT)}
    done = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, text=True, timeout=180)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "uri"),
    [
        ("VAULT_TOKEN", "s3cret\nx", "hashivault://app"),
        ("VAULT_TOKEN", "s3cret\udce9", "hashivault://app"),
        ("BAO_TOKEN", "s3cret x", "hashivault://app"),
        ("VAULT_NAMESPACE", "s3cret\r\nX-Evil: 1", "hashivault://app"),
        ("VAULT_ADDR", "http://user:s3cret@vault.example", "hashivault://app"),
        ("VAULT_ADDR", "http://user:s3c/ret#x@[", "hashivault://app"),
        ("VAULT_ADDR", "https://vault.example:99999", "hashivault://app"),
        ("VAULT_ADDR", "https://vault\udce9.example", "hashivault://app"),
        ("AWS_ACCESS_KEY_ID", "s3cret\n", KEY),
        ("AWS_SECRET_ACCESS_KEY", "s3cret\udcff", KEY),
        ("AWS_SESSION_TOKEN", "s3cret\nx", KEY),
        ("AWS_ENDPOINT_URL", "http://user:s3cret@[", KEY),
        ("AWS_ENDPOINT_URL_KMS", "https://user:s3cret@kms.example", KEY),
        ("IMAGESIG_PLUGIN_ENV", "1 2", "sigstore-kms://n/r"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name_and_not_shown(variable: str, value: str, uri: str) -> None:
    if uri.startswith("sigstore"):
        uri = "notation-plugin://n/r"
    fixed = {"VAULT_ADDR": "http://127.0.0.1:1"} if "VAULT" in variable or "BAO" in variable else {}
    fixed |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"} if "AWS" in variable else {}
    done = imagesig("key", "check", uri, **(fixed | {variable: value}))

    told(done, variable)
    assert done.returncode == 2, done.stderr
    assert "s3c" not in done.stderr
