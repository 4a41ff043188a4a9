"""``funes gc``: deletes old and superseded versions, and entries above a size limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from funes._entries.cache_folder import is_url
from funes._results.cache import StoredRun, open_cache
from funes._results.gc_plan import Limits, Plan, is_dispensable, last_used, plan, rewritten
from funes._results.stored import StoredEntry, StoredVersion
from funes._results.units import bytes_shown
from funes._tools.cli import options
from funes._tools.cli.deletion import COLUMNS, Removal, counted, rows_of, total_of
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import print_json, print_rows, progress
from funes._tools.cli.units import age, size
from funes._warnings import one_line


@click.command(
    "gc",
    cls=options.BucketCommand,
    short_help="Delete old versions, and entries above a limit. Asks first.",
)
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
@options.cache_or_bucket
@options.as_json
def command(
    *,
    older_than: float | None,
    keep_versions: int | None,
    max_bytes: int | None,
    dry_run: bool,
    yes: bool,
    place: str | None,
    as_json: bool,
) -> None:
    """Delete old versions, and entries above a limit, after asking.

    1. Deletes whole versions that meet --older-than and --keep-versions; both, if both are given. A version was last
    used when its last result was stored, or when a process that had hits ended.

    2. Deletes quarantined entries that are older than --older-than.

    3. Deletes large arguments that no entry refers to, unless they were stored or came into use within the last day,
    and records of runs of which no entry was left.

    4. If the remaining entries and large arguments take more than --max-bytes, deletes quarantined entries, then
    entries of any version, with the large arguments that only they refer to. Entries that save the fewest seconds per
    byte go first, by their run time and the uses of their version. Versions with deleted packed results are
    packed again. If the limit cannot be reached, no entry is
    deleted.

    Without any of the three options only step 3 runs. Running programs are not disturbed; they compute missing results
    again. Entries that are stored or used meanwhile stay.

    `funes gc URL` deletes whole versions of a bucket by --older-than and --keep-versions. A version was last used when
    a result was sent. Large arguments stay.

    \b
    what       version, entries, damaged, objects (large arguments) or runs
    function   the name of the function
    version    the definition hash
    files      the number of files
    bytes      the total size of the files

    Exit code: 1 if something could not be deleted, or --max-bytes cannot be reached.
    """
    if place is not None and is_url(place):
        if max_bytes is not None:
            raise click.UsageError("--max-bytes needs a cache folder: run times are not listed")
        _collect_bucket(place, Limits(older_than, keep_versions, None), dry_run, yes, as_json)
        return
    cache = options.opened(place)
    # Only run times and references are needed. Verifying would read every entry completely.
    cache = open_cache(cache.path, verify="never")
    limits = Limits(older_than, keep_versions, max_bytes)
    found = plan(cache, limits, watch=_watch).with_emptied_versions()
    removal = Removal()
    try:
        runs = cache.unused_runs(found.versions)
    except OSError as error:
        runs = []
        click.echo(f"run records stay, since an entry cannot be read: {one_line(error)}", err=True)
    rows = rows_of(
        found.versions, found.entries, damaged=found.damaged, objects=found.objects, runs=runs
    )
    total = total_of(rows)
    if not as_json:
        print_rows(rows, COLUMNS)
    if found.unread:
        text = f"large arguments stay, since entries cannot be read: {', '.join(found.unread[:3])}"
        click.echo(text, err=True)
    if total.files and not dry_run:
        options.confirm(f"Delete {counted(total)}?", yes)
        _carry_out(found, runs, removal)
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
        text = text if total.files else "nothing to delete"
        click.echo(f"{text}; entries and large arguments: {bytes_shown(found.rest)} left", err=True)
    removal.end()


def _collect_bucket(url: str, limits: Limits, dry_run: bool, yes: bool, as_json: bool) -> None:
    from funes._remote.bucket import BucketError
    from funes._tools.cli.buckets import mirror_of

    mirror = mirror_of(url, with_objects=False)
    found = plan(open_cache(mirror.path, verify="never"), limits, watch=_watch)
    rows = rows_of(found.versions)
    total = total_of(rows)
    if not as_json:
        print_rows(rows, COLUMNS)
    deleted = 0
    if found.versions and not dry_run:
        options.confirm(f"Delete {counted(total)} in {url}?", yes)
        try:
            for version in found.versions:
                folder = f"{version.function.folder.name}/{version.definition}"
                names = [each.name for each in mirror.remote.bucket.objects(folder)]
                mirror.remote.bucket.delete(names)
                deleted += len(names)
        except BucketError as error:
            raise NotFound(str(error)) from error
    if as_json:
        print_json({"delete": rows, "deleted": deleted})
    else:
        text = f"would delete {counted(total)}" if dry_run else f"deleted {deleted} objects"
        click.echo(text, err=True)


def _watch(entries: Iterable[StoredEntry], count: int) -> Iterator[StoredEntry]:
    return progress(entries, count, "read")


def _carry_out(found: Plan, runs: list[StoredRun], removal: Removal) -> None:
    for version in found.versions:
        if last_used(StoredVersion(version.function, version.definition)) > last_used(version):
            removal.errors.append(f"{version.folder} stays: it was used meanwhile")
        else:
            removal.version(version)
    for file in (*found.entries, *found.damaged):
        removal.file(file)
    for version in rewritten(found.entries):
        removal.pack(version)
    for each in found.objects:
        if is_dispensable(each):
            removal.file(each)
    # An entry that stays may carry any record.
    for run in () if removal.errors else runs:
        if is_dispensable(run):
            removal.file(run)
