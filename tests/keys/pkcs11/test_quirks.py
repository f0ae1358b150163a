"""Modules that answer otherwise than SoftHSM: each quirk ends in a signature, or in an error that says what to do."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from imagesig.crypto.algorithms import ECDSA_SHA256, KeyType, ToSign
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, KeyNotFound, KeyProviderError, PinLocked, SecretRequired, WrongSecret
from imagesig.keys.pkcs11.codes import CODES
from imagesig.keys.pkcs11.provider import Pkcs11Provider
from imagesig.keys.secrets import SecretSource, fixed, from_file, no_secrets
from tests.commands import run, run_here
from tests.keys.pkcs11.test_encoding import der, openssl_parameters
from tests.peers.quirks import QuirkyModule, quirky_module
from tests.peers.servers import SoftHsmToken, softhsm_token

pytestmark = pytest.mark.interop

PIN = "s3cret-pin"
_WITH_PIN = fixed(PIN)
CLASS, LABEL, VALUE, KEY_TYPE, ID = 0x0, 0x3, 0x11, 0x100, 0x102
SIGN, MODULUS, EC_PARAMS, EC_POINT, ALWAYS_AUTHENTICATE = 0x108, 0x120, 0x180, 0x181, 0x202
CERTIFICATE_CLASS, PUBLIC_CLASS, PRIVATE_CLASS = 1, 2, 3
TOKEN_FLAGS, LOGIN_REQUIRED = 96, 0x04

ANSWERS = [
    *("GENERAL_ERROR", "FUNCTION_FAILED", "ARGUMENTS_BAD", "ATTRIBUTE_SENSITIVE", "ATTRIBUTE_TYPE_INVALID"),
    *("ATTRIBUTE_VALUE_INVALID", "DEVICE_ERROR", "DEVICE_MEMORY", "DEVICE_REMOVED", "FUNCTION_NOT_SUPPORTED"),
    *("FUNCTION_CANCELED", "OBJECT_HANDLE_INVALID", "KEY_HANDLE_INVALID", "SESSION_CLOSED", "SESSION_HANDLE_INVALID"),
    *("TEMPLATE_INCONSISTENT", "TOKEN_NOT_PRESENT", "TOKEN_NOT_RECOGNIZED", "USER_NOT_LOGGED_IN", "HOST_MEMORY"),
    *("KEY_FUNCTION_NOT_PERMITTED", "ACTION_PROHIBITED", "BUFFER_TOO_SMALL", "SLOT_ID_INVALID", "VENDOR"),
]
CODE = {**CODES, "VENDOR": 0x80000388}


@pytest.fixture(scope="module")
def token(softhsm: SoftHsmToken) -> SoftHsmToken:
    """A token with the keys `signer` and `spare`."""
    token = softhsm.add("quirks", pin=PIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(token.config))
        with quirky_module(token.config.parent, token) as module, opened(module) as provider:
            for label in ("signer", "spare"):
                provider.generate(label, KeyType.ECDSA_P256)
    return token


@pytest.fixture
def module(token: SoftHsmToken, tmp_path: Path) -> Iterator[QuirkyModule]:
    with quirky_module(tmp_path, token) as module:
        yield module


def opened(
    module: QuirkyModule,
    secrets: SecretSource = _WITH_PIN,
    expect: PublicKey | None = None,
    label: str = "quirks",
    slot_id: int | None = None,
) -> Pkcs11Provider:
    return Pkcs11Provider(module.path, token=label, slot_id=slot_id, secrets=secrets, public_key=expect)


def public_key(module: QuirkyModule) -> PublicKey:
    with opened(module) as provider:
        return provider.open("signer").info.public_key


def sign(module: QuirkyModule, expect: PublicKey | None = None, slot_id: int | None = None) -> None:
    with opened(module, expect=expect, slot_id=slot_id) as provider, provider.open("signer") as key:
        assert key.sign(b"message")
        assert key.sign(b"message again")


def slot_of(module: QuirkyModule, label: str = "quirks") -> int:
    """The slot of a token, as `doctor` names it."""
    with opened(module) as provider:
        (fact,) = [text for _, text in provider.facts() if f"'{label}'" in text or f'"{label}"' in text]
    return int(fact.partition("slot ")[2].partition(":")[0])


# --- what signing does not need ----------------------------------------------------------------------------------

NOT_NEEDED = {
    "the description of slots": "C_GetSlotInfo * *",
    "the library": "C_GetInfo * *",
    "the mechanisms": "C_GetMechanismList * *",
    "one mechanism": "C_GetMechanismInfo * *",
    "the session": "C_GetSessionInfo * *",
    "the search for certificates": f"C_FindObjectsInit {CERTIFICATE_CLASS} *",
    "several attributes at once": "C_GetAttributeValues * *",
    "the label": f"C_GetAttributeValue {LABEL} *",
    "the id": f"C_GetAttributeValue {ID} *",
    "the class": f"C_GetAttributeValue {CLASS} *",
    "the type of key": f"C_GetAttributeValue {KEY_TYPE} *",
    "whether it signs": f"C_GetAttributeValue {SIGN} *",
    "whether it decrypts": "C_GetAttributeValue 0x105 *",
    "whether it wants the PIN": f"C_GetAttributeValue {ALWAYS_AUTHENTICATE} *",
    "the value of certificates": f"C_GetAttributeValue {VALUE} *",
    "the modulus": f"C_GetAttributeValue {MODULUS} *",
    "searches by label": f"C_FindObjectsInit.with {LABEL} *",
    "searches by id": f"C_FindObjectsInit.with {ID} *",
    "searches by class": f"C_FindObjectsInit.with {CLASS} *",
}
NOT_NEEDED_WITH_THE_PUBLIC_KEY = {
    "the search for public keys": f"C_FindObjectsInit {PUBLIC_CLASS} *",
    "the curve": f"C_GetAttributeValue {EC_PARAMS} *",
    "the point": f"C_GetAttributeValue {EC_POINT} *",
    "every attribute": "C_GetAttributeValue * *",
}


def failures(
    module: QuirkyModule, call: str, expect: PublicKey | None = None, names: Sequence[str] = ANSWERS
) -> dict[str, ImagesigError]:
    """The answers to this call that stop a signature, with the errors; every other error is the test's."""
    found = {}
    for name in names:
        module.use(f"{call} return {CODE[name]:#x}")
        try:
            sign(module, expect)
        except KeyProviderError as error:
            found[name] = error
    return found


