"""``funes gc``: deletes what is old, superseded or too much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from funes._results.cache import Cache, open_cache
from funes._results.stored import StoredEntry, StoredVersion
from funes._results.stored_files import DeletedFiles
from funes._tools.cli import options
from funes._tools.cli.deletion import COLUMNS, Removal, counted, rows_of
from funes._tools.cli.gc_plan import Limits, Plan, is_dispensable, last_used, plan
from funes._tools.cli.output import print_json, print_rows
from funes._tools.cli.progress import progress
from funes._tools.cli.units import age, bytes_shown, size


@click.command()
@click.option(
    "--older-than", type=age, metavar="AGE", help="Versions not used for so long: 90d, 12h."
)
@click.option(
    "--keep-versions",
    type=click.IntRange(0),
    metavar="N",
    help="Versions of which N of the same function were used later.",
)
@click.option(
    "--max-bytes",
    type=size,
    metavar="SIZE",
    help="Then the least valuable, until so much is left: 10G.",
)
@click.option("--dry-run", "-n", is_flag=True, help="Only say what would be deleted.")
@options.yes
@options.cache
@options.as_json
def command(
    *,
    older_than: float | None,
    keep_versions: int | None,
    max_bytes: int | None,
    dry_run: bool,
    yes: bool,
    cache: Cache,
    as_json: bool,
) -> None:
    """Delete what is old, superseded or too much, after asking.

    1. Whole versions go that meet --older-than and --keep-versions, both if both are given. A version was used last
    when its last result was stored, or when a process that had hits ended.

    2. Damaged entries that were set aside go if they are older than --older-than.

    3. Large arguments go that no entry refers to any more, if none has come to refer to them within a day.

    4. If the entries and large arguments that are left take more than --max-bytes, damaged entries go, then entries of
    any version, with the large arguments that only they refer to: first those that save the fewest seconds per byte,
    by how long they took and how often their version was used. Where so little cannot be reached, none goes.

    Without any of the three options only step 3 is taken. Programs that run meanwhile go on; they compute again what
    they miss. What is stored or used while this runs stays.

    \b
    what       version, entries, damaged or objects (large arguments)
    function   its name
    version    the definition hash
    files      how many
    bytes      their sizes

    Exit code: 1 if something could not be deleted, or --max-bytes cannot be reached.
    """
    # What is asked of entries needs no verifying, which would read all of them.
    cache = open_cache(cache.path, verify="never")
    found = plan(cache, Limits(older_than, keep_versions, max_bytes), watch=_watch)
    rows = rows_of(found.versions, found.entries, damaged=found.damaged, objects=found.objects)
    total = DeletedFiles(sum(row["files"] for row in rows), sum(row["bytes"] for row in rows))
    if not as_json:
        print_rows(rows, COLUMNS)
    if found.unread:
        text = f"large arguments stay, since entries cannot be read: {', '.join(found.unread[:3])}"
        click.echo(text, err=True)
    removal = Removal()
    if total.files and not dry_run:
        options.confirm(f"Delete {counted(total)}?", yes)
        _carry_out(found, removal)
    if max_bytes is not None and found.rest > max_bytes:
        removal.errors.append(
            f"--max-bytes {bytes_shown(max_bytes)} cannot be reached: {bytes_shown(found.fixed)} of large arguments"
            " cannot be deleted now, as they were stored or used within the last day, or as entries cannot be"
            " read; no result was deleted for it"
        )
    if as_json:
        done = {"deleted": removal.removed._asdict(), "errors": removal.errors, "left": found.rest}
        done["fixed"] = found.fixed
        print_json({"delete": rows, **done})
    else:
        text = (
            f"would delete {counted(total)}" if dry_run else f"deleted {counted(removal.removed)}"
        )
        click.echo(f"{text}; entries and large arguments: {bytes_shown(found.rest)} left", err=True)
    removal.end()


def _watch(entries: Iterable[StoredEntry], count: int) -> Iterator[StoredEntry]:
    return progress(entries, count, "read", unit="entry")


def _carry_out(found: Plan, removal: Removal) -> None:
    for version in found.versions:
        if last_used(StoredVersion(version.function, version.definition)) > last_used(version):
            removal.errors.append(f"{version.folder} has been used meanwhile, and stays")
        else:
            removal.version(version)
    for file in (*found.entries, *found.damaged):
        removal.file(file)
    for each in found.objects:
        if is_dispensable(each):
            removal.file(each)
