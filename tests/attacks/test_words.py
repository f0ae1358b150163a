"""Words of an attacker on the way to people: on stdout, on stderr, in logs and in the reports for machines."""

from __future__ import annotations

import base64
import json
import logging
import os
import pty
import subprocess
import sys
import tty
from pathlib import Path
from xml.etree import ElementTree

import pytest
from asn1crypto import pem, x509
from msgspec.structs import replace

import imagesig
from imagesig.format_names import BUNDLE
from imagesig.formats import select_formats
from imagesig.formats.cosign_family import CERTIFICATE_ANNOTATION
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.oci.annotations import Annotations
from imagesig.oci.manifest import OCI_INDEX
from imagesig.policy import Identity, Policy
from imagesig.signature import Part, StoredSignature
from imagesig.stores import STORES, TagStore
from tests.api.attached.test_attached import add_referrer
from tests.chains import certified
from tests.commands import run, shown_at
from tests.makers import classic, payload, private_key
from tests.makers import sign as sign_text

ROOT = Path(__file__).parents[2]
NAME = "registry.example/team/app:1.0"
FORGED = "registry.example/team/app@sha256:" + "66" * 32
WORDS = {
    "line break": f"x\n{FORGED}\n  verified  bundle sha256:00  release.pub",
    "carriage return": f"x\r{FORGED}",
    "escape sequence": "x\x1b[2J\x1b]0;owned\x07\x9b2J",
    "line separator": f"x\u2028{FORGED}\u2029{FORGED}\x85{FORGED}",
    "bidirectional": "x\u202egpj.exe\u2066",
    "zero width": "x\u200b\ufeff\u2060\u3164\u034f\ufe0f\U000e0041",
    "surrogate": "x\ud800\udfff",
    "not ASCII": "caf\u00e9 \u65e5\u672c \U0001f600",
}
TOGETHER = {
    "words": "".join(words for name, words in WORDS.items() if name != "surrogate"),
    "surrogate": WORDS["surrogate"],
}
FORBIDDEN = "\x1b\x07\x9b\r\x85\u2028\u2029\u202e\u2066\u200b\ufeff\u2060\u3164\u034f\ufe0f\U000e0041"


def assert_harmless(*written: bytes) -> None:
    for stream in written:
        text = stream.decode("utf-8")
        assert not [hex(ord(c)) for c in text if c in FORBIDDEN]
        assert not [
            line for line in text.split("\n") if line.lstrip().startswith((FORGED, "verified  bundle sha256:00"))
        ]
        assert "Traceback" not in text


@pytest.fixture
def key(tmp_path: Path) -> Path:
    run("key", "generate", str(tmp_path / "release.key"))
    return tmp_path / "release.key"


@pytest.fixture
def signed(tmp_path: Path, key: Path) -> Path:
    """A layout with one image that the key signed in both formats."""
    home = Layout.create(tmp_path / "image")
    build_image(home, {"bin/app": b"hello"}, PLATFORMS[0], "1.0")
    imagesig.sign(f"oci:{tmp_path}/image:1.0", str(key), identity=NAME)
    return tmp_path / "image"


def add_bundle(folder: Path, hint: str) -> None:
    """What anybody may push who has no key: a bundle with a signature by a key of his own, and a hint of his choice."""
    home = Layout(folder)
    subject = home.resolve("1.0")
    payload = base64.b64encode(b"{}").decode()
    document = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": hint}},
        "dsseEnvelope": {
            "payload": payload,
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": sign_text(private_key(), b"nothing")}],
        },
    }
    stored = StoredSignature("", (Part(BUNDLE, json.dumps(document).encode()),), BUNDLE)
    STORES[select_formats(["bundle"])[0].storage].attach(home, subject, stored)()