@pytest.mark.parametrize("what", NOT_NEEDED)
def test_an_answer_that_signing_does_not_need_does_not_stop_it(module: QuirkyModule, what: str) -> None:
    assert failures(module, NOT_NEEDED[what]) == {}


@pytest.mark.parametrize("what", NOT_NEEDED_WITH_THE_PUBLIC_KEY)
def test_a_pinned_public_key_makes_the_public_half_unneeded(module: QuirkyModule, what: str) -> None:
    expect = public_key(module)
    assert failures(module, NOT_NEEDED_WITH_THE_PUBLIC_KEY[what], expect) == {}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_end_of_a_search_does_not_matter(module: QuirkyModule, name: str) -> None:
    module.use(f"C_FindObjectsFinal * * after {CODE[name]:#x}")
    sign(module)


def test_a_named_slot_needs_no_description_of_its_token(module: QuirkyModule) -> None:
    slot = slot_of(module)
    for name in set(ANSWERS) - {"TOKEN_NOT_PRESENT", "TOKEN_NOT_RECOGNIZED"}:
        module.use(f"C_GetTokenInfo {slot} * return {CODE[name]:#x}")
        sign(module, slot_id=slot)


def test_the_state_of_the_pin_need_not_be_known(module: QuirkyModule) -> None:
    slot = slot_of(module)
    for name in ANSWERS:
        module.use(f"C_GetTokenInfo {slot} 2+ return {CODE[name]:#x}")
        sign(module)


