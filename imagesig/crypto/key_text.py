"""What to do about a key that is in another form than PEM, by how its text starts. Pure."""

from __future__ import annotations

from imagesig.errors import InvalidArgument

_PUBLIC_SSH = "convert it from OpenSSH's form: ssh-keygen -e -m PKCS8 -f FILE > key.pub"
_UTF16 = "save it as UTF-8: it is UTF-16"
_JAVA = "a Java key store is not read: convert it with keytool -importkeystore -deststoretype PKCS12"
_FORMS = {
    b"{": "a JWK is not read: write the key in PEM, with the tool that made it",
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
    b"\xfe\xed\xfe\xed": _JAVA,
    b"\xce\xce\xce\xce": _JAVA,
    b"untrusted comment:": "a key of minisign or signify is not read: give a PEM block",
    b"-----BEGIN PGP": "a key of OpenPGP is not read: give a PEM block",
    b"PuTTY-User-Key-File": "a key of PuTTY is not read: export it as an OpenSSH key, then run ssh-keygen -p -m PKCS8",
    b"LS0tLS1CRUdJTi": "it is the base64 of PEM text: decode it first, with base64 -d",
    b"version https://git-lfs": "it is a pointer of Git LFS: fetch the file with git lfs pull",
    b"-----BEGIN CERTIFICATE REQUEST": "it is a request for a certificate: give the key itself",
    b"-----BEGIN NEW CERTIFICATE REQUEST": "it is a request for a certificate: give the key itself",
}
"""By first bytes, for public and private keys."""
_PUBLIC = {
    b"\x30": "convert it from DER: openssl pkey -pubin -inform DER -in FILE -out key.pub, or of a certificate: "
    "openssl x509 -inform DER -in FILE -noout -pubkey > key.pub",
    b"ssh-": _PUBLIC_SSH,
    b"ecdsa-sha2-": _PUBLIC_SSH,
    b"---- BEGIN SSH2": "convert it from SSH2's form: ssh-keygen -i -f FILE > ssh.pub, then ssh-keygen -e -m PKCS8 "
    "-f ssh.pub > key.pub",
}
_PRIVATE = {
    b"\x30": "this may be DER: convert it with openssl pkey -inform DER -in FILE -out FILE.pem",
    b"ssh-": "give the private key: this is a public key",
    b"ecdsa-sha2-": "give the private key: this is a public key",
    b"-----BEGIN CERTIFICATE": "give the private key: this is a certificate",
}


def not_one_block(data: bytes) -> InvalidArgument:
    """The error for a text that is not one PEM block, which a public key is."""
    hint = _hint(data, _PUBLIC, "give a file that starts with -----BEGIN PUBLIC KEY-----")
    count = data.count(b"-----BEGIN ")
    return InvalidArgument(f"public key: {count} PEM blocks, exactly one is needed", hint=hint)


def unreadable_key(error: Exception, data: bytes) -> InvalidArgument:
    """The error for a public key that `cryptography` does not read."""
    hint = _hint(data, _PUBLIC, "give a PEM block PUBLIC KEY of an ECDSA, Ed25519 or RSA key")
    return InvalidArgument(f"public key: unreadable ({type(error).__name__})", hint=hint)


def hint_for_private_key(data: bytes, otherwise: str) -> str:
    """What to do about bytes that are not one readable private key; `otherwise` if their form is not known."""
    if b"OPENSSH PRIVATE KEY" in data:
        return "OpenSSH's format is not supported: convert a copy with ssh-keygen -p -m PKCS8 -f FILE"
    if b"TSS2 PRIVATE KEY" in data:
        return "only a TPM opens this key: name it by a pkcs11: URI"
    if b"PUBLIC KEY-----" in data:
        return "give the private key: this is a public key"
    return _hint(data, _PRIVATE, otherwise)


def _hint(data: bytes, forms: dict[bytes, str], otherwise: str) -> str:
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n\"'")
    if not text:
        return f"it is empty: {otherwise}"
    if found := next((hint for start, hint in (_FORMS | forms).items() if text.startswith(start)), ""):
        return found
    if text.startswith(b"-----BEGIN") and b"\\n" in text:
        return r"it has \n in place of line breaks: write real ones, as printf '%b' does"
    if text.count(b"-----BEGIN ") > text.count(b"-----END "):
        return "it is cut off, without its line -----END: copy the whole key"
    return otherwise
