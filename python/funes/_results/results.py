"""The stored results of a function, as dicts and as tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from funes._entries import codec, reader
from funes._funes import Listing, Store
from funes._results import dataframes, preview
from funes._results.columns import Shape, Table
from funes._warnings import one_line, warn

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

T = TypeVar("T")

#: Up to so many results come in the order in which they were stored. Of more, the first would have to wait until all
#: had been listed.
_ORDERED = 1000

#: How many rows `repr` shows, and from how many bytes on it does not load an output.
_SHOWN = 10
_LARGE = 1 << 20


class Folder(NamedTuple):
    """Where results lie: what their checksums have besides the argument hash."""

    function: str
    definition: str


class _Place(NamedTuple):
    """Where one result lies. They are sorted by the time of storing, then by name."""

    modified: int
    arguments: str
    folder: Folder
    bytes: int


class Results:
    """Stored results of a function, made by `load_cached_results`.

    Going through them gives dicts with the keys ``'input'`` (the arguments by name, in the order of the signature,
    defaults filled in, then ``global_seed`` if it was given), ``'output'`` (what the function returned), ``'time'``
    (seconds it took), and ``'definition'`` if other versions than the current one were asked for.

    They are read one by one, as the loop goes on, and anew by each loop: one result is held at a time, however many
    there are. Up to 1,000 come in the order in which they were stored, those of one moment in the order of their file
    names; more come in the order that the folder has, so that the first is there at once. Tables always are in the
    order of storing. Results that are stored meanwhile may be missed.

    ``len()`` is the number of results. Without `where` that is the number of files, found without reading any; with it,
    all inputs are read: by ``list()`` too, which asks for the number first.

    What cannot be read is skipped with a `CacheWarning`, and its file left as it is. What a function given as `where`
    raises reaches the caller.

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
        fulfils: Callable[[dict[str, Any]], bool] | None,
        inputs_only: bool,
    ) -> None:
        self._store = store
        self._folders = folders
        self._name = name
        self._shape = shape
        self._fulfils = fulfils
        self._inputs_only = inputs_only
        #: Takes the path of a file that cannot be read, and the reason.
        self._skip = _warn_of

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for place in self._in_order():
            result = self._read(place)
            if result is not None:
                yield result
            del result  # one at a time

    def __len__(self) -> int:
        return sum(map(self._is_wanted, self._places()))

    def __bool__(self) -> bool:
        return any(map(self._is_wanted, self._places()))

    # As tables

    def to_pandas(
        self,
        exclude: str | Iterable[str] | None = None,
        index: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """The results as a `pandas.DataFrame`: a row a result, in the order stored.

        The columns, from left to right:

        - one an argument, under its name, in the order of the signature. ``*args`` is one column of
          tuples; each keyword in ``**kwargs`` has a column of its own. ``global_seed`` is the last one,
          if any call had it;
        - the output. A dict is spread: one column a key. Anything else is in the column ``output``;
        - ``time``: seconds that the function took;
        - ``definition``: the definition hash, if other versions than the current one were asked for.

        Two things of one name don't share a column:

        - ``time`` is always the seconds; an argument called ``time`` is in ``input.time``; ``definition`` likewise;
        - a key of the output that is called like an argument or ``time`` is in ``output.<key>``, and an
          output as a whole is in ``output.output`` if there is an argument called ``output``;
        - a keyword in ``**kwargs`` that is called like a positional-only argument is in
          ``<kwargs>.<keyword>``;
        - a key of the output that is no string is in ``output.<repr of the key>``.

        What a result does not have is NaN in its row (so that integers become floats, unless that would
        change them). None stays None.

        Args:
            exclude: Name, or names, of columns to leave out.
            index: Name, or names, of columns to make the index of.

        Returns:
            The frame. Without any results it is empty, with the columns of the arguments and ``time``; any names are
            taken for `exclude` and `index` then, since those of the output are not known.

        Raises:
            KeyError: `exclude` or `index` names a column that is not there.
            ImportError: pandas is not installed.

        Warns:
            CacheWarning: A result cannot be read; it is left out.
        """
        return self._to_pandas("to_pandas", exclude, index)

    def _to_pandas(self, caller: str, exclude: Any, index: Any) -> pd.DataFrame:
        pd = dataframes.needed(caller, "pandas", "pandas")
        excluded, indexed = _names(exclude), _names(index)
        return dataframes.to_pandas(pd, self._table(), excluded, indexed)

    def to_polars(self, exclude: str | Iterable[str] | None = None) -> pl.DataFrame:
        """The results as a `polars.DataFrame`, with the columns of `to_pandas`.

        What a result does not have is null, as None is. A column of whole numbers and floats is one of floats, if that
        changes none of them; tuples become lists. A column whose values are not of one type that polars has is one of
        objects (``pl.Object``), with the values as they are.

        Args:
            exclude: Name, or names, of columns to leave out.

        Raises:
            KeyError: `exclude` names a column that is not there.
            ImportError: polars is not installed.

        Warns:
            CacheWarning: A result cannot be read; it is left out.
        """
        pl = dataframes.needed("to_polars", "polars", "polars")
        return dataframes.to_polars(pl, self._table(), _names(exclude))

    def to_parquet(
        self, path: str | os.PathLike[str], exclude: str | Iterable[str] | None = None
    ) -> None:
        """Write the results into a Parquet file, with the columns of `to_polars`, by pyarrow or else polars.

        Nothing is turned into text on the way: a column whose values are not of one type that Parquet has is refused.

        Args:
            path: The file; one that exists is replaced.
            exclude: Name, or names, of columns to leave out.

        Raises:
            TypeError: A column has values that Parquet has no type for; the message names it.
            KeyError: `exclude` names a column that is not there.
            ImportError: Neither pyarrow nor polars is installed.
            OSError: The file cannot be written.

        Warns:
            CacheWarning: A result cannot be read; it is left out.
        """
        dataframes.to_parquet("to_parquet", self._table(), path, _names(exclude))

    # For the eye

    def __repr__(self) -> str:
        return preview.as_text(*self._glance())

    def _repr_html_(self) -> str:
        return preview.as_html(*self._glance())

    def _glance(self) -> tuple[str, Table]:
        """A title and the first rows. Looks at no more than it must: a debugger may ask for it at any time."""
        total = sum(1 for _ in self._places())
        looked_at = list(islice(self._in_order(), _SHOWN if self._fulfils is None else _ORDERED))
        wanted = list(filter(self._is_wanted, looked_at))
        table = Table(self._shape)
        for place in wanted[:_SHOWN]:
            result = self._read(place, is_shown=True)
            if result is not None:
                table.add(result)
        many = total if self._fulfils is None else len(wanted)
        title = f"{many:,} result{'s' * (many != 1)} of {self._name}"
        if self._fulfils is not None and total > _ORDERED:
            title += f" among the first {_ORDERED:,} of {total:,}"
        return title + ", the first:" * (many > _SHOWN), table

    # Reading

    def _places(self) -> Iterator[_Place]:
        """Where the results lie, in the order of the folders."""
        for folder in self._folders:
            for arguments, size, modified in Listing(self._store.folder(*folder)):
                yield _Place(modified, arguments, folder, size)

    def _in_order(self) -> Iterator[_Place]:
        """The same in the order of storing, as long as they are not too many."""
        places = self._places()
        first = list(islice(places, _ORDERED + 1))
        if len(first) <= _ORDERED:
            first.sort()
        yield from first
        yield from places

    def _table(self) -> Table:
        table = Table(self._shape)
        for place in sorted(self._places()):
            result = self._read(place)
            if result is not None:
                table.add(result)
        return table

    def _read(self, place: _Place, *, is_shown: bool = False) -> dict[str, Any] | None:
        """The result that lies there; None if it is not wanted or cannot be read.

        To be shown, it is read without warnings, and without an output that is large.
        """
        entry = self._attempt(place, is_shown, self._store.read, *place.folder, place.arguments)
        if entry is None:
            return None
        head = None
        if self._fulfils is not None:
            head = self._attempt(place, is_shown, codec.load_head, entry)
            if head is None or not self._fulfils(head):
                return None
        is_cut = is_shown and place.bytes > _LARGE
        if self._inputs_only or is_cut:
            head = head or self._attempt(place, is_shown, codec.load_head, entry)
            result = self._attempt(place, is_shown, reader.resolved, self._store, head)
        else:
            result = self._attempt(place, is_shown, reader.whole_of, self._store, entry)
        if result is None:
            return None
        if is_cut and not self._inputs_only:
            result["output"] = preview.NotLoaded(f"<{place.bytes:,} bytes>")
        if self._shape.is_mixed:
            result["definition"] = place.folder.definition
        return result

    def _is_wanted(self, place: _Place) -> bool:
        if self._fulfils is None:
            return True
        entry = self._attempt(place, True, self._store.read, *place.folder, place.arguments)
        head = entry and self._attempt(place, True, codec.load_head, entry)
        return head is not None and self._fulfils(head)

    def _attempt(
        self, place: _Place, is_silent: bool, work: Callable[..., T], *args: Any
    ) -> T | None:
        """What the work gives; None, and a warning, if it fails: one result does not stop the others."""
        try:
            return work(*args)
        except Exception as error:
            if not is_silent:
                path, reason = self._store.path(*place.folder, place.arguments), one_line(error)
                if path not in reason:
                    reason = f"{path} cannot be read ({reason})"
                self._skip(path, reason)
            return None


def _warn_of(path: str, reason: str) -> None:  # noqa: ARG001 -- which is in the reason
    warn(f"a stored result was skipped: {reason}")


def _names(given: str | Iterable[str] | None) -> list[str]:
    if given is None:
        return []
    return [given] if isinstance(given, str) else list(given)
