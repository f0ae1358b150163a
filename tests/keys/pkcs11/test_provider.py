"""PKCS#11 keys in a real SoftHSM token."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from imagesig.crypto.algorithms import ECDSA_SHA256, KeyType, ToSign
from imagesig.errors import BadSignature, InvalidArgument, KeyNotFound, KeyUnusable, SecretRequired
from imagesig.keys import KeySettings, open_key, open_public_keys, resolve_key
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.pkcs11.module import module_at
from imagesig.keys.pkcs11.provider import Pkcs11Provider
from imagesig.keys.secrets import fixed
from imagesig.testing import ProviderContract
from tests import commands
from tests.makers import private_key
from tests.peers import RUN_SECONDS, binary
from tests.peers.servers import SoftHsmToken, softhsm_token

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
        self.secrets = (softhsm.pin,)
        with opened(softhsm) as provider:
            yield provider


def test_a_key_is_found_by_label_by_id_and_by_both(provider: Pkcs11Provider) -> None:
    key = provider.generate(fresh(), KeyType.ECDSA_P256)
    uri = key.info.key_id
    parts = dict(part.split("=") for part in uri.removeprefix("pkcs11:").split(";"))
    for name in (uri, f"pkcs11:object={parts['object']}", f"pkcs11:id={parts['id']}", parts["object"]):
        assert provider.open(name).info == key.info


def test_no_key_matched_lists_what_is_there(softhsm: SoftHsmToken) -> None:
    # A token of its own, for other tests leave keys in theirs, and a process of its own, which sees the new token.
    token = softhsm.add(f"two-{uuid.uuid4().hex[:6]}", pin=softhsm.pin)
    labels = {fresh(), fresh()}
    for number, label in enumerate(labels):
        pkcs11_tool(token, "--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", f"0{number}")

    uri = f"pkcs11:token={token.label};object=none?module-path={token.module}"
    done = commands.run("key", "check", uri, IMAGESIG_PKCS11_PIN=token.pin, SOFTHSM2_CONF=str(token.config))

    assert done.returncode == 1
    assert set(re.findall(r"key-[0-9a-f]{10}", done.stderr.decode())) == labels


def test_a_label_that_two_keys_have_is_refused(provider: Pkcs11Provider, softhsm: SoftHsmToken) -> None:
    label = fresh()
    for identity in ("01", "02"):
        command = ["--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", identity]
        pkcs11_tool(softhsm, *command)
    with opened(softhsm) as fresh_provider, pytest.raises(KeyUnusable, match="2 private keys fit"):
        fresh_provider.open(label)
    with opened(softhsm) as fresh_provider:
        assert fresh_provider.open(f"pkcs11:object={label};id=%02").sign(b"message")


def test_the_public_half_of_a_key_whose_id_another_one_has_is_its_own(softhsm: SoftHsmToken) -> None:
    first, second, identity = fresh(), fresh(), uuid.uuid4().hex[:8]
    for label in (first, second):
        pkcs11_tool(softhsm, "--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", identity)
    with opened(softhsm) as provider:
        keys = [provider.open(label) for label in (first, second)]
        assert keys[0].info.public_key != keys[1].info.public_key
        assert all(key.sign(b"message") for key in keys)
        assert provider.public_keys(second) == (keys[1].info.public_key,)


def test_a_key_without_label_and_id_gets_no_other_ones_public_key(softhsm: SoftHsmToken) -> None:
    token = softhsm.add(f"bare-{uuid.uuid4().hex[:6]}", pin=softhsm.pin)
    pkcs11_tool(token, "--keypairgen", "--key-type", "EC:prime256v1", "--label", "named", "--id", "01")
    made = PrivateKey.generate(KeyType.ECDSA_P256).loaded
    der = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    path = token.config.parent / "bare.der"
    path.write_bytes(der)
    pkcs11_tool(token, "--write-object", str(path), "--type", "privkey")
    script = f"""
        from pathlib import Path
        from imagesig.keys.pkcs11.provider import Pkcs11Provider
        from imagesig.keys.secrets import fixed
        provider = Pkcs11Provider(Path({str(token.module)!r}), token={token.label!r}, secrets=fixed({token.pin!r}))
        print(sorted(("object=named" in info.uri, str(info.key_type)) for info in provider.list()))
    """
    assert run(script) == "[(False, 'None'), (True, 'KeyType.ECDSA_P256')]"


@pytest.mark.parametrize("key_type", ["EC:secp384r1", "rsa:2048"])
def test_a_key_without_a_public_half_signs_where_the_caller_gives_it(softhsm: SoftHsmToken, key_type: str) -> None:
    label, identity = fresh(), uuid.uuid4().hex[:8]
    pkcs11_tool(softhsm, "--keypairgen", "--key-type", key_type, "--label", label, "--id", identity)
    with opened(softhsm) as provider:
        (public_key,) = provider.public_keys(label)
    pkcs11_tool(softhsm, "--delete-object", "--type", "pubkey", "--label", label)
    uri = f"pkcs11:token={softhsm.label};object={label}?module-path={softhsm.module}"
    settings = KeySettings({}, fixed(softhsm.pin))
    with open_key(uri, expect=public_key, settings=settings) as key:
        assert key.sign(b"message")
    if key_type.startswith("EC"):
        with pytest.raises(KeyUnusable, match="public key") as missing:
            open_key(uri, settings=settings)
        assert "--expect" in missing.value.hint
        wrong = open_key(uri, expect=private_key(KeyType.ECDSA_P384).public_key, settings=settings)
        with wrong, pytest.raises(BadSignature):
            wrong.sign(b"message")
    else:  # an RSA private key tells its modulus
        with open_key(uri, settings=settings) as key:
            assert key.info.public_key == public_key


def test_the_public_key_comes_from_a_certificate_where_there_is_nothing_else(softhsm: SoftHsmToken) -> None:
    label, identity = fresh(), uuid.uuid4().hex[:8]
    folder = softhsm.config.parent
    key = PrivateKey.generate(KeyType.ECDSA_P256)
    (folder / "key.der").write_bytes(key.loaded.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "cert.der").write_bytes(self_signed(key))
    for kind, file in (("privkey", "key.der"), ("cert", "cert.der")):
        named = ["--label", label, "--id", identity]
        pkcs11_tool(softhsm, "--write-object", str(folder / file), "--type", kind, *named)
    with opened(softhsm) as provider:
        assert provider.public_keys(label) == (key.public_key,)
        assert provider.open(label).sign(b"message")


def self_signed(key: PrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.loaded.public_key(), x509.random_serial_number(), now, now)
    loaded = key.loaded
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return builder.sign(loaded, SHA256()).public_bytes(Encoding.DER)


def test_a_key_that_wants_the_pin_for_every_signature_gets_it(softhsm: SoftHsmToken) -> None:
    label = fresh()
    made = ["--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", uuid.uuid4().hex[:8]]
    pkcs11_tool(softhsm, *made, "--always-auth")
    asked: list[str] = []
    with Pkcs11Provider(
        softhsm.module, token=softhsm.label, secrets=lambda request: asked.append(request.subject) or softhsm.pin
    ) as provider:
        key = provider.open(label)
        key.sign_batch([ToSign(b"%d" % number, ECDSA_SHA256) for number in range(3)])
    assert len(asked) in (3, 4)  # one for the login, unless another test of this process holds one


def test_the_pin_for_a_signature_is_kept_nowhere(softhsm: SoftHsmToken) -> None:
    label = fresh()
    made = ["--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", uuid.uuid4().hex[:8]]
    pkcs11_tool(softhsm, *made, "--always-auth")
    with opened(softhsm) as provider:
        provider.open(label).sign(b"message", ECDSA_SHA256)
        assert "pin" not in provider._signer._calls[ECDSA_SHA256][0][1]


def test_a_key_signs_with_one_algorithm_after_another(provider: Pkcs11Provider) -> None:
    key = provider.generate(fresh(), KeyType.RSA_2048)
    for algorithm in (*key.info.algorithms, *key.info.algorithms):
        key.info.public_key.verify(key.sign(b"message", algorithm), b"message", algorithm)


def test_a_key_deleted_meanwhile_is_reported(softhsm: SoftHsmToken) -> None:
    label = fresh()
    with opened(softhsm) as provider:
        key = provider.generate(label, KeyType.ECDSA_P256)
        key.sign(b"before")
        pkcs11_tool(softhsm, "--delete-object", "--type", "privkey", "--label", label)
        with pytest.raises(KeyNotFound, match=label):
            key.sign(b"after")


def test_a_key_replaced_meanwhile_is_reported(softhsm: SoftHsmToken) -> None:
    label = fresh()
    with opened(softhsm) as provider:
        key = provider.generate(label, KeyType.ECDSA_P256)
        key.sign(b"before")
        identity = key._uri.id.hex()
        for kind in ("privkey", "pubkey"):
            pkcs11_tool(softhsm, "--delete-object", "--type", kind, "--label", label)
        pkcs11_tool(softhsm, "--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", identity)
        with pytest.raises(KeyUnusable, match="another key has this URI now"):
            key.sign(b"after")


def test_a_wrong_pin_for_a_signature_is_not_tried_again(softhsm: SoftHsmToken) -> None:
    token = softhsm.add(f"always-{uuid.uuid4().hex[:6]}", pin="9876")
    pkcs11_tool(token, "--keypairgen", "--key-type", "EC:prime256v1", "--label", "a", "--id", "01", "--always-auth")
    script = f"""
        from pathlib import Path
        from imagesig.errors import WrongSecret
        from imagesig.keys.pkcs11.provider import Pkcs11Provider
        answers = ["9876", "wrong-pin", "wrong-pin"]
        module = Path({str(token.module)!r})
        provider = Pkcs11Provider(module, token={token.label!r}, secrets=lambda _: answers.pop(0))
        key = provider.open("a")
        for _ in range(2):
            try:
                key.sign(b"message")
            except WrongSecret as error:
                print("not tried again" in str(error), "wrong-pin" in str(error))
    """
    assert run(script).splitlines() == ["False False", "True False"]


def test_of_two_tokens_the_serial_the_slot_and_the_description_choose(softhsm: SoftHsmToken) -> None:
    label = f"twin-{uuid.uuid4().hex[:6]}"
    for _ in range(2):
        softhsm.add(label, pin=softhsm.pin)
    script = f"""
        from pathlib import Path
        from urllib.parse import quote
        from imagesig.crypto.algorithms import KeyType
        from imagesig.errors import KeyNotFound
        from imagesig.keys import KeySettings, resolve_key
        from imagesig.keys.pkcs11.module import module_at
        from imagesig.keys.secrets import fixed
        module = Path({str(softhsm.module)!r})
        with module_at(module).locked("test") as lib:
            slots = [slot for slot in lib.get_slots(token_present=True) if slot.get_token().label == {label!r}]
            tokens = [(slot.get_token().serial.decode(), slot.slot_id, slot.slot_description) for slot in slots]
        def provider(path):
            return resolve_key(f"pkcs11:{{path}}?module-path={{module}}", KeySettings({{}}, fixed({softhsm.pin!r})))[0]
        try:
            provider("token={label}").open("a")
        except KeyNotFound as error:
            print(str(error).partition(": ")[2][:12])
        for serial, slot_id, description in tokens:
            provider(f"serial={{serial}}").generate(f"key-{{serial}}", KeyType.ECDSA_P256)
            for path in (f"slot-id={{slot_id}};token=other", f"token={label};slot-description={{quote(description)}}"):
                print([info.uri.partition("object=")[2].partition(";")[0] == f"key-{{serial}}"
                       for info in provider(path).list()])
    """
    assert run(script).splitlines() == ["2 tokens fit", *["[True]"] * 4]


def test_the_only_token_needs_no_name(tmp_path: Path) -> None:
    with softhsm_token(tmp_path) as token:
        script = f"""
            from imagesig.crypto.algorithms import KeyType
            from imagesig.keys import KeySettings, open_key, resolve_key
            from imagesig.keys.secrets import fixed
            settings = KeySettings({{"COSIGN_PKCS11_MODULE_PATH": {str(token.module)!r}}}, fixed({token.pin!r}))
            provider, name = resolve_key("pkcs11:object=only", settings)
            provider.generate(name, KeyType.ECDSA_P256)
            print(len(open_key("pkcs11:object=only", settings=settings).sign(b"message")) > 60)
        """
        assert run(script) == "True"


def test_a_type_other_than_a_key_is_refused(provider: Pkcs11Provider) -> None:
    label = fresh()
    provider.generate(label, KeyType.ECDSA_P256)
    assert provider.open(f"pkcs11:object={label};type=private").sign(b"message")
    with pytest.raises(InvalidArgument, match="type=cert"):
        provider.open(f"pkcs11:object={label};type=cert")


def pkcs11_tool(token: SoftHsmToken, *arguments: str) -> None:
    login = ["--login", "--pin", token.pin, "--token-label", token.label]
    command = [str(binary("pkcs11-tool")), "--module", str(token.module), *login, *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_a_key_made_by_another_tool_signs(provider: Pkcs11Provider, softhsm: SoftHsmToken) -> None:
    label = fresh()
    pkcs11_tool(softhsm, "--keypairgen", "--key-type", "rsa:2048", "--label", label, "--id", "0a")
    with opened(softhsm) as other:
        assert other.open(label).sign(b"message")


@pytest.mark.parametrize("kind", ["EC:secp256k1", "EC:brainpoolP256r1", "rsa:1024"])
def test_a_key_of_a_type_that_is_not_used_is_answered_with_another_key_first(
    provider: Pkcs11Provider, softhsm: SoftHsmToken, kind: str
) -> None:
    label = fresh()
    pkcs11_tool(softhsm, "--keypairgen", "--key-type", kind, "--label", label, "--id", "0c")
    with opened(softhsm) as other, pytest.raises(KeyUnusable) as refused:
        other.open(label)
    assert refused.value.hint.startswith("use ")


def test_the_public_key_is_read_without_a_pin(provider: Pkcs11Provider, softhsm: SoftHsmToken) -> None:
    label = fresh()
    key = provider.generate(label, KeyType.ECDSA_P521)
    script = f"""
        from pathlib import Path
        from imagesig.keys.pkcs11.provider import Pkcs11Provider
        provider = Pkcs11Provider(Path({str(softhsm.module)!r}), token={softhsm.label!r})
        print(provider.public_keys({label!r})[0].fingerprint)
    """
    assert run(script) == key.info.public_key.fingerprint


def test_signing_without_a_pin_says_how_to_give_one(softhsm: SoftHsmToken, provider: Pkcs11Provider) -> None:
    script = f"""
        from pathlib import Path
        from imagesig.errors import SecretRequired
        from imagesig.keys.pkcs11.provider import Pkcs11Provider
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
        from imagesig.keys.pkcs11.provider import Pkcs11Provider
        from imagesig.keys.secrets import fixed
        import pkcs11
        path = Path({str(token.module)!r})
        expected = []
        for _ in range(3):
            try:
                Pkcs11Provider(path, token={token.label!r}, secrets=fixed("wrong-pin")).open("any")
            except WrongSecret as error:
                expected.append(str(error))
        assert "wrong-pin" not in "".join(expected)
        assert "not tried again" in expected[1] and "not tried again" in expected[2], expected
        provider = Pkcs11Provider(path, token={token.label!r}, secrets=fixed("9876"))
        from imagesig.crypto.algorithms import KeyType
        provider.generate("works", KeyType.ECDSA_P256).sign(b"message")
        print("ok")
    """
    assert run(script) == "ok"


def test_a_verifier_without_a_pin_hears_why_no_public_key_is_used(softhsm: SoftHsmToken) -> None:
    names = {"several": [("EC:prime256v1", "1a"), ("EC:prime256v1", "1b")], "curve": [("EC:secp256k1", "1c")]}
    names["size"] = [("rsa:1024", "1d")]
    said = {"several": "2 public keys fit", "curve": "its curve is 1.3.132.0.10", "size": "RSA with 1024 bits"}
    hints = {"several": "id", "curve": "use a key of", "size": "use another key"}
    for name, kinds in names.items():
        label = f"{name}-{fresh()}"
        for kind, identity in kinds:
            pkcs11_tool(softhsm, "--keypairgen", "--key-type", kind, "--label", label, "--id", identity)
        uri = f"pkcs11:token={softhsm.label};object={label}?module-path={softhsm.module}"
        with pytest.raises(KeyUnusable) as refused:
            open_public_keys(uri, settings=KeySettings({}))
        assert said[name] in str(refused.value)
        assert hints[name] in refused.value.hint
    with pytest.raises(SecretRequired):
        open_public_keys(uri.replace(label, "missing"), settings=KeySettings({}))


def test_a_missing_token_lists_those_that_are_there(softhsm: SoftHsmToken) -> None:
    with Pkcs11Provider(softhsm.module, token="none", secrets=fixed("any")) as provider:
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
        from imagesig.keys.pkcs11.provider import Pkcs11Provider
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
        from imagesig.keys.pkcs11.provider import Pkcs11Provider
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


COTENANT = """
    import ctypes
    from pathlib import Path
    import pkcs11
    from imagesig.keys.pkcs11.provider import Pkcs11Provider
    from imagesig.keys.secrets import fixed
    path = Path({module!r})
    raw = ctypes.CDLL(str(path.resolve()))
    def provider():
        return Pkcs11Provider(path, token={token!r}, secrets=fixed({pin!r}))
    def token_of(lib):
        tokens = [slot.get_token() for slot in lib.get_slots(token_present=True)]
        return next(token for token in tokens if token.label == {token!r})
