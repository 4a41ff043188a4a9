"""``funes verify``: compares stored files with their checksums."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from funes._entries.cache_folder import is_url
from funes._results.cache import StoredObject, open_cache
from funes._results.stored import StoredEntry
from funes._results.units import bytes_shown
from funes._tools.cli import completion, options, resolve
from funes._tools.cli.exit_codes import PROBLEMS_FOUND, NotFound
from funes._tools.cli.output import PROBLEMS, print_json, print_rows, progress


@click.command(
    "verify",
    cls=options.BucketCommand,
    short_help="Compare every byte that is stored with its checksum.",
)
@click.argument("function", type=completion.FUNCTION, required=False)
@click.option(
    "--sent-from",
    metavar="DIR",
    help="With a bucket: also list the results of DIR that are not there.",
)
@options.cache_or_bucket
@options.as_json
def command(
    *, function: str | None, sent_from: str | None, place: str | None, as_json: bool
) -> None:
    """Compare every byte of every entry and large argument, or of the entries of FUNCTION, with its checksum.

    With FUNES_SIGNING_KEY, signatures are verified too. Nothing is unpickled, moved or repaired: a call that needs
    a damaged entry moves it to the folder "damaged" and computes the result again.

    \b
    state   the state of the file:
              damaged      it differs from what was written
              foreign      it is not signed with the signing key in use
              format       it is in another version of the format
              unreadable   it cannot be read now
              not sent     it is in the folder, and not in the bucket
              set aside    a call found it damaged, moved it to "damaged", and computed the result again
    path    the path of the file
    text    the reason

    `funes verify URL` receives and verifies every object of a bucket, which takes as long as receiving all of it.
    `funes verify DIR URL` is short for --sent-from.

    Exit code: 1 if there is any of the first five.
    """
    if place is not None and is_url(place):
        _verify_bucket(place, function, sent_from, as_json)
        return
    if sent_from is not None:
        raise click.UsageError("--sent-from needs the URL of a bucket")
    cache = options.opened(place)
    functions = resolve.functions_named(cache, function)
    versions = [version for each in functions for version in each.versions()]
    count = sum(version.summary.entries for version in versions)
    whole = function is None
    count += sum(1 for _ in cache.objects()) if whole else 0

    def files() -> Iterator[StoredEntry | StoredObject]:
        for version in versions:
            yield from version.entries(errors=True)
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
    for version in versions:
        for packed, _, damage in version.verify_packed():
            text = "; ".join(f"at byte {offset}: {what}" for offset, what in damage)
            if damage:
                problems.append({"state": "damaged", "path": packed, "text": text})
    damaged = cache.damaged() if whole else (file for each in versions for file in each.damaged())
    listed = problems + [
        {"state": "set aside", "path": str(file.path), "text": "an earlier call found it damaged"}
        for file in damaged
    ]
    _report(listed, len(problems), (verified, "file", size), as_json=as_json)


def _report(
    listed: list[dict[str, Any]], unsound: int, verified: tuple[int, str, int], *, as_json: bool
) -> None:
    """Prints what was found, and ends the command with exit code 1 if something is not in order.

    Args:
        listed: The rows to print.
        unsound: The number of those that are not in order.
        verified: The number of files or objects, what they are, and their bytes.
        as_json: If true, JSON is printed.
    """
    count, what, size = verified
    if as_json:
        print_json({"files": count, "bytes": size, "sound": not unsound, "problems": listed})
    else:
        print_rows(listed, PROBLEMS)
        state = f"{unsound} not in order" if unsound else "all in order"
        shown = f"verified {count} {what}{'s' * (count != 1)}, {bytes_shown(size)}: {state}"
        if not count and not unsound:
            shown = f"there are no {what}s to verify"
        click.echo(shown, err=True)
    if unsound:
        sys.exit(PROBLEMS_FOUND)


def _verify_bucket(url: str, function: str | None, sent_from: str | None, as_json: bool) -> None:
    from funes._remote.bucket import BucketError
    from funes._remote.transfer import Job, pushed, run_all, verified
    from funes._tools.cli import buckets

    mirror = buckets.mirror_of(url)
    versions = buckets.chosen(open_cache(mirror.path), function, ())
    found = list(verified(mirror, versions, function is None))
    jobs = [each for each in found if isinstance(each, Job)]
    problems = [each for each in found if not isinstance(each, Job)]
    unsent: list[Job] = []
    try:
        problems += [each for each in progress(run_all(jobs), len(jobs), "verify") if each]
        if sent_from is not None:
            cache = options.opened(sent_from)
            chosen = buckets.chosen(cache, function, ())
            unsent = [
                each
                for each in pushed(mirror.remote, cache._store, chosen, None)
                if isinstance(each, Job)
            ]
    except (BucketError, OSError) as error:
        raise NotFound(str(error)) from error
    listed = [{"state": each.state, "path": each.place, "text": each.text} for each in problems]
    listed += [
        {
            "state": "not sent",
            "path": str(each.version.folder),
            "text": f"{each.what}, {bytes_shown(each.bytes)}",
        }
        for each in unsent
        if each.version
    ]
    size = sum(job.bytes for job in jobs)
    _report(listed, len(listed), (len(jobs), "object", size), as_json=as_json)
