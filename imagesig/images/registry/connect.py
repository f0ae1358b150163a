"""Opening images in registries: reference, connections and logins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.errors import InvalidArgument
from imagesig.http.client import HttpClient
from imagesig.http.proxies import Proxies
from imagesig.images.image import Image
from imagesig.images.registry.auth import RegistryLogin
from imagesig.images.registry.credential import Credential, CredentialSource
from imagesig.images.registry.credentials import CredentialFiles, credential_files
from imagesig.images.registry.place import Places
from imagesig.images.registry.refusals import words
from imagesig.images.registry.repository import RegistryRepository
from imagesig.oci.reference import Reference, parse_reference
from imagesig.text import quote
from imagesig.version import __version__


@checks_arguments
def registry(
    reference: str | Reference,
    *,
    plain_http: bool = False,
    ca_file: Path | None = None,
    credentials: tuple[str, str] | CredentialSource | None = None,
    timeout: float = limits.OPERATION_SECONDS,
    signature_repository: str = "",
    client: RegistryClient | None = None,
) -> Image:
    """The image that a reference names in a registry. No request is made yet.

    Args:
        reference: in the form of docker and podman; without tag and digest it means the tag `latest`.
        plain_http: use HTTP without TLS. Without it, HTTP is used only for loopback addresses (`localhost`,
            127.0.0.0/8, ::1) and names that end in `.localhost` and resolve to this machine, if no TLS is spoken there.
        ca_file: PEM file of the certificate authorities to trust instead of the system's. With it, TLS is used on this
            machine too.
        credentials: user and password, a function from host to `Credential`, or None for docker's and podman's files.
        timeout: seconds for each signing or verification of this image.
        signature_repository: another repository that holds the signatures, without tag and digest.
        client: connections and logins to share, with their own `plain_http`, `ca_file` and `credentials`.

    Raises:
        InvalidArgument: not a reference, a signature repository with a tag or digest, or a client together with
            settings of its own.
        Unreachable: the host or port is invalid.
    """
    name = reference if isinstance(reference, Reference) else parse_reference(reference)
    if not name.tag and not name.digest:
        name = Reference(name.domain, name.path, "latest")
    if client is not None and (plain_http or ca_file is not None or credentials is not None):
        raise InvalidArgument(
            "registry: plain_http, ca_file and credentials cannot be combined with client",
            hint="give them to registry_client()",
        )
    client = client or registry_client(plain_http=plain_http, ca_file=ca_file, credentials=credentials)
    home = client.repository(name)
    signatures = client.repository(_repository(signature_repository)) if signature_repository else home
    return Image(home, name.digest or name.tag, signatures, name, timeout)


def _repository(text: str) -> Reference:
    """The repository of signatures. Each signature has a tag or digest of its own, so one in `text` means a mistake."""
    name = parse_reference(text)
    if name.tag or name.digest:
        given = "digest" if name.digest else "tag"
        raise InvalidArgument(
            f"signature repository {quote(text)}: it has a {given}, a repository without tag and digest is needed",
            hint=f"write {name.repository}",
        )
    return name


@checks_arguments
def registry_client(
    *,
    plain_http: bool = False,
    ca_file: Path | None = None,
    credentials: tuple[str, str] | CredentialSource | None = None,
) -> RegistryClient:
    """A client with the proxies of the environment and, unless `credentials` are given, the user's logins.

    Close it, or use it as a context manager. `registry(client=…)` and `transport=…` take it.
    """
    environ = os.environ
    proxies = Proxies.from_environment(environ)
    if credentials is None:
        source: CredentialSource = CredentialFiles(credential_files(environ), path=environ.get("PATH", ""))
    elif isinstance(credentials, tuple):
        given = Credential(*credentials)
        source = lambda _host: given  # noqa: E731
    else:
        source = credentials
    return RegistryClient(source, plain_http=plain_http, ca_file=ca_file, proxies=proxies)


class RegistryClient:
    """One pool of connections and a login for each registry, for any number of registries. Thread-safe."""

    @checks_arguments
    def __init__(
        self,
        credentials: CredentialSource,
        *,
        plain_http: bool = False,
        ca_file: Path | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self._http = HttpClient(
            ca_files=() if ca_file is None else (ca_file,), proxies=proxies, user_agent=f"imagesig/{__version__}"
        )
        self._http.words = words
        self._login = RegistryLogin(self._http, credentials, plain_http=plain_http)
        self._places = Places(self._http, plain_http=plain_http, only_tls=ca_file is not None)

    @checks_arguments
    def repository(self, reference: Reference) -> RegistryRepository:
        """The repository of this reference. Tag and digest are ignored.

        Raises:
            Unreachable: the host or port is invalid.
        """
        return RegistryRepository(self._http, self._login, self._places.find(reference), reference)

    def close(self) -> None:
        """Closes idle connections. The client can still be used."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
