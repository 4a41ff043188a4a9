"""``funes du``: what takes how much room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from funes._cli import match, options
from funes._cli.output import Column, print_rows
from funes._cli.room import room_of
from funes._cli.units import bytes_shown
from funes._entries.cache import Cache
from funes._funes import OBJECTS

__all__ = ["command"]

_COLUMNS = (
    Column("bytes", bytes_shown, right=True),
    Column("files", right=True),
    Column("name"),
)


@click.command(short_help="Add up the sizes of files, by function or by version.")
@click.argument("function", required=False)
@options.cache
@options.as_json
def command(*, function: str | None, cache: Cache, as_json: bool) -> None:
    """Add up the sizes of files, by function, or by version of FUNCTION; the largest first.

    All files in a folder count, those of others too: damaged entries, notes, unfinished files. Large arguments, which
    functions share, are in "objects". The last row is the total.

    \b
    bytes   the sizes of the files, not the blocks that they take
    files   how many there are
    name    function or version
    """
    if function is None:
        found = [_row(each.name, each.folder) for each in cache.functions()]
        found.append(_row(OBJECTS, cache.path / OBJECTS))
    else:
        versions = match.function_named(cache, function).versions()
        found = [_row(version.definition, version.folder) for version in versions]
    rows = sorted(
        (row for row in found if row["files"]), key=lambda row: (-row["bytes"], row["name"])
    )
    total = {name: sum(row[name] for row in rows) for name in ("bytes", "files")}
    print_rows([*rows, {**total, "name": "total"}], _COLUMNS, as_json=as_json)


def _row(name: str, folder: Path) -> dict[str, Any]:
    return {"name": name, **room_of(folder)._asdict(), "folder": str(folder)}
