"""``funes verify``: compares stored files with their checksums."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from funes._results.cache import Cache, StoredObject
from funes._results.stored import StoredEntry
from funes._tools.cli import options, resolve
from funes._tools.cli.exit_codes import PROBLEMS_FOUND
from funes._tools.cli.output import Column, print_json, print_rows, progress
from funes._tools.cli.units import bytes_shown

_COLUMNS = (Column("state"), Column("path", below=True), Column("text", below=True))


@click.command(short_help="Compare every byte that is stored with its checksum.")
@click.argument("function", required=False)
@options.cache
@options.as_json
def command(*, function: str | None, cache: Cache, as_json: bool) -> None:
    """Compare every byte of every entry and large argument, or of the entries of FUNCTION, with its checksum.

    With FUNES_SIGNING_KEY, signatures are verified too. Nothing is unpickled, moved or repaired: a call that needs
    a damaged entry moves it to the folder "damaged" and computes the result again.

    \b
    state   the state of the file:
              damaged      it differs from what was written
              foreign      it is not signed with the signing key in use
              format       it is in another version of the format
              unreadable   it cannot be read now
              set aside    a call found it damaged, moved it to "damaged", and computed the result again
    path    the path of the file
    text    the reason

    Exit code: 1 if there is any of the first four.
    """
    functions = cache.functions() if function is None else [resolve.function_named(cache, function)]
    versions = [version for each in functions for version in each.versions()]
    count = sum(version.summary.entries for version in versions)
    whole = function is None
    count += sum(1 for _ in cache.objects()) if whole else 0

    def files() -> Iterator[StoredEntry | StoredObject]:
        for version in versions:
            yield from version.entries()
        if whole:
            yield from cache.objects()

    problems: list[dict[str, Any]] = []
    verified, size = 0, 0
    for file in progress(files(), count, "verify"):
        result = file.verify()
        if result.state == "absent":  # deleted since it was listed
            continue
        verified, size = verified + 1, size + file.bytes
        if not result.is_sound:
            problems.append({"state": result.state, "path": str(file.path), "text": result.text})
    damaged = cache.damaged() if whole else (file for each in versions for file in each.damaged())
    listed = problems + [
        {"state": "set aside", "path": str(file.path), "text": "an earlier call found it damaged"}
        for file in damaged
    ]
    if as_json:
        print_json({"files": verified, "bytes": size, "sound": not problems, "problems": listed})
    else:
        print_rows(listed, _COLUMNS)
        found = f"{len(problems)} not in order" if problems else "all in order"
        click.echo(
            f"verified {verified} file{'s' * (verified != 1)}, {bytes_shown(size)}: {found}",
            err=True,
        )
    if problems:
        sys.exit(PROBLEMS_FOUND)
