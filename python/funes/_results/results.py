"""Yields the stored results of a function as dicts, and makes tables of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from funes._entries import codec, reader
from funes._entries.age import is_expired
from funes._funes import Listing, Store
from funes._results import dataframes, preview
from funes._results.columns import Shape, Table
from funes._results.filters import Filter
from funes._warnings import one_line, warn

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

T = TypeVar("T")

#: The maximum number of results that iteration yields in the order of storing. To sort more, the
#: first result would have to wait until all are listed.
_MAX_SORTED = 1000

#: The number of rows that `repr` shows.
_PREVIEW_ROWS = 10
#: The maximum size of a file whose output `repr` loads.
_MAX_PREVIEW_BYTES = 1 << 20


class Folder(NamedTuple):
    """The function and the definition of a folder of results. The checksums of its entries cover both."""

    function: str
    definition: str


class _Location(NamedTuple):
    """The location of one result. Locations are sorted by the time of storing, then by name."""

    modified: int
    arguments: str
    folder: Folder
    bytes: int


class Results:
    """The stored results of a function, returned by `load_cached_results`.

    Iteration yields dicts with the keys ``'input'`` (the arguments by name, in the order of the
    signature, with defaults, then ``global_seed`` if it was given), ``'output'`` (the return
    value), ``'time'`` (the run time in seconds), and ``'definition'`` if versions other than the
    current one were requested. If the function has a ``max_age``, ``'expired'`` says whether a call would
    compute the result again.

    Each iteration reads the files again, one at a time, so that only one result is in memory. Up
    to 1,000 results are yielded in the order of storing, and results that were stored at the same
    time in the order of their file names. If there are more results, they are yielded in the order
    of the folder, so that the first result is available at once. Tables are always in the order of
    storing. An iteration may miss results that are stored while it runs.

    ``len()`` is the number of results. Without `where`, ``len()`` counts files and reads none. With
    `where`, it reads all inputs. ``list()`` calls ``len()``, too.

    Results that cannot be read are skipped with a `CacheWarning`; their files stay unchanged. If
    `where` is a function, its exceptions reach the caller.

    Example:
        >>> results = load_cached_results(train, where=lambda given: given["lr"] < 0.1)  # doctest: +SKIP
        >>> results                                                                      # doctest: +SKIP
        2 results of train
          lr  epochs  accuracy  time
        0.01      10      0.97  12.3
        0.02      10      0.96  12.1
    """

    def __init__(
        self,
        store: Store,
        folders: list[Folder],
        *,
        name: str,
        shape: Shape,
        matches: Filter | None,
        inputs_only: bool,
        max_age: float | None = None,
    ) -> None:
        self._store = store
        self._folders = folders
        self._name = name
        self._shape = shape
        self._matches = matches
        self._inputs_only = inputs_only
        self._max_age = max_age
        #: A function that is called with the path of a file that cannot be read, and the reason.
        self._skip = _warn_skipped

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for location in self._in_order():
            result = self._read(location)
            if result is not None:
                yield result
            del result  # so that only one result is in memory

    def __len__(self) -> int:
        return sum(map(self._is_match, self._locations()))

    def __bool__(self) -> bool:
        return any(map(self._is_match, self._locations()))

    # As tables

    def to_pandas(
        self,
        exclude: str | Iterable[str] | None = None,
        index: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Returns a `pandas.DataFrame` with one row per result, in the order of storing.

        The columns, from left to right:

        - the arguments: one column for each, in the order of the signature. ``*args`` is one column
          of tuples; each keyword in ``**kwargs`` has its own column. If any call had a
          ``global_seed``, its column is the last of these;
        - the output: one column per key if it is a dict, else the column ``output``;
        - ``time``: the run time in seconds;
        - ``definition``: the definition hash, if versions other than the current one were
          requested;
        - ``expired``: whether the result is expired, if the function has a ``max_age``.

        Names that occur twice get separate columns:

        - ``time`` is always the run time; an argument called ``time`` is in ``input.time``, and an
          argument called ``definition`` in ``input.definition``;
        - a key of the output that is named like an argument or ``time`` is in ``output.<key>``; an
          output that is no dict is in ``output.output`` if there is an argument called ``output``;
        - a keyword in ``**kwargs`` that is named like a positional-only argument is in
          ``<kwargs>.<keyword>``;
        - a key of the output that is no string is in ``output.<repr of the key>``.

        If a result has no value for a column, the cell is NaN. Integers in such a column become
        floats, unless that would change them. None stays None.

        Args:
            exclude: The name or names of columns to leave out.
            index: The name or names of columns that become the index.

        Returns:
            The DataFrame. If there are no results, it is empty, with the columns of the arguments and
            ``time``. `exclude` and `index` then accept any names, since the names of the output are
            not known.

        Raises:
            KeyError: `exclude` or `index` names a column that does not exist.
            ImportError: pandas is not installed.

        Warns:
            CacheWarning: A result cannot be read, and is left out.
        """
        return self._to_pandas("to_pandas", exclude, index)

    def _to_pandas(self, caller: str, exclude: Any, index: Any) -> pd.DataFrame:
        pd = dataframes.import_optional(caller, "pandas", "pandas")
        excluded, indexed = _names(exclude), _names(index)
        return dataframes.to_pandas(pd, self._table(), excluded, indexed)

    def to_polars(self, exclude: str | Iterable[str] | None = None) -> pl.DataFrame:
        """Returns a `polars.DataFrame` with the columns of `to_pandas`.

        Missing values and None are null. A column of integers and floats becomes a column of
        floats if that changes no value; tuples become lists. A column whose values do not have one
        type of polars becomes a column of objects (``pl.Object``) with unchanged values.

        Args:
            exclude: The name or names of columns to leave out.

        Raises:
            KeyError: `exclude` names a column that does not exist.
            ImportError: polars is not installed.

        Warns:
            CacheWarning: A result cannot be read, and is left out.
        """
        pl = dataframes.import_optional("to_polars", "polars", "polars")
        return dataframes.to_polars(pl, self._table(), _names(exclude))

    def to_parquet(
        self, path: str | os.PathLike[str], exclude: str | Iterable[str] | None = None
    ) -> None:
        """Writes a Parquet file with the columns of `to_polars`. Uses pyarrow, else polars.

        No value is converted to a string: a column whose values do not have one Parquet type is
        refused.

        Args:
            path: The path of the file. An existing file is replaced.
            exclude: The name or names of columns to leave out.

        Raises:
            TypeError: Parquet has no type for the values of a column. The message names the column.
            KeyError: `exclude` names a column that does not exist.
            ImportError: Neither pyarrow nor polars is installed.
            OSError: The file cannot be written.

        Warns:
            CacheWarning: A result cannot be read, and is left out.
        """
        dataframes.to_parquet("to_parquet", self._table(), path, _names(exclude))

    # Preview

    def __repr__(self) -> str:
        return preview.as_text(*self._preview())

    def _repr_html_(self) -> str:
        return preview.as_html(*self._preview())

    def _preview(self) -> tuple[str, Table]:
        """Returns a title and the first rows, with limited work, since a debugger may call it at any time."""
        total = sum(1 for _ in self._locations())
        limit = _PREVIEW_ROWS if self._matches is None else _MAX_SORTED
        found = list(filter(self._is_match, islice(self._in_order(), limit)))
        table = Table(self._shape)
        for location in found[:_PREVIEW_ROWS]:
            result = self._read(location, is_preview=True)
            if result is not None:
                table.add(result)
        count = total if self._matches is None else len(found)
        title = f"{count:,} result{'s' * (count != 1)} of {self._name}"
        if self._matches is not None and total > _MAX_SORTED:
            title += f" among the first {_MAX_SORTED:,} of {total:,}"
        return title + ", the first:" * (count > _PREVIEW_ROWS), table

    # Reading

    def _locations(self) -> Iterator[_Location]:
        """Yields the locations of the results in the order of the folders."""
        for folder in self._folders:
            for arguments, size, modified in Listing(self._store.folder(*folder)):
                yield _Location(modified, arguments, folder, size)

    def _in_order(self) -> Iterator[_Location]:
        """Yields the locations in the order of storing, unless there are too many."""
        locations = self._locations()
        first = list(islice(locations, _MAX_SORTED + 1))
        if len(first) <= _MAX_SORTED:
            first.sort()
        yield from first
        yield from locations

    def _table(self) -> Table:
        table = Table(self._shape)
        for location in sorted(self._locations()):
            result = self._read(location)
            if result is not None:
                table.add(result)
        return table

    def _read(self, location: _Location, *, is_preview: bool = False) -> dict[str, Any] | None:
        """Reads one result; returns None if the result does not match or cannot be read.

        A preview emits no warnings, and does not load large outputs.
        """
        entry = self._attempt(
            location, is_preview, self._store.read, *location.folder, location.arguments
        )
        if entry is None:
            return None
        head = None
        if self._matches is not None:
            head = self._attempt(location, is_preview, codec.load_head, entry)
            if head is None or not self._matches(head):
                return None
        is_cut = is_preview and location.bytes > _MAX_PREVIEW_BYTES
        if self._inputs_only or is_cut:
            head = head or self._attempt(location, is_preview, codec.load_head, entry)
            result = self._attempt(location, is_preview, reader.resolved, self._store, head)
        else:
            result = self._attempt(location, is_preview, reader.whole_of, self._store, entry)
        if result is None:
            return None
        if is_cut and not self._inputs_only:
            result["output"] = preview.NotLoaded(f"<{location.bytes:,} bytes>")
        if self._shape.is_mixed:
            result["definition"] = location.folder.definition
        if self._max_age is not None:
            result["expired"] = is_expired(location.modified / 1e9, self._max_age)
        return result

    def _is_match(self, location: _Location) -> bool:
        if self._matches is None:
            return True
        entry = self._attempt(
            location, True, self._store.read, *location.folder, location.arguments
        )
        head = entry and self._attempt(location, True, codec.load_head, entry)
        return head is not None and self._matches(head)

    def _attempt(
        self, location: _Location, is_silent: bool, work: Callable[..., T], *args: Any
    ) -> T | None:
        """Calls `work`. If `work` fails, warns and returns None, so that one bad file stops no iteration."""
        try:
            return work(*args)
        except Exception as error:
            if not is_silent:
                path = self._store.path(*location.folder, location.arguments)
                reason = one_line(error)
                if path not in reason:
                    reason = f"{path} cannot be read ({reason})"
                self._skip(path, reason)
            return None


def _warn_skipped(path: str, reason: str) -> None:  # noqa: ARG001 -- `reason` contains it
    warn(f"a stored result was skipped: {reason}")


def _names(given: str | Iterable[str] | None) -> list[str]:
    if given is None:
        return []
    return [given] if isinstance(given, str) else list(given)
