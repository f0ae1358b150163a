"""The changes of one transaction on an archive, until they are committed."""

from __future__ import annotations

from pathlib import Path

from imagesig.images.archive.file import ArchiveFile
from imagesig.images.archive.members import Member
from imagesig.images.archive.writer import ArchiveWriter
from imagesig.images.layout.index import NEW_DOCUMENTS
from imagesig.writing import shared_mode


class Changes:
    """The blobs and indexes that were written, and the blobs that were removed. Call `commit` or `abandon` once.

    `resume` continues an interrupted transaction, and keeps its blobs for the next one if this one is abandoned.
    """

    def __init__(self, path: Path, what: str, *, resume: bool) -> None:
        self._resume = resume
        self.writer = ArchiveWriter(path, what, resume=resume)
        self.indexes: dict[str, bytes] = {}
        self.removed: set[str] = set()

    def remove(self, name: str) -> None:
        self.writer.remove(name)
        self.removed.add(name)

    def commit(self, previous: ArchiveFile | None) -> bool:
        """Replaces the previous archive by one with these changes. False if there are none."""
        if not (self.writer.names() or self.indexes or self.removed):
            self.abandon()
            return False
        before = previous.members.files.values() if previous else ()
        documents = {**({} if previous else NEW_DOCUMENTS), **self.indexes}
        try:
            for name, content in documents.items():
                self.writer.add(name, len(content), (content,))
            kept = [
                member
                for member in before
                if member.name not in self.removed and member.name not in documents and not self.writer.get(member.name)
            ]
            self.writer.finish(previous, kept, previous.mode if previous else shared_mode())
        except BaseException:
            self.abandon()
            raise
        return True

    def abandon(self) -> None:
        self.writer.abandon(keep=self._resume)


def found_in(
    name: str, current: ArchiveFile | None, changes: Changes | None
) -> tuple[ArchiveFile | ArchiveWriter, Member] | None:
    """Where to read a member: from what the transaction wrote, else from the archive. None if it is in neither."""
    if changes and (member := changes.writer.get(name)):
        return changes.writer, member
    if current and not (changes and name in changes.removed) and (member := current.members.files.get(name)):
        return current, member
    return None
