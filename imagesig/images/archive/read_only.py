"""The base of a home that cannot be written: every writing method raises an error."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import NoReturn

from imagesig.errors import InvalidArgument
from imagesig.images.local_home import LocalHome
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import OCI_MANIFEST


class ReadOnlyHome(LocalHome):
    """`_no_signatures` raises the error that says why signatures cannot be stored."""

    @abstractmethod
    def _no_signatures(self) -> NoReturn: ...

    def check_holds(self, *, referrers: bool) -> None:
        self._no_signatures()

    def has_blob(self, descriptor: Descriptor) -> bool:
        return False

    def transaction(self, *, resume: bool = False) -> AbstractContextManager[bool]:
        self._refuse()

    def _turn(self) -> AbstractContextManager[object]:
        self._refuse()

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        self._refuse()

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        self._refuse()

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        self._refuse()

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        self._refuse()

    def delete_manifest(self, digest: str) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise InvalidArgument(
            f"{self.name}: can only be read", hint="write oci-archive:FILE; docker load of Docker 25 and later reads it"
        )
