"""Deleting: what is shown before, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import click

from funes._results.stored import StoredEntry, StoredVersion
from funes._results.stored_files import DeletedFiles, StoredFile
from funes._tools.cli.disk_usage import room_of
from funes._tools.cli.exit_codes import PROBLEMS_FOUND
from funes._tools.cli.output import Column
from funes._tools.cli.units import bytes_shown
from funes._warnings import grouped

COLUMNS = (
    Column("what"),
    Column("function"),
    Column("version", lambda version: version[:8]),
    Column("files", right=True),
    Column("bytes", bytes_shown, right=True),
)


def rows_of(
    versions: Iterable[StoredVersion] = (),
    entries: Iterable[StoredEntry] = (),
    **others: Iterable[StoredFile],
) -> list[dict[str, Any]]:
    """What is to be deleted, in rows: each version, the entries of each version, and others under their names."""
    rows = [_row("version", room_of(version.folder), version) for version in versions]
    by_version: dict[StoredVersion, list[StoredFile]] = {}
    for entry in entries:
        by_version.setdefault(entry.version, []).append(entry)
    rows += [_row("entries", _sum(files), version) for version, files in by_version.items()]
    rows += [_row(what, _sum(files)) for what, files in others.items()]
    return [row for row in rows if row["files"]]


def counted(amount: DeletedFiles) -> str:
    """``3 files, 1.2 MiB``."""
    return f"{amount.files} file{'s' * (amount.files != 1)}, {bytes_shown(amount.bytes)}"


class Removal:
    """What has been deleted, and what could not be."""

    def __init__(self) -> None:
        self.removed = DeletedFiles(0, 0)
        self.errors: list[str] = []
        #: Entries that cannot be read, and why: whether they are meant is not known.
        self.unread: list[tuple[str, str]] = []

    def version(self, version: StoredVersion) -> None:
        """Delete all of a version, and the folder of its function if that is empty then."""
        self._attempt(version.remove)
        with suppress(OSError):
            version.function.folder.rmdir()

    def file(self, file: StoredFile) -> None:
        """Delete one entry, or other file."""
        self._attempt(lambda: DeletedFiles(1, file.bytes) if file.remove() else DeletedFiles(0, 0))

    def end(self) -> None:
        """Say what could not be deleted, and end the command with a failure if there is anything."""
        for error in self.told():
            click.echo(f"Error: {error}", err=True)
        if self.errors or self.unread:
            sys.exit(PROBLEMS_FOUND)

    def told(self) -> list[str]:
        """What went wrong, a line for each kind."""
        unread = [
            f"{f'{count} entries stay' if count > 1 else 'an entry stays'}: {text}"
            for count, text in grouped(self.unread)
        ]
        return [*self.errors, *unread]

    def _attempt(self, remove: Callable[[], DeletedFiles]) -> None:
        try:
            removed = remove()
        except OSError as error:
            self.errors.append(str(error))
        else:
            self.removed = DeletedFiles(*map(sum, zip(self.removed, removed, strict=True)))


def _row(what: str, amount: DeletedFiles, version: StoredVersion | None = None) -> dict[str, Any]:
    return {
        "what": what,
        "function": version.function._label if version else None,
        "version": version.definition if version else None,
        **amount._asdict(),
    }


def _sum(files: Iterable[StoredFile]) -> DeletedFiles:
    sizes = [file.bytes for file in files]
    return DeletedFiles(len(sizes), sum(sizes))