"""


def beside_a_cotenant(token: SoftHsmToken, script: str) -> str:
    """Runs the script in a process in which another user of the module is at work: `raw` and python-pkcs11 itself."""
    before = textwrap.dedent(COTENANT.format(module=str(token.module), token=token.label, pin=token.pin))
    return run(before + textwrap.dedent(script))


@pytest.mark.parametrize(
    "first", ["raw.C_Initialize(None)", "pkcs11.lib(str(path))", "pkcs11.lib(str(path.resolve()))"]
)
def test_a_module_that_other_code_initialised_is_used_and_not_finalized(
    softhsm: SoftHsmToken, provider: Pkcs11Provider, first: str
) -> None:
    label = fresh()
    provider.generate(label, KeyType.ECDSA_P256)
    script = f"""
        {first}
        with provider() as ours:
            ours.open({label!r}).sign(b"message")
        info = ctypes.create_string_buffer(256)
        print(raw.C_GetInfo(info))
    """
    assert beside_a_cotenant(softhsm, script) == "0"


@pytest.mark.parametrize(
    "harm",
    [
        "raw.C_Finalize(None)",
        "raw.C_Finalize(None); raw.C_Initialize(None)",
        "raw.C_CloseAllSessions(ctypes.c_ulong(slot))",
        "token.open().close()",
        "their_login_and_logout()",
    ],
)
def test_a_cotenant_that_ends_the_module_or_the_login_is_survived(
    softhsm: SoftHsmToken, provider: Pkcs11Provider, harm: str
) -> None:
    label = fresh()
    made = provider.generate(label, KeyType.ECDSA_P256).info.key_id
    script = f"""
        ours = provider()
        key = ours.open({label!r})
        key.sign(b"before")
        token = token_of(ours._module._lib)
        slot = token.slot.slot_id
        def their_login_and_logout():
            handle = ctypes.c_ulong()
            assert raw.C_OpenSession(ctypes.c_ulong(slot), ctypes.c_ulong(4), None, None, ctypes.byref(handle)) == 0
            assert raw.C_Logout(handle) == 0
        for use in (lambda: key.sign(b"after"), lambda: ours.open({label!r}), lambda: list(ours.list())):
            {harm}
            use()
        {harm}
        other = provider()
        print(other.open({label!r}).info.key_id, len(key.sign(b"again")) > 60)
    """
    assert beside_a_cotenant(softhsm, script) == f"{made} True"


def test_a_login_of_other_code_in_the_process_is_used(softhsm: SoftHsmToken, provider: Pkcs11Provider) -> None:
    label = fresh()
    provider.generate(label, KeyType.ECDSA_P256)
    script = f"""
        token = token_of(pkcs11.lib(str(path)))
        theirs = token.open(user_pin={softhsm.pin!r})
        with provider() as ours:
            ours.open({label!r}).sign(b"message")
        print(len(list(theirs.get_objects({{pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}}))) > 0)
    """
    assert beside_a_cotenant(softhsm, script) == "True"


def run(script: str) -> str:
    """What a script prints in a process of its own: a crash there is a failed test and not the end of them all."""
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n" + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr}"
    return done.stdout.strip()


def test_a_fork_while_threads_sign_leaves_parent_and_children_signing(
    softhsm: SoftHsmToken, provider: Pkcs11Provider
) -> None:
    label = fresh()
    provider.generate(label, KeyType.ECDSA_P256)
    script = f"""
        import os, threading
        from pathlib import Path
        from imagesig.keys.pkcs11.provider import Pkcs11Provider
        from imagesig.keys.secrets import fixed
        module = Path({str(softhsm.module)!r})
        key = Pkcs11Provider(module, token={softhsm.label!r}, secrets=fixed({softhsm.pin!r})).open({label!r})
        key.sign(b"first")  # a fork while another thread imports a module hangs the child, whoever imports what
        done = threading.Event()
        failures = []
        def work():
            try:
                while not done.is_set():
                    key.sign(b"in a thread")
            except BaseException as error:
                failures.append(error)
        threads = [threading.Thread(target=work) for _ in range(4)]
        [thread.start() for thread in threads]
        statuses = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                key.sign(b"in the child")
                os._exit(0)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        done.set()
        [thread.join() for thread in threads]
        print(statuses == [0] * 20, failures)
    """
    assert run(script) == "True []"


def test_a_key_id_names_its_token_by_serial_too_and_opens_it(softhsm: SoftHsmToken, provider: Pkcs11Provider) -> None:
    made = provider.generate(fresh(), KeyType.ECDSA_P256).info
    assert ";serial=" in made.key_id
    settings = KeySettings({"IMAGESIG_PKCS11_MODULE": str(softhsm.module)}, fixed(softhsm.pin))
    with open_key(made.key_id, settings=settings) as key:
        assert key.info == made


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
