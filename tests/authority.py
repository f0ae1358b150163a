"""A certificate authority of openssl's: a root, an intermediate, and whom they issue for."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

LEAF = "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n"
_AUTHORITY = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n"


@dataclass(frozen=True, slots=True)
class Authority:
    """`root` and `intermediate` are PEM files; issued chains end in the root."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root.crt"

    @property
    def issuers(self) -> str:
        """Intermediate and root, PEM."""
        return (self.folder / "intermediate.crt").read_text() + self.root.read_text()

    def issue(self, request: str, extensions: str = LEAF) -> str:
        """The chain of a new certificate for the request, leaf first, PEM. Alternative names are copied."""
        (self.folder / "leaf.csr").write_text(request)
        (self.folder / "leaf.ext").write_text(extensions)
        openssl("req", "-verify", "-noout", "-in", "leaf.csr", folder=self.folder)
        command = ["x509", "-req", "-in", "leaf.csr", "-days", "10", "-copy_extensions", "copy", "-extfile", "leaf.ext"]
        issued = openssl(*command, *_by("intermediate"), folder=self.folder)
        return issued + self.issuers


def authority(folder: Path, name: str = "imagesig") -> Authority:
    """A new authority with a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.ext").write_text(_AUTHORITY)
    _key(folder, "root")
    _key(folder, "intermediate")
    for holder in ("root", "intermediate"):
        subject = f"/C=US/ST=WA/O={name}/CN={holder}"
        openssl("req", "-new", "-key", f"{holder}.key", "-out", f"{holder}.csr", "-subj", subject, folder=folder)
        issuer = ["-signkey", "root.key"] if holder == "root" else list(_by("root"))
        command = ["x509", "-req", "-in", f"{holder}.csr", "-out", f"{holder}.crt", "-days", "30", "-extfile", "ca.ext"]
        openssl(*command, *issuer, folder=folder)
    return Authority(folder)


def openssl(*arguments: str, folder: Path, text: str = "") -> str:
    """What openssl prints, run in that folder."""
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def _key(folder: Path, name: str) -> None:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key", folder=folder)


def _by(issuer: str) -> tuple[str, ...]:
    return ("-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-CAcreateserial")
