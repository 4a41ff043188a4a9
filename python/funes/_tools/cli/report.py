"""``funes report``: makes a page of results for a browser."""

from __future__ import annotations

import os

import click

from funes._results.cache import Cache
from funes._results.report import page
from funes._results.report.functions import Function
from funes._results.stored import StoredFunction
from funes._results.units import bytes_shown
from funes._tools.cli import options, resolve
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import progress
from funes._warnings import grouped, one_line, warn
from funes.errors import FunesError


@click.command(short_help="Make a page of results for a browser, in one file.")
@click.argument("functions", metavar="[FUNCTION]...", nargs=-1)
@click.option("--output", "-o", metavar="FILE", required=True, help="The file to write.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="The maximum number of results on the page. Functions share it, and show those that were stored last.",
)
@options.cache
def command(*, functions: tuple[str, ...], output: str, limit: int, cache: Cache) -> None:
    """Make a page of the results of all functions, or of each FUNCTION, for a browser.

    The page is one file that loads nothing. For each function it has a table that can be sorted and filtered, charts
    whose axes the reader chooses, what is known of each result, and the versions with their changes. An overview shows
    the run time that was computed and the run time that hits saved.

    Results are unpickled, which imports the modules of their classes and may run any code: use it with folders that
    you trust. Outputs of files of more than 1 MiB are not loaded.

    Exit code: 1 if there are no results, or if the file cannot be written. Results that cannot be read are left out
    with a warning.
    """
    chosen = [resolve.function_named(cache, name) for name in functions] or cache.functions()
    options.find_code()
    failures: list[tuple[str, str]] = []
    described = []
    shares = _shares([_count(function) for function in chosen], limit)
    for function, share in progress(list(zip(chosen, shares, strict=True)), len(chosen), "report"):
        found = _described(function, share, failures)
        if found is not None and found.selected:
            described.append(found)
    for number, text in grouped(failures):
        left = "a result is" if number == 1 else f"{number} results are"
        warn(f"{left} left out: {text}")
    if not described:
        raise NotFound("there are no results")
    described.sort(key=lambda each: -sum(version.computed for version in each.versions))
    title = f"Results of {described[0].name}" if len(described) == 1 else "Results"
    try:
        page.write(output, page.page(title, described, str(cache.path)))
    except OSError as error:
        raise NotFound(f"the page cannot be written: {one_line(error)}") from error
    results = sum(each.shown for each in described)
    of = f"{len(described)} function{'s' * (len(described) != 1)}"
    size = bytes_shown(os.path.getsize(output))
    click.echo(f"wrote {output}: {results:,} results of {of}, {size}", err=True)


def _count(function: StoredFunction) -> int:
    return sum(version.summary.entries for version in function.versions())


def _shares(counts: list[int], limit: int) -> list[int]:
    """Shares a number of results among functions: evenly, but what one does not need is left to the rest.

    >>> _shares([5, 100, 300], 205)
    [5, 100, 100]
    """
    shares = [0] * len(counts)
    by_count = sorted(range(len(counts)), key=lambda at: counts[at])
    for done, at in enumerate(by_count):
        shares[at] = min(counts[at], limit // (len(counts) - done))
        limit -= shares[at]
    return [max(1, share) for share in shares]


def _described(
    function: StoredFunction, limit: int, failures: list[tuple[str, str]]
) -> Function | None:
    try:
        results = function.results()
    except FunesError as error:
        failures.append((str(function.folder), str(error)))
        return None
    results._skip = lambda path, reason: failures.append((path, reason))
    return results._described(limit, function._label)