@pytest.mark.parametrize("hint", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_key_hint_puts_no_word_on_stdout_and_no_line_anywhere(
    signed: Path, key: Path, hint: str, encoding: str
) -> None:
    clean = run("verify", "--key", f"{key.with_suffix('.pub')}", f"oci:{signed}:1.0")
    add_bundle(signed, hint)
    done = run("verify", "--key", f"{key.with_suffix('.pub')}", f"oci:{signed}:1.0", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout == clean.stdout
    assert b"rejected" in done.stderr
    if encoding == "utf-8":
        assert_harmless(done.stdout, done.stderr)


@pytest.mark.parametrize("hint", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("output", ["text", "json", "jsonl", "sarif", "junit"])
def test_a_refusal_tells_each_reason_on_one_harmless_line(signed: Path, tmp_path: Path, hint: str, output: str) -> None:
    run("key", "generate", str(tmp_path / "other.key"))
    add_bundle(signed, hint)
    done = run("verify", "--key", f"{tmp_path}/other.pub", f"oci:{signed}:1.0", "--output", output)
    assert done.returncode == 12
    assert_harmless(done.stdout, done.stderr)
    if output == "text":
        assert done.stdout == b""
    if output == "junit":
        ElementTree.fromstring(done.stdout)
    elif output != "text":
        json.loads(done.stdout)


@pytest.mark.parametrize("hint", WORDS.values(), ids=WORDS)
def test_inspect_and_explain_show_a_hint_on_one_harmless_line(signed: Path, key: Path, hint: str) -> None:
    add_bundle(signed, hint)
    (signed.parent / "policy.toml").write_text(
        f'version = 1\n[authorities.release]\nkey_file = "{key.with_suffix(".pub")}"\n'
        '[default]\nrequire = [{ any = ["release"] }]\n'
    )
    for done in (
        run("inspect", f"oci:{signed}:1.0"),
        run("inspect", f"oci:{signed}:1.0", "--output", "json"),
        run("policy", "explain", f"{signed.parent}/policy.toml", f"oci:{signed}:1.0"),
    ):
        assert_harmless(done.stdout, done.stderr)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def hostile_index(folder: Path, words: str) -> None:
    home = Layout.create(folder)
    index = build_index(home, {"a": b"b"}, "1.0")
    document = json.loads(home.read(index, limit=index.size))
    for child in document["manifests"]:
        child["platform"]["os"] = words
        child["platform"]["architecture"] = words
    home.put_manifest(json.dumps(document).encode(), OCI_INDEX, "1.0")


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_platforms_of_an_index_stay_on_their_line(tmp_path: Path, key: Path, words: str) -> None:
    hostile_index(tmp_path / "image", words)
    image = f"oci:{tmp_path}/image:1.0"
    for arguments in (
        ("sign", "--key", str(key), "--identity", NAME, image),
        ("sign", "--key", str(key), "--identity", NAME, image, "--output", "json"),
        ("inspect", image),
        ("verify", "--key", str(key.with_suffix(".pub")), "--platform", "linux/amd64", image),
        ("copy", image, f"oci:{tmp_path}/copied"),
        ("copy", "--all-platforms", image, f"oci:{tmp_path}/all"),
        ("remove", "--all", image),
    ):
        done = run(*arguments)
        assert_harmless(done.stdout, done.stderr)


@pytest.mark.parametrize("words", TOGETHER.values(), ids=TOGETHER)
@pytest.mark.parametrize("where", ["mediaType", "layer", "config", "artifactType", "annotation"])
def test_media_types_and_annotations_of_a_manifest_stay_on_their_line(
    tmp_path: Path, key: Path, words: str, where: str
) -> None:
    home = Layout.create(tmp_path / "image")
    made = build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
    document = json.loads(home.read(made, limit=made.size))
    if where == "layer":
        document["layers"][0]["mediaType"] = words
    elif where == "config":
        document["config"]["mediaType"] = words
    elif where == "annotation":
        document["annotations"] = {words: words}
    else:
        document[where] = words
    home.put_manifest(json.dumps(document).encode(), made.media_type, "1.0")
    image = f"oci:{tmp_path}/image:1.0"
    for arguments in (
        ("sign", "--key", str(key), image),
        ("verify", "--key", str(key.with_suffix(".pub")), image),
        ("inspect", image),
        ("copy", image, f"oci-archive:{tmp_path}/copied.tar"),
        ("remove", "--all", image),
        ("doctor", image),
    ):
        done = run(*arguments)
        assert_harmless(done.stdout, done.stderr)


@pytest.mark.parametrize(
    "words",
    [TOGETHER["words"], "x\udcff\udcfe"],
    ids=["words", "no UTF-8"],
)
@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "{}"),
        ("verify", "--key", "{}", "image"),
        ("verify", "--{}", "image"),
        ("verify", "--timeout", "{}"),
        ("verify", "--threshold", "{}"),
        ("verify", "--output", "{}"),
        ("verify", "--policy", "{}", "image"),
        ("verify", "--images-from", "{}", "--key", "k"),
        ("verify", "--workload", "{}", "--key", "k"),
        ("verify", "--ca", "{}", "image"),
        ("verify", "--trust-policy", "{}", "image"),
        ("sign", "--key", "{}", "image"),
        ("sign", "--key", "k", "--expiry", "{}", "image"),
        ("sign", "--key", "k", "--certificate-chain", "{}", "image"),
        ("sign", "--key", "k", "--annotation", "{}", "image"),
        ("sign", "--key", "k", "--identity", "{}", "oci:nowhere"),
        ("copy", "{}", "{}"),
        ("remove", "--key", "k", "{}"),
        ("inspect", "{}"),
        ("doctor", "{}"),
        ("doctor", "{}", "{}"),
        ("key", "generate", "/nowhere/{}"),
        ("key", "list", "{}"),
        ("key", "check", "{}"),
        ("key", "{}"),
        ("policy", "check", "{}"),
        ("policy", "explain", "{}", "{}"),
        ("demo", "--keep", "/dev/null/{}"),
        ("completion", "{}"),
        ("{}",),
    ],
    ids=" ".join,
)
def test_what_was_typed_comes_back_on_one_harmless_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    typed = [word.replace("{}", words) for word in arguments]
    done = run(*(word.encode("utf-8", "surrogateescape") for word in typed), cwd=tmp_path, PYTHONIOENCODING="utf-8")
    assert done.returncode
    assert_harmless(done.stdout, done.stderr)
    assert b"internal error" not in done.stderr, done.stderr


