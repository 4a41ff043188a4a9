"""``funes show``: prints results as rows."""

from __future__ import annotations

import csv
import sys
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from funes._entries.cache_folder import is_url
from funes._results import layout
from funes._results.cache import open_cache
from funes._results.columns import Cells, Table, check
from funes._results.results import Results
from funes._results.stored import results_of
from funes._results.text import escaped
from funes._results.units import seconds_shown
from funes._tools.cli import completion, options, resolve
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import full_repr, in_terminal, print_fitted, print_rows, safe_repr
from funes._warnings import grouped, one_line, warn
from funes.errors import FunesError

if TYPE_CHECKING:
    from funes._remote.mirror import Mirror
    from funes._results.stored import StoredVersion


@click.command(
    "show", cls=options.BucketCommand, short_help="Print the stored results of FUNCTION as rows."
)
@click.argument("function", type=completion.FUNCTION)
@click.option(
    "--version",
    "versions",
    type=completion.VERSION,
    metavar="HASH",
    multiple=True,
    help="A version: the first digits of its hash. May be repeated. The default is the version with the latest result.",
)
@click.option("--all-versions", is_flag=True, help="Select all versions.")
@options.where
@click.option("--inputs-only", is_flag=True, help="Leave outputs out, and do not load them.")
@click.option("--errors", is_flag=True, help="Include remembered errors, in a column `error`.")
@click.option(
    "--runs", is_flag=True, help="Add columns for Python, libraries, git commit and host."
)
@click.option(
    "--columns",
    metavar="NAME,...",
    callback=lambda _, __, given: given and [each.strip() for each in given.split(",")],
    help="Print these columns, in this order.",
)
@click.option(
    "--sort", metavar="NAME", help="Sort by this column; with a - before it, the largest first."
)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Print the first N rows.")
@click.option(
    "--flatten", is_flag=True, help="A column for each part of a configuration, as in cfg.lr."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with titles.")
@click.option("--parquet", metavar="FILE", help="Write a Parquet file (needs pyarrow or polars).")
@options.cache_or_bucket
@options.as_json
def command(
    *,
    function: str,
    versions: tuple[str, ...],
    all_versions: bool,
    where: dict[str, Any],
    inputs_only: bool,
    errors: bool,
    runs: bool,
    columns: list[str] | None,
    sort: str | None,
    limit: int | None,
    flatten: bool,
    as_csv: bool,
    parquet: str | None,
    place: str | None,
    as_json: bool,
) -> None:
    r"""Print the stored results of FUNCTION as rows, in the order in which they were stored.

    There is a column for each argument, one for the output, or for each key of an output that is a dict, then `time`,
    the run time in seconds, and `definition` if there may be several versions. A table in a terminal names columns that
    are equal in all rows above, and those for which there is no room below. With --json each result is an object
    with "input", "output" and "time"; values that JSON lacks are printed as Python literals. Exceptions that
    `remember_errors=` has stored are left out without --errors; they have "error" in place of "output". With --runs,
    each result has columns for the versions of Python and of the libraries that the function names, the git commit and
    the host; with --json, "run" has them.

    `funes show URL FUNCTION` shows results in a bucket. They are received into a temporary folder.

    Results are unpickled, which imports the modules of their classes and may run any code: use it with folders that
    you trust.

    Exit code: 1 if there is no such result. Results that cannot be read are skipped with a warning.
    """
    if as_csv + as_json + (parquet is not None) > 1:
        raise click.UsageError("--csv, --json and --parquet exclude each other")
    if versions and all_versions:
        raise click.UsageError("--version and --all-versions exclude each other")
    view = _View(columns, sort, limit)
    if (as_json or parquet is not None) and view != _View():
        raise click.UsageError(
            "--columns, --sort and --limit are for tables and CSV: --json and --parquet write all"
        )
    if as_json and flatten:
        raise click.UsageError("--flatten is for tables, CSV and Parquet: --json is nested")
    mirror = None
    if place is not None and is_url(place):
        from funes._tools.cli.buckets import mirror_of

        mirror = mirror_of(place)
    cache = options.opened(place) if mirror is None else open_cache(mirror.path)
    found = resolve.function_named(cache, function)
    chosen = resolve.versions_named(found, versions) if versions else found.versions()
    is_mixed = all_versions or len(versions) > 1
    chosen = chosen if is_mixed else chosen[:1]
    options.find_code()
    if mirror is not None:
        _receive(mirror, chosen)
    try:
        results = results_of(
            found, chosen, where or None, inputs_only, is_mixed, errors=errors, runs=runs
        )
    except KeyError as error:
        raise NotFound(error.args[0]) from error
    except FunesError as error:
        raise NotFound(str(error)) from error
    failures: list[tuple[str, str]] = []

    def skip(path: str, reason: str) -> None:
        failures.append((path, reason))

    results._skip = skip
    if parquet is not None:
        count = _write_parquet(results, parquet, flatten)
    elif as_json:
        count = print_rows(results, (), as_json=True)
    else:
        count = _print_table(results._table(flatten=flatten), view, as_csv)
    for number, text in grouped(failures):
        skipped = "a stored result was" if number == 1 else f"{number} stored results were"
        warn(f"{skipped} skipped: {text}")
    if not count:
        if failures:
            raise NotFound(f"no result can be read; {len(failures)} failed")
        raise NotFound(
            f"no result of {found._label} matches"
            if where
            else f"there is no result of {found._label}"
        )


def _receive(mirror: Mirror, versions: list[StoredVersion]) -> None:
    """Receives the results of versions of a bucket."""
    from funes._remote.bucket import BucketError
    from funes._remote.remote import EntryKey

    try:
        for version in versions:
            name = version._true_name
            if name is not None:
                keys = [EntryKey(name, version.definition, each.hash) for each in version.entries()]
                mirror.fill(version._store, keys)
                mirror.fill_packed(version._store, name, version.definition)
    except (BucketError, OSError) as error:
        raise NotFound(one_line(error)) from error


def _write_parquet(results: Results, path: str, flatten: bool) -> int:
    try:
        results.to_parquet(path, flatten=flatten)
    except ImportError as error:
        raise click.UsageError(str(error)) from error
    except (TypeError, OSError) as error:
        raise NotFound(one_line(error)) from error
    return len(results)


class _View(NamedTuple):
    """The part of a table to print."""

    #: The names of the columns; None for all.
    columns: list[str] | None = None
    #: The column by which rows are sorted, after a ``-`` for the largest first; None for the order of storing.
    sort: str | None = None
    #: The maximum number of rows.
    limit: int | None = None

    def of(self, table: Table) -> tuple[dict[str, Cells], list[int]]:
        """Returns the columns, and the numbers of the rows in their order.

        Raises:
            NotFound: There is no such column.
        """
        columns, rows = table.columns(), list(range(table.rows))
        try:
            if self.sort is not None and rows:
                is_descending = self.sort not in columns and self.sort.startswith("-")
                name = self.sort[1:] if is_descending else self.sort
                check("--sort", [name], columns)
                rows = _sorted(rows, columns[name], is_descending)
            if self.columns is not None and rows:
                check("--columns", self.columns, columns)
                columns = {name: columns[name] for name in self.columns}
        except KeyError as error:
            raise NotFound(error.args[0]) from error
        return columns, rows[: self.limit]


def _sorted(rows: list[int], cells: Cells, is_descending: bool) -> list[int]:
    """Sorts rows by a column: numbers, then strings, then other values. Rows without a value, or with NaN, are last."""

    def key(row: int) -> tuple[int, Any]:
        value = cells[row]
        kind = 0 if isinstance(value, Real) else 1 if isinstance(value, str) else 2
        return kind, value if kind < 2 else safe_repr(value)

    present = [row for row in rows if row in cells and cells[row] is not None]
    present = [row for row in present if not _is_nan(cells[row])]
    last = set(rows).difference(present)
    return sorted(present, key=key, reverse=is_descending) + [row for row in rows if row in last]


def _is_nan(value: object) -> bool:
    return isinstance(value, Real) and value != value


def _print_table(table: Table, view: _View, as_csv: bool) -> int:
    columns, rows = view.of(table)
    if in_terminal() and not as_csv:
        _print_in_terminal(columns, rows, lift=view.columns is None)
        return len(rows)
    lines = ([_printable(cells.get(row, "")) for cells in columns.values()] for row in rows)
    if not as_csv:
        for line in lines:
            click.echo("\t".join(escaped(str(cell)) for cell in line))
    elif rows:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(lines)
    return len(rows)


def _print_in_terminal(columns: dict[str, Cells], rows: list[int], *, lift: bool) -> None:
    shown = [
        layout.Column(
            escaped(name),
            [_shown(name, cells[row]) if row in cells else "" for row in rows],
            all(isinstance(cells[row], Real) for row in rows if row in cells),
        )
        for name, cells in columns.items()
    ]
    print_fitted(shown, lift=lift)


def _printable(value: object) -> object:
    """Returns numbers and strings unchanged, and the complete `repr` of anything else."""
    return value if isinstance(value, (str, int, float)) else full_repr(value)


def _shown(name: str, value: object) -> str:
    """Formats a value for a table."""
    if name == "time" and isinstance(value, float):
        return seconds_shown(value)
    if name == "definition" and isinstance(value, str):
        return value[:12]  # enough to name a version
    if isinstance(value, float):
        return f"{value:.6g}"
    return escaped(str(value)) if isinstance(value, (str, int)) else safe_repr(value)