@pytest.mark.parametrize("flag", [0x05 << 24, 0x7F000000, 0x00010000, 0x00080000], ids=hex)
def test_flags_that_do_not_concern_us_do_not_matter(module: QuirkyModule, flag: int) -> None:
    module.use(f"C_GetTokenInfo * * set {TOKEN_FLAGS} {flag:#x}", "C_GetSlotInfo * * set 96 0xf0")
    sign(module)


def test_an_empty_list_of_mechanisms_says_nothing(module: QuirkyModule) -> None:
    module.use("C_GetMechanismList * * length 0")
    sign(module)


def test_a_mechanism_that_the_token_refuses_gives_way_to_the_next(module: QuirkyModule, token: SoftHsmToken) -> None:
    with opened(module) as provider:
        provider.generate("rsa", KeyType.RSA_2048)
    module.use("C_SignInit 0x40 * return 0x70", "C_GetMechanismList * * return 5")
    with opened(module) as provider:
        assert provider.open("rsa").sign(b"message")


def test_a_module_that_wants_to_lock_is_initialised(module: QuirkyModule) -> None:
    module.use("C_Initialize 0 * return 7")
    sign(module)


def test_a_token_without_read_only_sessions_signs(module: QuirkyModule) -> None:
    module.use("C_OpenSession 4 * return 0xb5")
    sign(module)


@pytest.mark.parametrize("name", ["USER_TYPE_INVALID", "FUNCTION_NOT_SUPPORTED", "USER_ALREADY_LOGGED_IN"])
def test_a_login_that_does_not_exist_or_was_made_is_no_fault(module: QuirkyModule, name: str) -> None:
    """The private key is hidden here for want of a login, which the error says."""
    module.use(f"C_Login * * return {CODE[name]:#x}")
    with pytest.raises(KeyNotFound) as missing:
        sign(module)
    assert f"CKR_{name} to the login" in missing.value.hint


def test_a_token_that_wants_a_buffer_of_the_exact_size_signs_ed25519(module: QuirkyModule) -> None:
    with opened(module) as provider:
        provider.generate("edwards", KeyType.ED25519)
        module.use("C_Sign * * exactly 64")
        assert provider.open("edwards").sign(b"message")


# --- what signing needs ------------------------------------------------------------------------------------------

NEEDED = {
    "slots": "C_GetSlotList * *",
    "tokens": "C_GetTokenInfo * *",
    "sessions": "C_OpenSession * *",
    "login": "C_Login * *",
    "search": f"C_FindObjectsInit {PRIVATE_CLASS} *",
    "found": "C_FindObjects * *",
    "start of a signature": "C_SignInit * *",
    "signature": "C_Sign * *",
}


REFUSALS = ("SESSION_COUNT", "USER_ANOTHER_ALREADY_LOGGED_IN", "PIN_EXPIRED", "CANT_LOCK")


@pytest.mark.parametrize("what", NEEDED)
def test_an_answer_that_stops_signing_says_what_to_do_and_leaves_no_trace(module: QuirkyModule, what: str) -> None:
    found = failures(module, NEEDED[what], names=(*ANSWERS, *REFUSALS))
    assert not [error for error in found.values() if not error.hint or "Unmapped" in str(error) + error.hint]
    assert "0x80000388" not in str(found)
    module.use()
    sign(module)


@pytest.mark.parametrize("name", ["CANT_LOCK", "GENERAL_ERROR", "DEVICE_ERROR", "VENDOR"])
def test_a_module_that_cannot_be_initialised_says_why(module: QuirkyModule, name: str) -> None:
    module.use(f"C_Initialize * * return {CODE[name]:#x}")
    with pytest.raises(KeyProviderError, match="cannot be initialised") as refused:
        sign(module)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("code", "said"),
    [(0x68, "CKR_KEY_FUNCTION_NOT_PERMITTED"), (0x140, "CKR_CURVE_NOT_SUPPORTED"), (0x80000388, "VENDOR_DEFINED")],
)
def test_a_return_code_is_called_by_its_name(module: QuirkyModule, code: int, said: str) -> None:
    module.use(f"C_Sign * * return {code:#x}")
    with pytest.raises(KeyProviderError, match=said):
        sign(module)


