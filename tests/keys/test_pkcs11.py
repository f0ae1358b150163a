"""PKCS#11 keys in a real SoftHSM token."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.errors import InvalidArgument, KeyNotFound, KeyUnusable
from imagesig.keys import KeySettings, resolve_key
from imagesig.keys.pkcs11 import Pkcs11Provider
from imagesig.keys.pkcs11_module import module_at
from imagesig.keys.secrets import fixed
from imagesig.testing import ProviderContract
from tests.peers.servers import SoftHsmToken

pytestmark = pytest.mark.interop


@pytest.fixture
def provider(softhsm: SoftHsmToken) -> Iterator[Pkcs11Provider]:
    with opened(softhsm) as provider:
        yield provider


def opened(token: SoftHsmToken, pin: str = "") -> Pkcs11Provider:
    return Pkcs11Provider(token.module, token=token.label, secrets=fixed(pin or token.pin))


def fresh() -> str:
    return f"key-{uuid.uuid4().hex[:10]}"


class TestContract(ProviderContract):
    key_types = tuple(KeyType)

    @pytest.fixture
    def provider(self, softhsm: SoftHsmToken) -> Iterator[Pkcs11Provider]:
        with opened(softhsm) as provider:
            yield provider


def test_a_key_is_found_by_label_by_id_and_by_both(provider: Pkcs11Provider) -> None:
    key = provider.generate(fresh(), KeyType.ECDSA_P256)
    uri = key.info.key_id
    parts = dict(part.split("=") for part in uri.removeprefix("pkcs11:").split(";"))
    for name in (uri, f"pkcs11:object={parts['object']}", f"pkcs11:id={parts['id']}", parts["object"]):
        assert provider.open(name).info == key.info


def test_no_key_matched_lists_what_is_there(provider: Pkcs11Provider) -> None:
    label = fresh()
    provider.generate(label, KeyType.ECDSA_P256)
    with pytest.raises(KeyNotFound) as missing:
        provider.open("pkcs11:object=none")
    assert label in missing.value.hint


def test_a_label_that_two_keys_have_is_refused(provider: Pkcs11Provider, softhsm: SoftHsmToken) -> None:
    label = fresh()
    for identity in ("01", "02"):
        command = ["--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", identity]
        pkcs11_tool(softhsm, *command)
    with opened(softhsm) as fresh_provider, pytest.raises(KeyUnusable, match="2 private keys fit"):
        fresh_provider.open(label)
    with opened(softhsm) as fresh_provider:
        assert fresh_provider.open(f"pkcs11:object={label};id=%02").sign(b"message")


def pkcs11_tool(token: SoftHsmToken, *arguments: str) -> None:
    login = ["--login", "--pin", token.pin, "--token-label", token.label]
    command = ["pkcs11-tool", "--module", str(token.module), *login, *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_a_key_made_by_another_tool_signs(provider: Pkcs11Provider, softhsm: SoftHsmToken) -> None:
    label = fresh()
    pkcs11_tool(softhsm, "--keypairgen", "--key-type", "rsa:2048", "--label", label, "--id", "0a")
    with opened(softhsm) as other:
        assert other.open(label).sign(b"message")


def test_the_public_key_is_read_without_a_pin(provider: Pkcs11Provider, softhsm: SoftHsmToken) -> None:
    label = fresh()
    key = provider.generate(label, KeyType.ECDSA_P521)
    script = f"""
        from pathlib import Path
        from imagesig.keys.pkcs11 import Pkcs11Provider
        provider = Pkcs11Provider(Path({str(softhsm.module)!r}), token={softhsm.label!r})
        print(provider.public_keys({label!r})[0].fingerprint)
    """
    assert run(script) == key.info.public_key.fingerprint


def test_signing_without_a_pin_says_how_to_give_one(softhsm: SoftHsmToken, provider: Pkcs11Provider) -> None:
    script = f"""
        from pathlib import Path
        from imagesig.errors import SecretRequired
        from imagesig.keys.pkcs11 import Pkcs11Provider
        try:
            Pkcs11Provider(Path({str(softhsm.module)!r}), token={softhsm.label!r}).open("any")
        except SecretRequired as error:
            print(error.hint)
    """
    assert "IMAGESIG_PKCS11_PIN" in run(script)


def test_a_wrong_pin_is_tried_once_leaks_no_session_and_shows_nowhere(softhsm: SoftHsmToken) -> None:
    token = softhsm.add(f"pin-{uuid.uuid4().hex[:6]}", pin="9876")
    script = f"""
        from pathlib import Path
        from imagesig.errors import WrongSecret
        from imagesig.keys.pkcs11 import Pkcs11Provider
        from imagesig.keys.secrets import fixed
        import pkcs11
        path = Path({str(token.module)!r})
        said = []
        for _ in range(3):
            try:
                Pkcs11Provider(path, token={token.label!r}, secrets=fixed("wrong-pin")).open("any")
            except WrongSecret as error:
                said.append(str(error))
        assert "wrong-pin" not in "".join(said)
        assert "not tried again" in said[1] and "not tried again" in said[2], said
        provider = Pkcs11Provider(path, token={token.label!r}, secrets=fixed("9876"))
        from imagesig.crypto.algorithms import KeyType
        provider.generate("works", KeyType.ECDSA_P256).sign(b"message")
        print("ok")
    """
    assert run(script) == "ok"


def test_a_missing_token_lists_those_that_are_there(softhsm: SoftHsmToken) -> None:
    with Pkcs11Provider(softhsm.module, token="none", secrets=fixed("1234")) as provider:
        with pytest.raises(KeyNotFound) as missing:
            provider.open("any")
        assert softhsm.label in missing.value.hint


def test_a_module_by_two_paths_is_one_module(softhsm: SoftHsmToken, tmp_path: Path) -> None:
    other = tmp_path / "other.so"
    other.symlink_to(softhsm.module)
    assert module_at(other) is module_at(softhsm.module)


def test_closing_one_provider_leaves_the_other_logged_in(softhsm: SoftHsmToken) -> None:
    first, second = opened(softhsm), opened(softhsm)
    key = first.generate(fresh(), KeyType.ECDSA_P256)
    second.open(key.info.key_id).sign(b"message")
    second.close()
    assert key.sign(b"message")
    first.close()


def test_threads_share_keys_and_modules_without_a_crash(softhsm: SoftHsmToken, provider: Pkcs11Provider) -> None:
    label = fresh()
    provider.generate(label, KeyType.ECDSA_P256)
    script = f"""
        import threading
        from pathlib import Path
        from imagesig.keys.pkcs11 import Pkcs11Provider
        from imagesig.keys.secrets import fixed
        def make():
            module = Path({str(softhsm.module)!r})
            return Pkcs11Provider(module, token={softhsm.label!r}, secrets=fixed({softhsm.pin!r}))
        shared = make().open({label!r})
        failures = []
        def work(own):
            try:
                key = make().open({label!r}) if own else shared
                for number in range(200):
                    key.sign(b"%d" % number)
            except BaseException as error:
                failures.append(error)
        threads = [threading.Thread(target=work, args=(number % 2,)) for number in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(failures or "ok")
    """
    assert run(script) == "ok"


def test_a_forked_child_signs_and_so_does_its_parent(softhsm: SoftHsmToken, provider: Pkcs11Provider) -> None:
    label = fresh()
    provider.generate(label, KeyType.ECDSA_P256)
    script = f"""
        import os
        from pathlib import Path
        from imagesig.keys.pkcs11 import Pkcs11Provider
        from imagesig.keys.secrets import fixed
        module = Path({str(softhsm.module)!r})
        key = Pkcs11Provider(module, token={softhsm.label!r}, secrets=fixed({softhsm.pin!r})).open({label!r})
        key.sign(b"before")
        child = os.fork()
        if child == 0:
            key.sign(b"in the child")
            os._exit(42)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(key.sign(b"in the parent")) > 60)
    """
    assert run(script) == "42 True"


def run(script: str) -> str:
    """What a script prints in a process of its own: a crash there is a failed test and not the end of them all."""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n" + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr}"
    return done.stdout.strip()


def test_a_pin_in_the_uri_is_refused_and_not_shown(softhsm: SoftHsmToken) -> None:
    uri = f"pkcs11:token={softhsm.label};object=x?module-path={softhsm.module}&pin-value=98765"
    with pytest.raises(InvalidArgument) as refused:
        resolve_key(uri, KeySettings({}))
    assert "98765" not in str(refused.value) + refused.value.hint


def test_the_pin_comes_from_the_file_that_the_uri_names(softhsm: SoftHsmToken, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text(softhsm.pin + "\n")
    label = fresh()
    uri = f"pkcs11:token={softhsm.label};object={label}?module-path={softhsm.module}&pin-source=file:{tmp_path}/pin"
    provider, name = resolve_key(uri, KeySettings({}))
    with provider:
        provider.generate(name, KeyType.ED25519)  # type: ignore[attr-defined]


def test_a_module_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(InvalidArgument, match="No such file"):
        Pkcs11Provider(Path("/nonexistent/module.so"))
