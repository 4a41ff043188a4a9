"""``funes verify``: whether everything stored is what was written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from funes._results.cache import Cache, StoredObject
from funes._results.stored import StoredEntry
from funes._tools.cli import options, resolve
from funes._tools.cli.exit_codes import PROBLEMS_FOUND
from funes._tools.cli.output import Column, print_json, print_rows
from funes._tools.cli.progress import progress
from funes._tools.cli.units import bytes_shown

_COLUMNS = (Column("state"), Column("path", below=True), Column("text", below=True))


@click.command(short_help="Compare every byte that is stored with its checksum.")
@click.argument("function", required=False)
@options.cache
@options.as_json
def command(*, function: str | None, cache: Cache, as_json: bool) -> None:
    """Compare every byte of every entry and large argument with its checksum, or of those of FUNCTION.

    With FUNES_SIGNING_KEY, signatures are verified too. Nothing is unpickled, moved or repaired: the call that needs
    a damaged entry moves it to "damaged" and computes the result again.

    \b
    state   what the file at the path is:
              damaged      not what was written
              foreign      not signed with the key in use
              format       in another version of the format
              unreadable   not to be read now
              set aside    found damaged by an earlier call, which moved it to "damaged" and computed it again
    path    the file
    text    what is the matter

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
        verdict = file.verify()
        if verdict.state == "absent":  # deleted since it was listed
            continue
        verified, size = verified + 1, size + file.bytes
        if not verdict.is_sound:
            problems.append({"state": verdict.state, "path": str(file.path), "text": verdict.text})
    aside = cache.damaged() if whole else (file for each in versions for file in each.damaged())
    listed = problems + [
        {"state": "set aside", "path": str(file.path), "text": "found damaged by an earlier call"}
        for file in aside
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