@pytest.mark.parametrize("around", ["\ufeff{}", "{}\n", "\n{}", "{}\n5678", "{}\0", "\t{}"], ids=ascii)
def test_a_pin_with_what_nobody_types_costs_no_attempt(module: QuirkyModule, tmp_path: Path, around: str) -> None:
    (tmp_path / "pin").write_bytes(f"{around.format(PIN)}\n".encode())
    module.use("C_Login * * return 5")
    with (
        opened(module, from_file(tmp_path / "pin")) as provider,
        pytest.raises(WrongSecret, match="not tried") as found,
    ):
        provider.open("signer")
    assert PIN not in f"{found.value} {found.value.hint}"
    module.use()
    sign(module)


@pytest.mark.parametrize(("flags", "error"), [(0x40000, PinLocked), (0x20000, PinLocked)], ids=["locked", "final try"])
def test_a_pin_in_danger_is_not_tried(module: QuirkyModule, flags: int, error: type[ImagesigError]) -> None:
    module.use(f"C_GetTokenInfo * * set {TOKEN_FLAGS} {flags:#x}", "C_Login * * return 5")
    with pytest.raises(error) as refused:
        sign(module)
    assert refused.value.hint


@pytest.mark.parametrize("name", ["GENERAL_ERROR", "TEMPLATE_INCONSISTENT", "FUNCTION_NOT_SUPPORTED", "VENDOR"])
def test_a_token_that_makes_no_keys_is_helped_by_another_tool(module: QuirkyModule, name: str) -> None:
    module.use(f"C_GenerateKeyPair * * return {CODE[name]:#x}")
    with opened(module) as provider, pytest.raises(KeyProviderError) as refused:
        provider.generate("new", KeyType.ECDSA_P256)
    assert "pkcs11-tool" in refused.value.hint
    assert "--usage-sign" in refused.value.hint


def test_a_token_that_refuses_the_first_template_makes_the_key_with_the_second(module: QuirkyModule) -> None:
    module.use("C_GenerateKeyPair * 1 return 0xd1")
    with opened(module) as provider:
        assert provider.generate("second", KeyType.ECDSA_P256).sign(b"message")


# --- D1: broken slots --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["C_GetTokenInfo", "C_GetSlotInfo"])
def test_a_broken_slot_hides_no_other_token_and_is_named(module: QuirkyModule, function: str) -> None:
    broken = slot_of(module, module.token.label)
    other = slot_of(module, "imagesig")
    for name in ANSWERS:
        module.use(f"{function} {other} * return {CODE[name]:#x}")
        sign(module)
        with opened(module, label="none") as provider, pytest.raises(KeyNotFound) as missing:
            provider.open("signer")
        if not name.startswith("TOKEN_NOT"):  # then the slot is only empty
            assert f"slot {other}: {function} answers CKR_" in missing.value.hint
            assert f"{other}: {function} answers CKR_" in doctor(module, "pkcs11:token=quirks")
    assert broken != other


def test_a_slot_that_is_broken_itself_is_named(module: QuirkyModule) -> None:
    slot = slot_of(module)
    module.use(f"C_GetTokenInfo {slot} * return 0x30")
    with pytest.raises(KeyNotFound) as missing:
        sign(module)
    assert f"slot {slot}: C_GetTokenInfo answers CKR_DEVICE_ERROR" in missing.value.hint
    assert "slot-id" in missing.value.hint


# --- D2: tokens that need a login and do not say so --------------------------------------------------------------

NO_LOGIN_FLAG = f"C_GetTokenInfo * * clear {TOKEN_FLAGS} {LOGIN_REQUIRED:#x}"


def test_a_token_that_hides_its_keys_without_asking_for_a_login_gets_one(module: QuirkyModule) -> None:
    module.use(NO_LOGIN_FLAG)
    sign(module)
    with opened(module) as provider:
        assert KeyType.ECDSA_P256 in [item.key_type for item in provider.list()]


def test_without_a_pin_the_error_says_that_no_login_was_made(module: QuirkyModule) -> None:
    module.use(NO_LOGIN_FLAG)
    with opened(module, no_secrets) as provider:
        with pytest.raises(KeyNotFound) as missing:
            provider.open("signer")
        assert "no login was made" in missing.value.hint
        assert "IMAGESIG_PKCS11_PIN" in missing.value.hint
        with pytest.raises(SecretRequired, match="no login was made"):
            list(provider.list())


