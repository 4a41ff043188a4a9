"""``funes rm``: deletes results of a function."""

from __future__ import annotations

from typing import Any

import click

from funes._results.cache import Cache
from funes._results.filters import make_filter
from funes._results.stored import StoredEntry, StoredFunction, StoredVersion, inputs_of
from funes._tools.cli import completion, options, resolve
from funes._tools.cli.deletion import COLUMNS, Removal, counted, rows_of, total_of
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import print_json, print_rows, progress
from funes._warnings import one_line


@click.command(short_help="Delete stored results of FUNCTION. Asks first.")
@click.argument("function", type=completion.FUNCTION)
@click.argument("versions", type=completion.VERSION, nargs=-1, metavar="[VERSION]...")
@options.where
@click.option("--dry-run", "-n", is_flag=True, help="Only show what would be deleted.")
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
    """Delete stored results of FUNCTION, after asking: all of them, some VERSIONs, or some entries.

    VERSION is the first digits of a definition hash, as `funes ls FUNCTION` shows it. The default is all versions that
    no other function with the same code shares. With --where, only entries whose arguments have these values are
    deleted; to find them, the arguments of all entries are unpickled, which imports the modules of their classes.

    Large arguments stay until `funes gc`. Running programs are not disturbed; they compute missing results again.

    \b
    what       version or entries
    function   the name of the function
    version    the definition hash
    files      the number of files
    bytes      the total size of the files

    Exit code: 1 if there is nothing to delete, or something could not be deleted.
    """
    found = resolve.function_named(cache, function)
    removal = Removal()
    chosen = resolve.versions_named(found, versions) if versions else _unshared(found)
    entries = _entries(cache, chosen, where, removal) if where else []
    rows = rows_of(entries=entries) if where else rows_of(chosen)
    if not rows:
        removal.end()
        raise NotFound(
            f"no result of {found._label} matches"
            if where
            else f"{found._label} has no unshared results"
        )
    total = total_of(rows)
    if not as_json:
        print_rows(rows, COLUMNS)
    if not dry_run:
        options.confirm(f"Delete {counted(total)}, of {found._label}?", yes)
        for entry in entries:
            removal.file(entry)
        for version in () if where else chosen:
            removal.version(version)
    if as_json:
        done = {"deleted": removal.removed._asdict(), "errors": removal.messages()}
        print_json({"delete": rows, **done})
    else:
        text = (
            f"would delete {counted(total)}" if dry_run else f"deleted {counted(removal.removed)}"
        )
        click.echo(text, err=True)
    removal.end()


def _unshared(function: StoredFunction) -> list[StoredVersion]:
    """Lists the versions of a function that no other function shares, and prints the shared versions."""
    unshared = []
    for version in function.versions():
        sharing = version.shared_with
        if sharing:
            text = (
                f"version {version.definition[:12]} stays: {', '.join(sharing)} has the same code and shares"
                " its results; give the version to delete it"
            )
            click.echo(text, err=True)
        else:
            unshared.append(version)
    return unshared


def _entries(
    cache: Cache, versions: list[StoredVersion], where: dict[str, Any], removal: Removal
) -> list[StoredEntry]:
    """Lists the entries whose arguments have given values. Entries that cannot be read stay."""
    options.find_code()
    try:
        matches = make_filter(cache._store, where, *inputs_of(versions))
    except KeyError as error:
        raise NotFound(error.args[0]) from error
    count = sum(version.summary.entries for version in versions)
    entries = (entry for version in versions for entry in version.entries(errors=True))
    found = []

    def look(entry: StoredEntry) -> None:
        try:
            if matches is not None and matches({"input": entry.input}):
                found.append(entry)
        except FileNotFoundError:  # deleted since it was listed
            return
        except Exception as error:
            reason = f"{entry.path} cannot be read ({one_line(error)})"
            removal.unread.append((str(entry.path), reason))

    for entry in progress(entries, count, "read"):
        look(entry)
    return found
