"""What ``funes pack`` and ``funes unpack`` share: they rewrite the files of each version."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from funes._results.cache import Cache
from funes._results.stored import Packing, StoredVersion, Unpacking
from funes._tools.cli import resolve
from funes._tools.cli.output import Column, print_json, print_rows, progress


def repack(
    cache: Cache,
    function: str | None,
    work: Callable[[StoredVersion], Packing | Unpacking | None],
    columns: Iterable[str],
    *,
    label: str,
    as_json: bool,
) -> None:
    """Applies `work` to the versions of a function, or of all functions, and prints a row for each that it changed.

    Args:
        cache: The cache.
        function: The name of the function; None for all functions.
        work: A method of a version. Its numbers are the cells of a row, after the definition hash.
        columns: The names of these numbers.
        label: What the progress bar says.
        as_json: Whether to print JSON.
    """
    functions = resolve.functions_named(cache, function)
    versions = {version.definition: version for each in functions for version in each.versions()}
    rows: list[dict[str, Any]] = []
    for definition, version in progress(versions.items(), len(versions), label):
        done = work(version)
        if done is not None and any(done):
            rows.append({"definition": definition, **done._asdict()})
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, tuple(map(Column, ("definition", *columns))))