def test_such_a_token_is_asked_for_a_login_once(module: QuirkyModule) -> None:
    module.use(NO_LOGIN_FLAG)
    with opened(module, fixed("wrong-pin")) as provider:
        for _ in range(3):
            with pytest.raises(WrongSecret):
                provider.open("signer")
    sign(module)


def test_a_login_that_only_the_signature_needs_is_made(module: QuirkyModule) -> None:
    module.use(NO_LOGIN_FLAG, "C_SignInit * 1 return 0x101")
    sign(module)


@pytest.mark.parametrize("answer", ["0x12", "5", "0x30"])
def test_a_key_that_wants_the_pin_each_time_without_saying_so_gets_it(
    module: QuirkyModule, softhsm: SoftHsmToken, answer: str
) -> None:
    from tests.keys.pkcs11.test_provider import pkcs11_tool

    label = f"always-{answer}"
    pkcs11_tool(module.token, "--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--always-auth")
    module.use(f"C_GetAttributeValue {ALWAYS_AUTHENTICATE} * return {answer}")
    with opened(module) as provider:
        key = provider.open(label)
        assert key.sign(b"message")
        assert key.sign(b"message again")


@pytest.mark.parametrize(
    "answer",
    ["", "OPERATION_NOT_INITIALIZED", "USER_TYPE_INVALID", "FUNCTION_NOT_SUPPORTED", "USER_ALREADY_LOGGED_IN"],
    ids=["softhsm", "no operation", "no such user", "no such login", "logged in"],
)
def test_a_key_that_refuses_the_pin_that_it_wants_each_time_signs_without_it(module: QuirkyModule, answer: str) -> None:
    says = f"C_GetAttributeValue {ALWAYS_AUTHENTICATE} * value 01"
    refuses = [f"C_Login 2 * return {CODE[answer]:#x}"] if answer else []
    module.use(says, *refuses)
    with opened(module) as provider, provider.open("signer") as key, provider.open("spare") as spare:
        assert key.sign(b"message")
        module.use(says, "C_Login 2 * return 5", "C_Login 1 * return 5")  # it is not asked again
        assert key.sign(b"message again")
        module.use(says, *refuses)
        assert len(spare.sign_batch([ToSign(b"%d" % number, ECDSA_SHA256) for number in range(3)])) == 3
    assert sessions_of(module) == 0


def test_a_pin_for_a_signature_that_is_wrong_is_given_once(module: QuirkyModule) -> None:
    module.use(
        f"C_GetAttributeValue {ALWAYS_AUTHENTICATE} * value 01", f"C_Login 2 1 return {CODE['PIN_INCORRECT']:#x}"
    )
    with opened(module) as provider, provider.open("signer") as key:
        for _ in range(2):
            with pytest.raises(WrongSecret):
                key.sign(b"message")


# --- D4: public halves -------------------------------------------------------------------------------------------


def test_a_curve_that_is_written_out_is_recognised(module: QuirkyModule) -> None:
    parameters = openssl_parameters("prime256v1", "-param_enc", "explicit")
    module.use(f"C_GetAttributeValue {EC_PARAMS} * value {parameters.hex()}")
    sign(module)


@pytest.mark.parametrize("parameters", ["06032b6570", "06092b06010401da470f01", "130c656477617264733235353139"])
@pytest.mark.parametrize("form", ["string", "bare", "bits"])
def test_ed25519_is_known_by_all_its_names(module: QuirkyModule, parameters: str, form: str) -> None:
    """The second is how OpenSC names it for OpenPGP cards."""
    label = f"ed-{parameters}-{form}"
    with opened(module) as provider:
        public = provider.generate(label, KeyType.ED25519).info.public_key
    point = public.spki[-32:]
    written = {"string": der(4, point), "bare": point, "bits": der(3, b"\0" + point)}[form]
    module.use(
        f"C_GetAttributeValue {EC_PARAMS} * value {parameters}",
        f"C_GetAttributeValue {EC_POINT} * value {written.hex()}",
    )
    with opened(module) as provider, provider.open(label) as key:
        assert key.info.public_key == public
        assert key.sign(b"message")


