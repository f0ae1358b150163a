"""What to do about a public key that is in another form than PEM, by how its text starts. Pure."""

from __future__ import annotations

_FORMS = {
    b"\x30": "convert it from DER: openssl pkey -pubin -inform DER -in FILE -out key.pub, or of a certificate: "
    "openssl x509 -inform DER -in FILE -noout -pubkey > key.pub",
    b"ssh-": "convert it from OpenSSH's form: ssh-keygen -e -m PKCS8 -f FILE > key.pub",
    b"ecdsa-sha2-": "convert it from OpenSSH's form: ssh-keygen -e -m PKCS8 -f FILE > key.pub",
    b"{": "a JWK is not read: write the key in PEM, with the tool that made it",
    b"\xff\xfe": "save it as UTF-8: it is UTF-16",
    b"\xfe\xff": "save it as UTF-8: it is UTF-16",
    b"untrusted comment:": "a key of minisign or signify is not read: give a PEM block PUBLIC KEY",
    b"-----BEGIN PGP": "a key of OpenPGP is not read: give a PEM block PUBLIC KEY",
}
"""By first bytes."""


def hint_for_pem(data: bytes) -> str:
    """What to do about bytes that are not exactly one PEM block."""
    known = (hint for start, hint in _FORMS.items() if data.lstrip().startswith(start))
    return next(known, "give a file that starts with -----BEGIN PUBLIC KEY-----")
