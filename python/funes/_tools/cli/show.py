"""``funes show``: prints results as rows."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from numbers import Real
from typing import Any

import click

from funes._results.cache import Cache
from funes._results.results import Results
from funes._results.stored import results_of
from funes._results.text import cut
from funes._tools.cli import options, resolve
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import Column, full_repr, in_terminal, print_rows, safe_repr
from funes._warnings import grouped, warn
from funes.errors import FunesError

#: The number of characters of a value that a table shows.
_MAX_CHARACTERS = 60


@click.command(short_help="Print the stored results of FUNCTION as rows.")
@click.argument("function")
@click.option(
    "--version",
    "versions",
    metavar="HASH",
    multiple=True,
    help="A version: the first digits of its hash. May be repeated. The default is the version with the latest result.",
)
@click.option("--all-versions", is_flag=True, help="Select all versions.")
@options.where
@click.option("--inputs-only", is_flag=True, help="Leave outputs out, and do not load them.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with titles.")
@click.option("--parquet", metavar="FILE", help="Write a Parquet file (needs pyarrow or polars).")
@options.cache
@options.as_json
def command(
    *,
    function: str,
    versions: tuple[str, ...],
    all_versions: bool,
    where: dict[str, Any],
    inputs_only: bool,
    as_csv: bool,
    parquet: str | None,
    cache: Cache,
    as_json: bool,
) -> None:
    r"""Print the stored results of FUNCTION as rows, in the order in which they were stored.

    There is a column for each argument, one for the output, or for each key of an output that is a dict, then `time`,
    the run time in seconds, and `definition` if there may be several versions. With --json each result is an object
    with "input", "output" and "time"; values that JSON lacks are printed as Python literals.

    Results are unpickled, which imports the modules of their classes and may run any code: use it with folders that
    you trust.

    Exit code: 1 if there is no such result. Results that cannot be read are skipped with a warning.
    """
    if as_csv + as_json + (parquet is not None) > 1:
        raise click.UsageError("--csv, --json and --parquet exclude each other")
    if versions and all_versions:
        raise click.UsageError("--version and --all-versions exclude each other")
    found = resolve.function_named(cache, function)
    chosen = resolve.versions_named(found, versions) if versions else found.versions()
    is_mixed = all_versions or len(versions) > 1
    chosen = chosen if is_mixed else chosen[:1]
    options.find_code()
    try:
        results = results_of(found, chosen, where or None, inputs_only, is_mixed)
    except KeyError as error:
        raise NotFound(error.args[0]) from error
    except FunesError as error:
        raise NotFound(str(error)) from error
    failures: list[tuple[str, str]] = []

    def skip(path: str, reason: str) -> None:
        failures.append((path, reason))

    results._skip = skip
    if parquet is not None:
        count = _write_parquet(results, parquet)
    elif as_json:
        count = print_rows(results, (), as_json=True)
    else:
        count = _print_table(results, as_csv)
    for number, text in grouped(failures):
        skipped = "a stored result was" if number == 1 else f"{number} stored results were"
        warn(f"{skipped} skipped: {text}")
    if not count:
        if failures:
            raise NotFound(f"no result can be read; {len(failures)} failed")
        raise NotFound("there is no such result")


def _write_parquet(results: Results, path: str) -> int:
    try:
        results.to_parquet(path)
    except ImportError as error:
        raise click.UsageError(str(error)) from error
    except (TypeError, OSError) as error:
        raise NotFound(str(error)) from error
    return len(results)


def _print_table(results: Results, as_csv: bool) -> int:
    table = results._table()
    columns = table.columns()
    rows: Iterator[dict[str, Any]] = (
        {name: cells[row] for name, cells in columns.items() if row in cells}
        for row in range(table.rows)
    )
    if not as_csv:
        print_rows(
            ({name: _printable(value) for name, value in row.items()} for row in rows),
            [
                Column(
                    name,
                    _shown,
                    right=all(isinstance(value, Real) for value in cells.values()),
                    wraps=True,
                )
                for name, cells in columns.items()
            ],
        )
    elif table.rows:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_printable(row.get(name, "")) for name in columns] for row in rows)
    return table.rows


def _printable(value: object) -> object:
    """Returns numbers and strings unchanged, and the `repr` of anything else.

    The `repr` is complete outside of a terminal, which shows only the start of it.
    """
    if isinstance(value, (str, int, float)):
        return value
    return safe_repr(value) if in_terminal() else full_repr(value)


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else cut(str(value), _MAX_CHARACTERS)
