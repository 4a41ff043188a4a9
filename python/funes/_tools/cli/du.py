"""``funes du``: what takes how much room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from funes._funes import OBJECTS
from funes._results.cache import Cache
from funes._results.stored import StoredFunction, functions_in
from funes._tools.cli import options, resolve
from funes._tools.cli.disk_usage import disk_room_of
from funes._tools.cli.output import Column, print_rows
from funes._tools.cli.units import bytes_shown

_COLUMNS = (
    Column("bytes", bytes_shown, right=True),
    Column("files", right=True),
    Column("name"),
)


@click.command(short_help="Add up what files take on disk, by function or by version.")
@click.argument("function", required=False)
@options.cache
@options.as_json
def command(*, function: str | None, cache: Cache, as_json: bool) -> None:
    """Add up what files take on disk, by function, or by version of FUNCTION; the largest first.

    All files in a folder count, also those that funes did not write: damaged entries, notes, unfinished files. Large
    arguments, which functions share, are in "objects". The last row is the total.

    \b
    bytes   the blocks that the files take on disk, in bytes
    files   how many there are
    name    function or version
    """
    seen: set[tuple[int, int]] = set()
    if function is None:
        functions = cache.functions()
        found = [_row(each._label, each.folder, seen, each) for each in functions]
        # What lies beside the versions of several functions is none of theirs.
        folders = dict.fromkeys(each.folder for each in functions)
        found += [_row(f"{folder.name}/", folder, seen) for folder in folders]
        objects = cache.path / OBJECTS
        found.append(_row(OBJECTS, objects, seen))
    else:
        versions = resolve.function_named(cache, function).versions()
        found = [_row(each.definition, each.folder, seen) for each in versions]
    rows = sorted(
        (row for row in found if row["files"]), key=lambda row: (-row["bytes"], row["name"])
    )
    total = {name: sum(row[name] for row in rows) for name in ("bytes", "files")}
    print_rows([*rows, {**total, "name": "total"}], _COLUMNS, as_json=as_json)


def _row(
    name: str, folder: Path, seen: set[tuple[int, int]], function: StoredFunction | None = None
) -> dict[str, Any]:
    """The room of a folder; of a function that shares its folder with others, that of its versions."""
    parts = [folder]
    if function is not None and len(functions_in(function._store, str(folder))) > 1:
        parts = [version.folder for version in function.versions()]
    rooms = [disk_room_of(part, seen) for part in parts]
    total = {part: sum(getattr(room, part) for room in rooms) for part in ("files", "bytes")}
    return {"name": name, **total, "folder": str(folder)}
