"""``funes rm``: forget what is named."""

from __future__ import annotations

from typing import Any

import click

from funes._results.cache import Cache
from funes._results.filters import condition
from funes._results.stored import StoredEntry, StoredFunction, StoredVersion, inputs_of
from funes._results.stored_files import DeletedFiles
from funes._tools.cli import options, resolve
from funes._tools.cli.deletion import COLUMNS, Removal, counted, rows_of
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import print_json, print_rows
from funes._tools.cli.progress import progress
from funes._warnings import one_line


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

    VERSION is the beginning of a definition hash, as `funes ls FUNCTION` shows it. Without any, all versions count, but
    those that another function with the same code has, too. With --where, entries go whose arguments have these values;
    to find them, the arguments of all are unpickled, which imports the modules of their classes.

    Large arguments stay until `funes gc`. Programs that run meanwhile go on; they compute again what they miss.

    \b
    what       version or entries
    function   its name
    version    the definition hash
    files      how many
    bytes      their sizes

    Exit code: 1 if there is nothing to delete, or something could not be deleted.
    """
    found = resolve.function_named(cache, function)
    removal = Removal()
    chosen = resolve.versions_named(found, versions) if versions else _own(found)
    entries = _entries(cache, chosen, where, removal) if where else []
    rows = rows_of(entries=entries) if where else rows_of(chosen)
    if not rows:
        removal.end()
        raise NotFound(
            "there is no such entry" if where else f"nothing is stored of {found._label} alone"
        )
    total = DeletedFiles(sum(row["files"] for row in rows), sum(row["bytes"] for row in rows))
    if not as_json:
        print_rows(rows, COLUMNS)
    if not dry_run:
        options.confirm(f"Delete {counted(total)}, of {found._label}?", yes)
        for entry in entries:
            removal.file(entry)
        for version in () if where else chosen:
            removal.version(version)
    if as_json:
        done = {"deleted": removal.removed._asdict(), "errors": removal.told()}
        print_json({"delete": rows, **done})
    else:
        text = (
            f"would delete {counted(total)}" if dry_run else f"deleted {counted(removal.removed)}"
        )
        click.echo(text, err=True)
    removal.end()


def _own(function: StoredFunction) -> list[StoredVersion]:
    """The versions of a function, but for those that are another one's, too; says which these are."""
    own = []
    for version in function.versions():
        others = version.shared_with
        if others:
            text = (
                f"version {version.definition[:12]} stays: it has results of {', '.join(others)} too,"
                " whose code is the same; name the version to delete it"
            )
            click.echo(text, err=True)
        else:
            own.append(version)
    return own


def _entries(
    cache: Cache, versions: list[StoredVersion], where: dict[str, Any], removal: Removal
) -> list[StoredEntry]:
    """The entries whose arguments have these values. Of what cannot be read it is not known, and it stays."""
    options.find_code()
    try:
        fulfils = condition(cache._store, where, *inputs_of(versions))
    except KeyError as error:
        raise NotFound(error.args[0]) from error
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
            reason = f"{entry.path} cannot be read ({one_line(error)})"
            removal.unread.append((str(entry.path), reason))

    for entry in progress(entries, count, "read", unit="entry"):
        look(entry)
    return found
