"""Field report A3: tokens with odd objects, and PINs that are no text, through the command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.servers import SoftHsmToken, softhsm_token

pytestmark = pytest.mark.interop

_MAKE = """
import sys, pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.attributes import AttributeMapper
from pkcs11.util.ec import encode_named_curve_parameters

module, label, pin = sys.argv[1:]
mapper = AttributeMapper()
mapper.register_handler(
    Attribute.LABEL, lambda value: value if isinstance(value, bytes) else value.encode(), lambda value: value
)
token = pkcs11.lib(module).get_token(token_label=label)
with token.open(rw=True, user_pin=pin, attribute_mapper=mapper) as session:
    def pair(name, identity, may_sign=True):
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
            mechanism=Mechanism.EC_KEY_PAIR_GEN, store=True, label=name, id=identity,
            private_template={Attribute.SIGN: may_sign},
        )
    pair("good", b"\\x01")
    pair("silent", b"\\x02", may_sign=False)
    pair(b"caf\\xe9", b"\\x03")
    pair(b"th\\xe9", b"")
    session.create_object({
        Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: 0, Attribute.TOKEN: True,
        Attribute.SUBJECT: b"", Attribute.VALUE: b"rubbish", Attribute.LABEL: b"\\xff\\xfe",
    })
"""


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsmToken]:
    with softhsm_token(tmp_path_factory.mktemp("odd"), label="odd", pin="s3cret-pin") as made:
        environ = {**os.environ, "SOFTHSM2_CONF": str(made.config)}
        command = [sys.executable, "-c", _MAKE, str(made.module), made.label, made.pin]
        subprocess.run(command, env=environ, check=True)
        yield made


def imagesig(token: SoftHsmToken, *arguments: str, pin: str | bytes = "") -> subprocess.CompletedProcess[str]:
    environ = {
        b"PATH": os.environb[b"PATH"],
        b"PYTHONPATH": str(Path(__file__).parents[2]).encode(),
        b"SOFTHSM2_CONF": str(token.config).encode(),
        b"IMAGESIG_PKCS11_MODULE": str(token.module).encode(),
        b"IMAGESIG_PKCS11_PIN": pin.encode() if isinstance(pin, str) else pin,
    }
    return subprocess.run(
        [sys.executable, "-m", "imagesig", *arguments],
        env=environ,  # type: ignore[arg-type]
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_one_label_that_is_not_utf_8_hides_no_other_key(token: SoftHsmToken) -> None:
    done = imagesig(token, "key", "check", "pkcs11:token=odd;object=good", pin=token.pin)

    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr


def test_a_key_whose_own_label_is_not_utf_8_is_listed_and_signs_by_what_the_list_says(token: SoftHsmToken) -> None:
    listed = imagesig(token, "key", "list", "pkcs11:token=odd", pin=token.pin)

    assert "object=caf%E9" in listed.stdout, listed.stdout + listed.stderr
    for name in ("pkcs11:token=odd;object=caf%E9", "pkcs11:token=odd;id=%03", "pkcs11:token=odd;object=th%E9"):
        done = imagesig(token, "key", "check", name, pin=token.pin)
        assert done.returncode == 0, done.stderr


def test_a_key_that_may_not_sign_is_unusable_and_says_why(token: SoftHsmToken) -> None:
    done = imagesig(token, "key", "check", "pkcs11:token=odd;object=silent", pin=token.pin)

    assert (done.returncode, "CKA_SIGN" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_that_may_not_sign_shows_its_public_key_all_the_same(token: SoftHsmToken) -> None:
    done = imagesig(token, "key", "export", "pkcs11:token=odd;object=silent", pin=token.pin)

    assert done.stdout.startswith("-----BEGIN PUBLIC KEY-----"), done.stderr


@pytest.mark.parametrize("pin", [b"caf\xe9", b"\xff\xfe1234"])
def test_a_pin_that_is_not_utf_8_is_refused_by_the_name_of_its_variable(token: SoftHsmToken, pin: bytes) -> None:
    done = imagesig(token, "key", "check", "pkcs11:token=odd;object=good", pin=pin)

    assert (done.returncode, "IMAGESIG_PKCS11_PIN" in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
    assert "caf" not in done.stderr


@pytest.mark.parametrize(
    ("uri", "pin", "said"),
    [
        ("pkcs11:token=odd;object=good", b"s3cret-pin", "signed and verified"),
        ("pkcs11:token=odd;object=silent", b"s3cret-pin", "CKA_SIGN"),
        ("pkcs11:token=odd;object=good", b"caf\xe9", "IMAGESIG_PKCS11_PIN"),
        ("pkcs11:token=odd;object=caf\udce9", b"s3cret-pin", "UTF-8"),
    ],
)
def test_doctor_survives(token: SoftHsmToken, uri: str, pin: bytes, said: str) -> None:
    done = imagesig(token, "doctor", uri, pin=pin)

    assert "Traceback" not in done.stderr
    assert said in done.stdout, done.stdout + done.stderr


_HIDDEN = """
import os, pkcs11
from imagesig import open_key
from imagesig.keys.pkcs11.attributes import _mapper

kind = _mapper()
decode = kind.unpack_attributes

def hidden(self, key, value):
    if key == pkcs11.Attribute.SIGN:
        raise KeyError(key)  # as python-pkcs11 does for an attribute that the module did not give
    return decode(self, key, value)

kind.unpack_attributes = hidden
with open_key("pkcs11:token=odd;object=good") as key:
    print(len(key.sign(b"message")) > 60)
"""


def test_a_key_of_a_module_that_does_not_show_whether_it_may_sign_is_tried(token: SoftHsmToken) -> None:
    environ = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "SOFTHSM2_CONF": str(token.config),
        "IMAGESIG_PKCS11_MODULE": str(token.module),
        "IMAGESIG_PKCS11_PIN": token.pin,
    }
    done = subprocess.run([sys.executable, "-c", _HIDDEN], env=environ, capture_output=True, text=True, check=False)

    assert done.stdout == "True\n", done.stderr
