"""openssl as a timestamp service, an OCSP responder and a certificate authority that publishes CRLs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from imagesig.crypto.certificate import Certificate
from tests.authorities import Authority, Issued
from tests.peers import RUN_SECONDS, binary


class OpensslFailed(Exception):
    """openssl failed; the text is its output."""


def openssl(*arguments: object, stdin: bytes = b"") -> bytes:
    """The standard output of openssl. Raises `OpensslFailed`."""
    command = [str(binary("openssl")), *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=RUN_SECONDS)
    if done.returncode:
        raise OpensslFailed(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def pem(*certificates: Certificate) -> bytes:
    return b"".join(item.x509.public_bytes(Encoding.PEM) for item in certificates)


def write_key(path: Path, key: object) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))  # type: ignore[attr-defined]
    return path


@dataclass(frozen=True)
class TimestampService:
    """`openssl ts -reply` by this signer, with the machine's clock. `options` are lines of its configuration."""

    home: Path
    signer: Issued
    chain: tuple[Certificate, ...]
    options: tuple[str, ...] = ("accuracy = secs:1", "ess_cert_id_alg = sha256")

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "signer.pem").write_bytes(pem(self.signer.certificate))
        (self.home / "chain.pem").write_bytes(pem(*self.chain) if self.chain else pem(self.signer.certificate))
        write_key(self.home / "signer.key", self.signer.key)
        lines = [
            "[tsa]", f"serial = {self.home / 'serial'}", f"signer_cert = {self.home / 'signer.pem'}",
            f"certs = {self.home / 'chain.pem'}", f"signer_key = {self.home / 'signer.key'}",
            "signer_digest = sha256", "default_policy = 1.2.3.4", "digests = sha256, sha384, sha512", *self.options,
        ]  # fmt: skip
        (self.home / "tsa.cnf").write_text("\n".join(lines) + "\n")

    def answer(self, request: bytes) -> bytes:
        query = self.home / "query.tsq"
        query.write_bytes(request)
        reply = self.home / "reply.tsr"
        openssl("ts", "-reply", "-config", self.home / "tsa.cnf", "-section", "tsa", "-queryfile", query, "-out", reply)
        return reply.read_bytes()


@dataclass
class Publisher:
    """An authority whose register is openssl's: openssl answers OCSP requests and makes CRLs from it."""

    home: Path
    authority: Authority
    responder: Issued
    register: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "ca.pem").write_bytes(pem(self.authority.certificate))
        (self.home / "responder.pem").write_bytes(pem(self.responder.certificate))
        write_key(self.home / "ca.key", self.authority.key)
        write_key(self.home / "responder.key", self.responder.key)
        (self.home / "crlnumber").write_text("01\n")
        lines = [
            "[ca]", "default_ca = this", "[this]", f"database = {self.home / 'index.txt'}",
            f"certificate = {self.home / 'ca.pem'}", f"private_key = {self.home / 'ca.key'}",
            f"crlnumber = {self.home / 'crlnumber'}", "default_md = sha256", "default_crl_days = 1",
            "crl_extensions = extensions", "[extensions]", "authorityKeyIdentifier = issuer:always",
        ]  # fmt: skip
        (self.home / "ca.cnf").write_text("\n".join(lines) + "\n")
        self._write()

    def issued(self, certificates: Iterable[Issued]) -> None:
        for item in certificates:
            self.register[item.x509.serial_number] = _line(item, "V", "")
        self._write()

    def revoke(self, item: Issued, reason: str = "keyCompromise") -> None:
        when = _time(datetime.now(UTC) - timedelta(hours=1))
        self.register[item.x509.serial_number] = _line(item, "R", f"{when},{reason}")
        self._write()

    def answer(self, request: bytes) -> bytes:
        """The answer to an OCSP request, signed by the responder."""
        asked, answered = self.home / "request.der", self.home / "response.der"
        asked.write_bytes(request)
        openssl(
            "ocsp", "-index", self.home / "index.txt", "-CA", self.home / "ca.pem", "-ndays", 1,
            "-rsigner", self.home / "responder.pem", "-rkey", self.home / "responder.key",
            "-reqin", asked, "-respout", answered,
        )  # fmt: skip
        return answered.read_bytes()

    def crl(self) -> bytes:
        made = openssl("ca", "-gencrl", "-config", self.home / "ca.cnf")
        return openssl("crl", "-outform", "DER", stdin=made)

    def _write(self) -> None:
        (self.home / "index.txt").write_text("".join(self.register.values()))


def _line(item: Issued, state: str, revoked: str) -> str:
    serial = f"{item.x509.serial_number:X}"
    serial = "0" * (len(serial) % 2) + serial
    name = "/CN=" + item.x509.subject.rfc4514_string().partition("CN=")[2].partition(",")[0]
    return "\t".join([state, _time(item.certificate.not_after), revoked, serial, "unknown", name]) + "\n"


def _time(at: datetime) -> str:
    return at.strftime("%y%m%d%H%M%SZ")