def test_a_compressed_point_is_read(module: QuirkyModule) -> None:
    loaded = load_der_public_key(public_key(module).spki)
    assert isinstance(loaded, ec.EllipticCurvePublicKey)
    point = loaded.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    for written in (point, der(4, point), der(3, b"\0" + point)):
        module.use(f"C_GetAttributeValue {EC_POINT} * value {written.hex()}")
        sign(module)


@pytest.mark.parametrize("attribute", [EC_PARAMS, EC_POINT])
@pytest.mark.parametrize("value", ["-", "00", "3000", "0500", "06052b8104000a"])
def test_a_public_half_that_cannot_be_read_leaves_the_pinned_one(
    module: QuirkyModule, attribute: int, value: str
) -> None:
    expect = public_key(module)
    module.use(f"C_GetAttributeValue {attribute} * value {value}")
    sign(module, expect)
    with pytest.raises(KeyProviderError) as refused:
        sign(module)
    assert "--expect" in refused.value.hint


# --- D5: names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padded", [b"quirks".ljust(32), b"quirks".ljust(32, b"\0"), b"quirks\0".ljust(32)])
@pytest.mark.parametrize("wanted", ["quirks", "quirks   ", "quirks\0\0"])
def test_names_of_tokens_are_compared_without_padding(module: QuirkyModule, padded: bytes, wanted: str) -> None:
    slot = slot_of(module)
    module.use(f"C_GetTokenInfo {slot} * field 0 {padded.hex()}")
    with opened(module, label=wanted) as provider:
        assert provider.open("signer").sign(b"message")


@pytest.mark.parametrize("shown", [b"signer ", b"signer\0\0", b"signer\0 "])
def test_labels_of_keys_are_compared_without_padding(module: QuirkyModule, shown: bytes) -> None:
    """A padded label is not what the module searches."""
    module.use(f"C_FindObjectsInit.with {LABEL} * return 5", f"C_GetAttributeValue {LABEL} * value {shown.hex()}")
    with opened(module) as provider, pytest.raises(KeyProviderError, match="private keys fit"):
        provider.open("signer")  # all keys have that label now, and it names them
    with opened(module) as provider, pytest.raises(KeyNotFound):
        provider.open("other")


