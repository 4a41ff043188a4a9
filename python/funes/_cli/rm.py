"""``funes rm``: forget what is named."""

from __future__ import annotations

from typing import Any

import click

from funes._cli import match, options
from funes._cli.collecting import adopted_by
from funes._cli.exits import NotThere
from funes._cli.output import print_json, print_rows
from funes._cli.progress import progress
from funes._cli.removal import COLUMNS, Removal, counted, rows_of
from funes._entries.cache import Cache
from funes._entries.entry import StoredEntry
from funes._entries.files import Removed
from funes._entries.version import StoredVersion
from funes._entries.where import condition
from funes._warn import one_line

__all__ = ["command"]


@click.command(short_help="Delete what is stored of FUNCTION, after asking.")
@click.argument("function")
@click.argument("versions", nargs=-1, metavar="[VERSION]...")
@options.where
@click.option("--dry-run", "-n", is_flag=True, help="Only say what would be deleted.")
@options.yes
@options.cache
@options.as_json
def command(
    *,
    function: str,
    versions: tuple[str, ...],
    where: dict[str, Any],
    dry_run: bool,
    yes: bool,
    cache: Cache,
    as_json: bool,
) -> None:
    """Delete what is stored of FUNCTION, after asking: all of it, some VERSIONs, or some entries.

    VERSION is the beginning of a definition hash, as `funes ls FUNCTION` shows it. Without any, all versions count.
    With --where, entries go whose arguments have these values; to find them, the arguments of all are unpickled, which
    imports the modules of their classes.

    Large arguments stay until `funes gc`. Programs that run meanwhile go on; they compute again what they miss.

    \b
    what       version or entries
    function   its name
    version    the definition hash
    files      how many
    bytes      their sizes

    Exit code: 1 if there is nothing to delete, or something could not be deleted.
    """
    found = match.function_named(cache, function)
    chosen = match.versions_named(found, versions) if versions else found.versions()
    removal = Removal()
    entries = _entries(cache, chosen, where, removal) if where else []
    rows = rows_of(entries=entries) if where else rows_of(chosen)
    if not rows:
        removal.end()
        raise NotThere("there is no such entry" if where else f"nothing is stored of {found.name}")
    total = Removed(sum(row["files"] for row in rows), sum(row["bytes"] for row in rows))
    if not as_json:
        print_rows(rows, COLUMNS)
    if not where:
        _tell_whom_they_serve(chosen, found.versions())
    if not dry_run:
        options.confirm(f"Delete {counted(total)}, of {found.name}?", yes)
        for entry in entries:
            removal.file(entry)
        for version in () if where else chosen:
            removal.version(version)
    if as_json:
        done = {"deleted": removal.removed._asdict(), "errors": removal.errors}
        print_json({"delete": rows, **done})
    else:
        text = (
            f"would delete {counted(total)}" if dry_run else f"deleted {counted(removal.removed)}"
        )
        click.echo(text, err=True)
    removal.end()


def _tell_whom_they_serve(chosen: list[StoredVersion], versions: list[StoredVersion]) -> None:
    gone = {version.definition for version in chosen}
    for version in versions:
        for served in sorted(gone & adopted_by(version)) if version.definition not in gone else ():
            text = f"results of {served[:8]} serve {version.definition[:8]} (adopted)"
            click.echo(text, err=True)


def _entries(
    cache: Cache, versions: list[StoredVersion], where: dict[str, Any], removal: Removal
) -> list[StoredEntry]:
    """The entries whose arguments have these values. Of what cannot be read it is not known, and it stays."""
    fulfils = condition(cache._store, where, None, None)
    count = sum(version.summary.entries for version in versions)
    entries = (entry for version in versions for entry in version.entries())
    found = []

    def look(entry: StoredEntry) -> None:
        try:
            if fulfils is not None and fulfils({"input": entry.input}):
                found.append(entry)
        except FileNotFoundError:  # deleted since it was listed
            return
        except Exception as error:
            removal.errors.append(f"{entry.path} cannot be read, and stays ({one_line(error)})")

    for entry in progress(entries, count, "read", unit="entry"):
        look(entry)
    return found
