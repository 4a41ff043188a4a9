"""Lists files before they are deleted, deletes them, and reports errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from funes._funes import close_segments
from funes._results.stored import StoredEntry, StoredVersion
from funes._results.stored_files import DeletedFiles, StoredFile
from funes._results.units import bytes_shown
from funes._tools.cli.exit_codes import PROBLEMS_FOUND
from funes._tools.cli.output import Column
from funes._warnings import grouped, one_line

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
    **more: Iterable[StoredFile],
) -> list[dict[str, Any]]:
    """Makes a row for each version to delete, for each version with entries to delete, and for each keyword."""
    rows = [_row("version", _size_of(version.folder), version) for version in versions]
    by_version: dict[StoredVersion, list[StoredFile]] = {}
    for entry in entries:
        by_version.setdefault(entry.version, []).append(entry)
    rows += [_row("entries", _sum(files), version) for version, files in by_version.items()]
    rows += [_row(what, _sum(files)) for what, files in more.items()]
    return [row for row in rows if row["files"]]


def total_of(rows: Sequence[dict[str, Any]]) -> DeletedFiles:
    """Sums up the files of rows."""
    return DeletedFiles(sum(row["files"] for row in rows), sum(row["bytes"] for row in rows))


def counted(amount: DeletedFiles) -> str:
    """Formats a number of files: ``3 files, 1.2 MiB``."""
    return f"{amount.files} file{'s' * (amount.files != 1)}, {bytes_shown(amount.bytes)}"


class Removal:
    """Deletes files, and collects errors."""

    def __init__(self) -> None:
        self.removed = DeletedFiles(0, 0)
        self.errors: list[str] = []
        #: The paths and reasons of entries that cannot be read, so that `--where` cannot be
        #: checked.
        self.unread: list[tuple[str, str]] = []

    def version(self, version: StoredVersion) -> None:
        """Deletes a version, then the folder of its function if the folder is empty."""
        self._attempt(version.remove)
        with suppress(OSError):
            version.function.folder.rmdir()

    def file(self, file: StoredFile) -> None:
        """Deletes an entry or another file."""
        self._attempt(lambda: DeletedFiles(1, file.bytes) if file.remove() else DeletedFiles(0, 0))

    def pack(self, version: StoredVersion) -> None:
        """Packs a version, to free the space of deleted results."""
        close_segments()  # the segment that marks them as deleted
        try:
            version.pack(files=False)
        except OSError as error:
            self.errors.append(one_line(error))

    def end(self) -> None:
        """Prints the errors, and ends the command with exit code 1 if there are any."""
        for error in self.messages():
            click.echo(f"Error: {error}", err=True)
        if self.errors or self.unread:
            sys.exit(PROBLEMS_FOUND)

    def messages(self) -> list[str]:
        """Lists the errors, one line for each kind."""
        unread = [
            f"{f'{count} entries stay' if count > 1 else 'an entry stays'}: {text}"
            for count, text in grouped(self.unread)
        ]
        return [*self.errors, *unread]

    def _attempt(self, remove: Callable[[], DeletedFiles]) -> None:
        try:
            removed = remove()
        except OSError as error:
            self.errors.append(one_line(error))
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


def _size_of(folder: Path) -> DeletedFiles:
    """Counts the files in a folder and its subfolders, without following links."""
    sizes = []
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # deleted meanwhile
                sizes.append(os.lstat(os.path.join(parent, name)).st_size)
    return DeletedFiles(len(sizes), sum(sizes))
