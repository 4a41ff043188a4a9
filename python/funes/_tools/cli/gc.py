"""``funes gc``: deletes old and superseded versions, and entries above a size limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from funes._results.cache import Cache, open_cache
from funes._results.stored import StoredEntry, StoredVersion
from funes._results.stored_files import DeletedFiles
from funes._tools.cli import options
from funes._tools.cli.deletion import COLUMNS, Removal, counted, rows_of
from funes._tools.cli.gc_plan import Limits, Plan, is_dispensable, last_used, plan
from funes._tools.cli.output import print_json, print_rows, progress
from funes._tools.cli.units import age, bytes_shown, size


@click.command(short_help="Delete old versions, and entries above a limit. Asks first.")
@click.option(
    "--older-than",
    type=age,
    metavar="AGE",
    help="Delete versions not used for this long: 90d, 12h.",
)
@click.option(
    "--keep-versions",
    type=click.IntRange(0),
    metavar="N",
    help="Delete versions if N versions of the same function were used later.",
)
@click.option(
    "--max-bytes",
    type=size,
    metavar="SIZE",
    help="Then delete the least valuable entries until this size is left: 10G.",
)
@click.option("--dry-run", "-n", is_flag=True, help="Only show what would be deleted.")
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
    """Delete old versions, and entries above a limit, after asking.

    1. Deletes whole versions that meet --older-than and --keep-versions; both, if both are given. A version was last
    used when its last result was stored, or when a process that had hits ended.

    2. Deletes quarantined entries that are older than --older-than.

    3. Deletes large arguments that no entry refers to, unless they were stored or came into use within the last day.

    4. If the remaining entries and large arguments take more than --max-bytes, deletes quarantined entries, then
    entries of any version, with the large arguments that only they refer to. Entries that save the fewest seconds per
    byte go first, by their run time and the uses of their version. If the limit cannot be reached, no entry is
    deleted.

    Without any of the three options only step 3 runs. Running programs are not disturbed; they compute missing results
    again. Entries that are stored or used meanwhile stay.

    \b
    what       version, entries, damaged or objects (large arguments)
    function   the name of the function
    version    the definition hash
    files      the number of files
    bytes      the total size of the files

    Exit code: 1 if something could not be deleted, or --max-bytes cannot be reached.
    """
    # Only run times and references are needed. Verifying would read every entry completely.
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
            " cannot be deleted now, since they were stored or used within the last day, or since entries cannot"
            " be read; no entry was deleted"
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
    return progress(entries, count, "read")


def _carry_out(found: Plan, removal: Removal) -> None:
    for version in found.versions:
        if last_used(StoredVersion(version.function, version.definition)) > last_used(version):
            removal.errors.append(f"{version.folder} stays: it was used meanwhile")
        else:
            removal.version(version)
    for file in (*found.entries, *found.damaged):
        removal.file(file)
    for each in found.objects:
        if is_dispensable(each):
            removal.file(each)
