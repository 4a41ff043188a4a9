"""Commands that use a bucket: opening it, and sending or receiving files."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from funes._entries.remote_url import checked_url
from funes._remote.bucket import BucketError
from funes._remote.mirror import Mirror
from funes._remote.remote import Remote
from funes._remote.transfer import Job, Problem, run_all
from funes._results.cache import Cache
from funes._results.stored import StoredVersion
from funes._results.stored_files import DeletedFiles
from funes._tools.cli import options, resolve
from funes._tools.cli.deletion import COLUMNS, counted
from funes._tools.cli.exit_codes import PROBLEMS_FOUND, NotFound
from funes._tools.cli.output import PROBLEMS, print_json, print_rows, progress
from funes._tools.cli.units import age

_Command = TypeVar("_Command", bound=Callable[..., Any])


def opened(url: str) -> Remote:
    """Opens the bucket at a URL.

    Raises:
        click.UsageError: The URL is not allowed, or obstore is missing.
        NotFound: The bucket cannot be used.
    """
    try:
        return Remote(checked_url("URL", url))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except ImportError as error:
        raise click.UsageError("buckets need obstore: pip install 'funes[remote]'") from error
    except BucketError as error:
        raise NotFound(str(error)) from error


def mirror_of(url: str, *, with_objects: bool = True) -> Mirror:
    """Lists the bucket at a URL, also its large arguments. Raises the errors of `opened`."""
    remote = opened(url)
    try:
        return Mirror(remote, with_objects=with_objects)
    except (BucketError, OSError) as error:
        raise NotFound(str(error)) from error


def transfer(done: str) -> Callable[[_Command], _Command]:
    """Adds the arguments and options of a command that sends or receives files.

    Args:
        done: What it does with a file, in the past: "sent" or "received".
    """

    def add(command: _Command) -> _Command:
        command = options.as_json(command)
        dry_run = f"Only show what would be {done}."
        command = click.option("--dry-run", "-n", is_flag=True, help=dry_run)(command)
        command = _filters(command)
        command = click.argument("url", metavar="URL")(command)
        return click.argument("cache_dir", metavar="DIR")(command)

    return add


def _filters(command: _Command) -> _Command:
    """Adds the options ``--function``, ``--version`` and ``--newer-than``."""
    for option in (
        click.option(
            "--newer-than",
            type=age,
            metavar="AGE",
            help="Only results stored within this time: 7d, 12h.",
        ),
        click.option(
            "--version",
            "versions",
            metavar="HASH",
            multiple=True,
            help="A version of the function: the first digits of its hash. May be repeated.",
        ),
        click.option("--function", metavar="NAME", help="Only the results of this function."),
    ):
        command = option(command)
    return command


def chosen(cache: Cache, function: str | None, versions: tuple[str, ...]) -> list[StoredVersion]:
    """Returns the versions that the filters select, each once.

    Raises:
        NotFound, click.UsageError: As `resolve.function_named` and `resolve.versions_named`.
    """
    if function is None:
        if versions:
            raise click.UsageError("--version needs --function")
        return list(cache._versions())
    found = resolve.function_named(cache, function)
    return resolve.versions_named(found, versions) if versions else found.versions()


def since(newer_than: float | None) -> float | None:
    """Returns the time from which results are selected, in seconds since 1970."""
    return None if newer_than is None else time.time() - newer_than


def carry_out(found: Iterable[Job | Problem], done: str, *, dry_run: bool, as_json: bool) -> None:
    """Runs jobs, prints what was done, and ends the command with exit code 1 if there are problems.

    Args:
        found: The jobs, and the problems that were found before.
        done: What a job does, in the past: "sent" or "received".
        dry_run: If true, nothing is run.
        as_json: If true, JSON is printed.
    """
    jobs: list[Job] = []
    problems: list[Problem] = []
    failure: str | None = None
    carried: list[Job] = []
    try:
        for each in found:
            if isinstance(each, Job):
                jobs.append(each)
            else:
                problems.append(each)
        if dry_run:
            carried = jobs
        else:
            for job, problem in zip(jobs, progress(run_all(jobs), len(jobs), done), strict=True):
                if problem is None:
                    carried.append(job)
                else:
                    problems.append(problem)
    except (BucketError, OSError) as error:
        failure = str(error)
    rows = _rows(carried)
    shown = [{"state": each.state, "path": each.place, "text": each.text} for each in problems]
    if as_json:
        left = len(jobs) - len(carried)
        print_json({done: rows, "left": left, "problems": shown, "failure": failure})
    else:
        print_rows(rows, COLUMNS)
        print_rows(shown, PROBLEMS)
        amount = DeletedFiles(len(carried), sum(job.bytes for job in carried))
        click.echo(f"{counted(amount)} {'to be ' if dry_run else ''}{done}", err=True)
    if failure is not None:
        raise NotFound(f"{failure}. Run the command again: it goes on with what is left")
    if problems:
        sys.exit(PROBLEMS_FOUND)


def _rows(jobs: Iterable[Job]) -> list[dict[str, Any]]:
    found: dict[tuple[Any, ...], list[int]] = {}
    for job in jobs:
        version = job.version
        about = (version.function.name, version.definition) if version else (None, None)
        found.setdefault((job.what, *about), []).append(job.bytes)
    return [
        {
            "what": what,
            "function": name,
            "version": definition,
            "files": len(sizes),
            "bytes": sum(sizes),
        }
        for (what, name, definition), sizes in found.items()
    ]