@pytest.mark.parametrize("command", ["", "key", "verify", "sign", "doctor", "policy"])
def test_help_can_be_read_on_any_terminal(command: str) -> None:
    done = run(*command.split(), "--help", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"Usage" in done.stdout


def test_a_stranger_who_may_pass_stays_off_stdout(signed: Path, tmp_path: Path) -> None:
    """A rule that only warns lets an image pass: stdout has its name, stderr the reasons."""
    add_bundle(signed, WORDS["line break"])
    run("key", "generate", str(tmp_path / "other.key"))
    (tmp_path / "policy.toml").write_text(
        f'version = 1\n[authorities.other]\nkey_file = "{tmp_path}/other.pub"\n'
        '[default]\nwarn = true\nrequire = [{ any = ["other"] }]\n'
    )
    done = run("verify", "--policy", f"{tmp_path}/policy.toml", "--allow-unverified", f"oci:{signed}:1.0")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.decode().splitlines()
    assert line.startswith(f"oci:{signed}@sha256:")
    assert_harmless(done.stdout, done.stderr)


def test_a_log_record_is_one_harmless_line(tmp_path: Path, key: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "a\n\x1b[2Jregistry.example"
    home = Layout.create(folder)
    build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
    with caplog.at_level(logging.DEBUG, "imagesig"):
        imagesig.sign(f"oci:{folder}:1.0", str(key), identity=NAME)
        imagesig.copy(f"oci:{folder}:1.0", f"oci:{tmp_path}/copied\n:1.0")
    said = [record.getMessage() for record in caplog.records]
    assert said
    assert all(text.isprintable() for text in said)


def test_policy_names_and_identity_are_what_a_proof_shows(signed: Path, key: Path) -> None:
    result = imagesig.verify(f"oci:{signed}:1.0", Policy.any_of(str(key.with_suffix(".pub")), identity=Identity.any()))
    assert result.verified


@pytest.mark.parametrize("what", ["sbom", "attestation"])
def test_what_others_stored_moves_no_cursor_of_a_terminal(signed: Path, what: str) -> None:
    home = Layout(signed)
    kind = "application/vnd.cyclonedx+json" if what == "sbom" else "application/vnd.dsse.envelope.v1+json"
    add_referrer(home, home.resolve("1.0"), b'{"x":"' + WORDS["escape sequence"].encode() + b'"}', kind)
    reading, writing = pty.openpty()
    tty.setraw(writing)
    done = subprocess.Popen(
        [sys.executable, "-m", "imagesig", "download", what, f"oci:{signed}:1.0"], stdout=writing, cwd=ROOT
    )
    os.close(writing)
    shown = shown_at(reading)
    assert done.wait() == 0
    assert_harmless(shown.encode())


def test_a_warning_of_another_package_is_one_line_of_ours(signed: Path) -> None:
    """`cryptography` warns of names that are too long; whoever may push stores a certificate with one."""
    certificate = x509.Certificate.load(certified().chain[0].der)
    certificate["tbs_certificate"]["subject"] = x509.Name.build({"common_name": "x" * 200, "country_name": "US"})
    text = pem.armor("CERTIFICATE", certificate.dump(force=True)).decode()
    home = Layout(signed)
    subject = home.resolve("1.0")
    made = classic(payload(image={"docker-manifest-digest": subject.digest}), private_key(number=7))
    annotations = Annotations({**made.parts[0].annotations, CERTIFICATE_ANNOTATION: text})
    TagStore().attach(home, subject, replace(made, parts=(replace(made.parts[0], annotations=annotations),)))()

    done = run("inspect", f"oci:{signed}:1.0")

    assert done.returncode == 0
    assert b"xxx" in done.stdout
    assert_harmless(done.stdout, done.stderr)
    assert all(line.startswith(b"warning: ") for line in done.stderr.splitlines())
    assert b".py" not in done.stderr
