"""Trust data in a folder, in place of a server that has ended: a backup of its files, or docker's own cache."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Lock

from imagesig.arguments import checks_arguments
from imagesig.content_trust.metadata import most_bytes
from imagesig.content_trust.role import RELEASES, ROOT
from imagesig.content_trust.update import File
from imagesig.errors import ImagesigError, InvalidArgument, NotTrusted
from imagesig.naming import PathLike
from imagesig.reading import Unreadable, is_file, is_folder, read_bounded
from imagesig.text import quote

_BY_HASH = re.compile(r"(.+)\.[0-9a-f]{64}\.json", re.ASCII)


class TrustBackup:
    """Reads the metadata of repositories from a folder. Thread-safe; nothing is written.

    For a repository such as `registry.example/app` the files `root.json`, `targets/releases.json` and so on are in one
    of these folders, the first that has a `root.json`:

        tuf/REPOSITORY/metadata       what docker and notary keep, in a folder such as `~/.docker/trust`
        REPOSITORY/metadata           the same, without `tuf`
        v2/REPOSITORY/_trust/tuf      as a trust server serves them; without `v2` too
        REPOSITORY                    unless its name ends with /metadata
        .                             the folder itself, which is then about one repository only

    A file with its hash in its name, as servers have them, comes before the one without.
    """

    @checks_arguments
    def __init__(self, folder: str | PathLike) -> None:
        folder = Path(folder)
        if not is_folder(folder):
            raise InvalidArgument(f"trust data {quote(str(folder))}: not a folder, one with metadata files is needed")
        self.folder = folder
        self._owner = ""
        self._lock = Lock()

    def fetch(self, repository: str, file: File) -> bytes | None:
        """The bytes of a file of a repository; None if there is no such file.

        Raises:
            InvalidArgument: it cannot be read, or the folder is about another repository.
            LimitExceeded: it is larger than its limit.
        """
        metadata = self._metadata(repository)
        if metadata is None:
            return None
        by_hash = _BY_HASH.fullmatch(file.name)
        names = (file.name, f"{by_hash[1]}.json") if by_hash else (file.name,)
        found = next((path for name in names if is_file(path := metadata / name)), None)
        if found is None:
            return None
        return read_bounded(found, most_bytes(file.role), "trust data", explain=_unreadable)

    def has(self, repository: str, role: str) -> bool:
        """Whether there is a file of this role. True for `targets/releases`: without its file nothing is believed."""
        metadata = self._metadata(repository)
        if role == RELEASES or metadata is None:
            return True
        path = metadata / f"{role}.json"
        try:
            return is_file(path) or any(path.parent.glob(f"{path.stem}.*.json"))
        except OSError:  # a name that is too long for the file system, or a folder that cannot be listed
            return False

    def check_has(self, repository: str) -> None:
        """Returns if the folder has the files of a repository that is remembered.

        Raises:
            NotTrusted: it has none. This hides no repository that was deleted: only a server says that.
        """
        if self._metadata(repository) is None:
            raise NotTrusted(
                f"{self.folder} has no trust data for {repository}, and some are remembered",
                hint=f"name another folder, or put the files there as {repository}/metadata/{ROOT}.json and so on",
            )

    def _metadata(self, repository: str) -> Path | None:
        """The folder with the files of a repository; None if there is none."""
        places = (f"tuf/{repository}/metadata", f"{repository}/metadata", f"v2/{repository}/_trust/tuf")
        # `app/metadata` has the files of the repository `app`, not those of a repository with this name.
        plain: tuple[str, ...] = () if repository.endswith("/metadata") else (repository,)
        for place in (*places, f"{repository}/_trust/tuf", *plain):
            if is_file(self.folder / place / f"{ROOT}.json"):
                return self.folder / place
        if not is_file(self.folder / f"{ROOT}.json"):
            return None
        with self._lock:
            self._owner = self._owner or repository
        if self._owner != repository:
            # The files do not name their repository, and several repositories may share a root key.
            raise InvalidArgument(
                f"trust data {self.folder}: the files of one repository, {self._owner} and {repository} are asked",
                hint=f"put the files of each repository into a folder of its name, such as {repository}",
            )
        return self.folder


def _unreadable(_reason: Unreadable, sentence: str) -> ImagesigError:
    return InvalidArgument(f"trust data: {sentence}")
