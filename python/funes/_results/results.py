"""Yields the stored results of a function as dicts, and makes tables of them."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, TypeVar, overload

from funes._entries import reader, remembered_errors
from funes._entries.age import is_expired
from funes._entries.run_record import RunRecord, read_run
from funes._funes import ERROR_EXTENSION, Listing, Store
from funes._results import dataframes, preview
from funes._results.columns import Shape, Table
from funes._results.filters import Filter
from funes._results.units import number_of
from funes._warnings import one_line, warn

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from funes._results.report.functions import Function, StoredFunction

T = TypeVar("T")

#: The maximum number of results that iteration yields in the order of storing. To sort more, the
#: first result would have to wait until all are listed.
_MAX_SORTED = 1000

#: Stands for the age with which a result was stored, if the function is not at hand.
_AS_STORED = -1.0

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
    #: The argument hash, and the extension of a remembered error.
    arguments: str
    folder: Folder
    bytes: int

    @property
    def is_error(self) -> bool:
        return self.arguments.endswith(ERROR_EXTENSION)


class Results:
    """The stored results of a function, returned by `load_cached_results`.

    Iteration yields dicts with the keys ``'input'`` (the arguments by name, in the order of the
    signature, with defaults, then ``global_seed`` if it was given), ``'output'`` (the return
    value), ``'time'`` (the run time in seconds), and ``'definition'`` if versions other than the
    current one were requested. If the function has a ``max_age``, ``'expired'`` says whether a call would
    compute the result again. If remembered errors were requested, the dict of a call that raised one has
    ``'error'``, the exception, in place of ``'output'``.

    Each iteration reads the files again, one at a time, so that only one result is in memory. Up
    to 1,000 results are yielded in the order of storing, and results that were stored at the same
    time in the order of their file names. If there are more results, they are yielded in the order
    of the folder, so that the first result is available at once. Tables are always in the order of
    storing. An iteration may miss results that are stored while it runs.

    ``len()`` is the number of results. Without `where`, ``len()`` counts files and reads none. With
    `where`, it reads all inputs. ``list()`` calls ``len()``, too.

    ``results[0]`` is the first result that was stored, and ``results[:5]`` a list of five.

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
        function: StoredFunction,
        name: str,
        shape: Shape,
        matches: Filter | None,
        inputs_only: bool,
        max_age: float | None = _AS_STORED,
    ) -> None:
        self._store = store
        self._folders = folders
        #: The function that has the results, with all its versions.
        self._function = function
        self._name = name
        self._shape = shape
        self._matches = matches
        self._inputs_only = inputs_only
        #: The age from which results are expired, or that with which each was stored.
        self._max_age = max_age
        #: A function that is called with the path of a file that cannot be read, and the reason.
        self._skip = _warn_skipped
        #: The run records that were read, by id.
        self._runs: dict[str | None, RunRecord | None] = {None: None}

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

    @overload
    def __getitem__(self, position: SupportsIndex) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, position: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, position: SupportsIndex | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """Returns the result at a position in the order of storing, or a list of those in a slice.

        Reads only these results; with `where`, also all inputs.

        Raises:
            IndexError: There is no result at the position, or it cannot be read.

        Example:
            >>> results[0]["output"], len(results[:5]), results[-1]["time"]       # doctest: +SKIP
            (42, 5, 1.2e-06)
        """
        found = self._matching()
        if isinstance(position, slice):
            return [result for result in map(self._read, found[position]) if result is not None]
        at = operator.index(position)
        if not -len(found) <= at < len(found):
            raise IndexError(f"there is no result {at}: there are {len(found):,}")
        result = self._read(found[at])
        if result is None:
            raise IndexError(f"the result {at} cannot be read: see the warning")
        return result

    # As tables

    def to_pandas(
        self,
        exclude: str | Iterable[str] | None = None,
        index: str | Iterable[str] | None = None,
        flatten: bool = False,
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
        - ``expired``: whether the result is expired, if the function has a ``max_age``;
        - ``error``: the type and text of a remembered error, if these were requested.

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
            flatten: If true, a dict, dataclass, attrs object, namespace or ``DictConfig`` has a column for each of its
                parts: ``cfg.lr``, ``cfg.optimizer.name``. If such an object is the output, its parts are columns too.

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
        return self._to_pandas("to_pandas", exclude, index, flatten=flatten)

    def _to_pandas(self, caller: str, exclude: Any, index: Any, *, flatten: bool) -> pd.DataFrame:
        pd = dataframes.import_optional(caller, "pandas", "pandas")
        excluded, indexed = _names(exclude), _names(index)
        return dataframes.to_pandas(pd, self._table(flatten=flatten), excluded, indexed)

    def to_polars(
        self, exclude: str | Iterable[str] | None = None, flatten: bool = False
    ) -> pl.DataFrame:
        """Returns a `polars.DataFrame` with the columns of `to_pandas`.

        Missing values and None are null. A column of integers and floats becomes a column of
        floats if that changes no value; tuples become lists. A column whose values do not have one
        type of polars becomes a column of objects (``pl.Object``) with unchanged values.

        Args:
            exclude: The name or names of columns to leave out.
            flatten: As for `to_pandas`.

        Raises:
            KeyError: `exclude` names a column that does not exist.
            ImportError: polars is not installed.

        Warns:
            CacheWarning: A result cannot be read, and is left out.
        """
        pl = dataframes.import_optional("to_polars", "polars", "polars")
        return dataframes.to_polars(pl, self._table(flatten=flatten), _names(exclude))

    def to_parquet(
        self,
        path: str | os.PathLike[str],
        exclude: str | Iterable[str] | None = None,
        flatten: bool = False,
    ) -> None:
        """Writes a Parquet file with the columns of `to_polars`. Uses pyarrow, else polars.

        No value is converted to a string: a column whose values do not have one Parquet type is
        refused.

        Args:
            path: The path of the file. An existing file is replaced.
            exclude: The name or names of columns to leave out.
            flatten: As for `to_pandas`.

        Raises:
            TypeError: Parquet has no type for the values of a column. The message names the column.
            KeyError: `exclude` names a column that does not exist.
            ImportError: Neither pyarrow nor polars is installed.
            OSError: The file cannot be written.

        Warns:
            CacheWarning: A result cannot be read, and is left out.
        """
        table = self._table(flatten=flatten)
        dataframes.to_parquet("to_parquet", table, path, _names(exclude))

    # As a page

    def to_html(
        self, path: str | os.PathLike[str] | None = None, limit: int = 10_000
    ) -> str | None:
        """Makes a page of the results for a browser, in one file that loads nothing.

        The page has a table that can be sorted and filtered, charts whose axes the reader chooses, what funes knows of
        each result, and the versions of the function with their changes. Parts of configurations have columns of their
        own (``cfg.lr``). Values are shown as text, long ones shortened; large arguments, and outputs of files of more
        than 1 MiB, are not loaded. A page of 2,000 results has at most 3 MB. See docs/report.md.

        Args:
            path: The path of the file. An existing file is replaced.
            limit: The maximum number of results on the page. If there are more, it has those that were stored last.

        Returns:
            The page, if `path` is None; else None.

        Raises:
            ValueError: `limit` is less than 1.
            OSError: The file cannot be written.

        Warns:
            CacheWarning: A result cannot be read, and is left out.

        Example:
            >>> load_cached_results(train).to_html("train.html")          # doctest: +SKIP
        """
        from funes._results.report import page

        content = page.page(f"Results of {self._name}", [self._described(limit)])
        if path is None:
            return content
        page.write(path, content)
        return None

    def _described(self, limit: int, name: str | None = None) -> Function:
        """Collects what a page says about the function, under a name, and about its newest results."""
        from funes._results.report import functions

        if limit < 1:
            raise ValueError(f"limit is at least 1, not {limit}")
        table, rows = Table(self._shape, flatten=True), []
        found = self._matching()
        for location in found[-limit:]:
            result = self._read(location, is_brief=True)
            if result is not None:
                run = result.pop("run")
                table.add(result)
                rows.append(
                    functions.Row(
                        definition=location.folder.definition,
                        arguments=location.arguments.removesuffix(ERROR_EXTENSION),
                        is_error=location.is_error,
                        bytes=location.bytes,
                        stored=location.modified / 1e9,
                        run=run and RunRecord(**run),
                    )
                )
        return functions.described(self._function, name or self._name, table, rows, len(found))

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
        title = f"{number_of(count, 'result')} of {self._name}"
        if self._matches is not None and total > _MAX_SORTED:
            title += f" among the first {_MAX_SORTED:,} of {total:,}"
        return title + ", the first:" * (count > _PREVIEW_ROWS), table

    # Reading

    def _locations(self) -> Iterator[_Location]:
        """Yields the locations of the results in the order of the folders."""
        for folder in self._folders:
            path = self._store.folder(*folder)
            for arguments, size, modified in Listing(path):
                yield _Location(modified, arguments, folder, size)
            if self._shape.has_errors:
                for arguments, size, modified in Listing(path, errors=True):
                    yield _Location(modified, arguments + ERROR_EXTENSION, folder, size)

    def _in_order(self) -> Iterator[_Location]:
        """Yields the locations in the order of storing, unless there are too many."""
        locations = self._locations()
        first = list(islice(locations, _MAX_SORTED + 1))
        if len(first) <= _MAX_SORTED:
            first.sort()
        yield from first
        yield from locations

    def _matching(self) -> list[_Location]:
        """Returns the locations of the results that match, in the order of storing."""
        return sorted(filter(self._is_match, self._locations()))

    def _table(self, *, flatten: bool = False) -> Table:
        table = Table(self._shape, flatten=flatten)
        for location in sorted(self._locations()):
            result = self._read(location)
            if result is not None:
                table.add(result)
        return table

    def _read(
        self, location: _Location, *, is_preview: bool = False, is_brief: bool = False
    ) -> dict[str, Any] | None:
        """Reads one result; returns None if the result does not match or cannot be read.

        A preview emits no warnings, and does not load large outputs. A brief result has neither large outputs nor
        large arguments, and has its run record.
        """
        entry = self._attempt(
            location, is_preview, self._store.read, *location.folder, location.arguments
        )
        if entry is None:
            return None
        head = None
        if self._matches is not None:
            head = self._attempt(location, is_preview, reader.load_head, entry)
            if head is None or not self._matches(head):
                return None
        is_cut = (is_preview or is_brief) and location.bytes > _MAX_PREVIEW_BYTES
        if location.is_error:
            whole_of = remembered_errors.whole_of
            result = self._attempt(location, is_preview, whole_of, self._store, entry)
        elif self._inputs_only or is_cut:
            result = head or self._attempt(location, is_preview, reader.load_head, entry)
            if not is_brief:
                result = self._attempt(location, is_preview, reader.resolved, self._store, result)
        elif is_brief:
            result = self._attempt(location, is_preview, reader.load, entry)
        else:
            result = self._attempt(location, is_preview, reader.whole_of, self._store, entry)
        if result is None:
            return None
        if is_cut and not self._inputs_only and not location.is_error:
            result["output"] = preview.NotLoaded(f"<{location.bytes:,} bytes>")
        if self._shape.is_mixed:
            result["definition"] = location.folder.definition
        max_age = entry.max_age if self._max_age is _AS_STORED else self._max_age
        if max_age is not None:
            result["expired"] = is_expired(location.modified / 1e9, max_age)
        if is_brief or self._shape.libraries is not None:
            result["run"] = self._run(entry.run)
        return result

    def _run(self, run: str | None) -> dict[str, Any] | None:
        """Returns a run record as a dict, of which the caller may change the first level and the versions."""
        if run not in self._runs:
            self._runs[run] = read_run(self._store.root, run)
        record = self._runs[run]
        return None if record is None else {**record._asdict(), "packages": {**record.packages}}

    def _is_match(self, location: _Location) -> bool:
        if self._matches is None:
            return True
        entry = self._attempt(
            location, True, self._store.read, *location.folder, location.arguments
        )
        head = entry and self._attempt(location, True, reader.load_head, entry)
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