def test_a_softhsm_without_tokens_says_what_to_set(softhsm: SoftHsmToken, tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    for number, folder in enumerate((tmp_path / "tokens", tmp_path / "none")):
        config = tmp_path / f"{number}.conf"
        config.write_text(f"directories.tokendir = {folder}\n")
        environ = {"SOFTHSM2_CONF": str(config), "IMAGESIG_PKCS11_MODULE": str(softhsm.module)}
        done = run("key", "check", "pkcs11:token=t;object=k", **environ)
        assert done.returncode != 0
        assert b"SOFTHSM2_CONF" in done.stderr


# --- doctor ------------------------------------------------------------------------------------------------------


def doctor(module: QuirkyModule, uri: str) -> str:
    """What `imagesig doctor` prints, and its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGESIG_PKCS11_MODULE", str(module.path))
        patch.setenv("IMAGESIG_PKCS11_PIN", PIN)
        result = run_here("doctor", uri)
    return f"{result.output}\nstatus {result.exit_code}"


def test_doctor_lists_the_keys_of_a_token(module: QuirkyModule) -> None:
    printed = doctor(module, "pkcs11:token=quirks")
    assert "object=signer" in printed
    assert "failed" not in printed
    assert printed.endswith("status 0")


def test_doctor_names_what_is_wrong_and_goes_on(module: QuirkyModule) -> None:
    module.use("C_GetSlotInfo * * return 0x30", "C_Sign * * return 0x68")
    printed = doctor(module, "pkcs11:token=quirks;object=signer")
    assert "C_GetSlotInfo answers CKR_DEVICE_ERROR" in printed
    assert "CKR_KEY_FUNCTION_NOT_PERMITTED" in printed
    assert "sha256:" in printed  # the public key was read


def test_a_slot_without_an_initialised_token_is_named_as_such(tmp_path: Path) -> None:
    with softhsm_token(tmp_path, label="mine") as softhsm:
        environ = {"SOFTHSM2_CONF": str(softhsm.config), "IMAGESIG_PKCS11_MODULE": str(softhsm.module)}
        shown = run("doctor", "pkcs11:token=mine", IMAGESIG_PKCS11_PIN=softhsm.pin, **environ).stdout.decode()
        assert "PKCS#11 token    not initialised, slot " in shown
        assert "serial ," not in shown

        wrong = run("key", "check", "pkcs11:token=other;object=k", **environ).stderr.decode()
        assert "hint: name one with token=, serial= or slot-id=; tokens there: 'mine' (slot " in wrong
        assert "not initialised (slot " in wrong


# --- section 4: long lives ---------------------------------------------------------------------------------------

LOST = [
    *("DEVICE_REMOVED", "SESSION_HANDLE_INVALID", "TOKEN_NOT_PRESENT", "USER_NOT_LOGGED_IN", "SESSION_CLOSED"),
    *("KEY_HANDLE_INVALID", "OBJECT_HANDLE_INVALID", "DEVICE_ERROR", "DEVICE_MEMORY", "OPERATION_ACTIVE"),
    *("OPERATION_NOT_INITIALIZED", "SESSION_COUNT", "HOST_MEMORY"),
]
IN_THE_MIDDLE = ("C_Sign * 3", "C_SignInit 0x1041 3")


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("call", IN_THE_MIDDLE)
def test_a_signature_survives_a_loss(module: QuirkyModule, call: str, name: str) -> None:
    with opened(module) as provider:
        key = provider.open("signer")
        module.use(f"{call} return {CODE[name]:#x}")
        for _ in range(6):
            assert key.sign(b"message")


@pytest.mark.parametrize("name", ["GENERAL_ERROR", "FUNCTION_FAILED", "VENDOR", *LOST])
@pytest.mark.parametrize("call", ["C_Sign * *", "C_OpenSession * *", "C_FindObjectsInit * *", "C_GetSlotList * *"])
def test_after_an_outage_the_next_call_recovers(module: QuirkyModule, call: str, name: str) -> None:
    with opened(module) as provider:
        key = provider.open("signer")
        for _ in range(3):
            # The token is gone: the sessions too.
            module.use("C_Sign * 1 return 0x32", f"{call} return {CODE[name]:#x}")
            with pytest.raises(KeyProviderError) as lost:
                key.sign(b"during the outage")
            assert lost.value.hint
            module.use()
            assert key.sign(b"after it")


def test_an_outage_leaves_no_session_open(module: QuirkyModule) -> None:
    """A token has few sessions: YubiHSM has 16."""
    with opened(module) as provider:
        key = provider.open("signer")
        before = sessions_of(module)
        for _ in range(20):
            module.use("C_Sign * 1 return 0x101", "C_Logout * * return 0x101")
            assert key.sign(b"message")
        assert sessions_of(module) == before == 2
    assert sessions_of(module) == 0


def test_a_refused_pin_leaves_no_session_open(module: QuirkyModule) -> None:
    for secret in ("wrong-pin", "another-pin"):
        with opened(module, fixed(secret)) as provider, pytest.raises(WrongSecret):
            provider.open("signer")
    assert sessions_of(module) == 0
    sign(module)


def sessions_of(module: QuirkyModule) -> int:
    return ctypes.c_int.in_dll(ctypes.CDLL(str(module.path)), "quirks_open_sessions").value


def test_the_quirks_are_those_of_the_variable(module: QuirkyModule) -> None:
    module.use("C_Sign * 2 return 5")
    with opened(module) as provider:
        key = provider.open("signer")
        assert key.sign(b"first")
        with pytest.raises(KeyProviderError):
            key.sign(b"second")
    assert os.environ["PKCS11_QUIRKS"].startswith("C_Sign")
