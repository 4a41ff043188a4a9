"""The stored results of a function, as dicts and as a table."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from funes._entries import large_arguments, pickling
from funes._warn import one_line, warn

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_cached_results", "load_cached_results_as_pandas"]

_MISSING = float("nan")
_EXACT = 2**53  # integers up to here are floats without loss


def load_cached_results(fn: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """Go through the stored results of a memorious function, one by one.

    Only those of the present definition: after an edit of the function, or of what it uses, the
    results of before stay on disk and are listed again when the edit is undone. Results that
    another process stores meanwhile may be missed.

    Args:
        fn: A memorious function. It is not run.

    Returns:
        An iterator over dicts with the keys ``'input'`` (the arguments by name, in the order of the
        signature, defaults filled in, then ``global_seed`` if it was given), ``'output'`` (what the
        function returned) and ``'time'`` (seconds it took). In the order in which they were stored;
        those of one moment, in the order of their file names. It holds one result at a time.

    Raises:
        TypeError: `fn` is not memorious.

    Warns:
        CacheWarning: A result cannot be read; it is skipped and its file left as it is.

    Example:
        >>> list(load_cached_results(double))                         # doctest: +SKIP
        [{'input': {'x': 21}, 'output': 42, 'time': 1.2e-06}]
    """
    return _read_all(_memo_of(fn, "load_cached_results"))


def _memo_of(fn: Any, caller: str) -> Any:
    memo = getattr(fn, "__func__", fn)  # a method of an instance
    if not all(hasattr(memo, name) for name in ("_store", "_function_name", "definition")):
        name = getattr(fn, "__qualname__", None) or f"an object of type {type(fn).__name__}"
        raise TypeError(
            f"{caller} takes a function that is decorated with @memorious, and {name} is not"
        )
    return memo


def _read_all(memo: Any) -> Iterator[dict[str, Any]]:
    store, function, definition = memo._store, memo._function_name, memo.definition
    for path, arguments in _in_order(store, function, definition):
        try:
            entry = store.read(function, definition, arguments)
            if entry is None:
                continue  # deleted since we looked
            result = pickling.load_entry(entry.body, entry.second, entry.buffers)
            large_arguments.resolve(store, result)
        except Exception as error:
            reason = one_line(error)
            if path not in reason:
                reason = f"{path} cannot be read ({reason})"
            warn(f"a stored result was skipped: {reason}")
            continue
        del entry  # the bytes are not kept while the caller looks at the result
        yield result
        del result


def _in_order(store: Any, function: str, definition: str) -> Iterator[tuple[str, str]]:
    """The paths and argument hashes of the entries, by time of storing and then by name."""
    dated = []
    for arguments in store.entries(function, definition):
        path = store.path(function, definition, arguments)
        dated.append((_stored_at(path), arguments))
    dated.sort()
    for _, arguments in dated:
        yield store.path(function, definition, arguments), arguments


def _stored_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0  # reading it tells what is the matter


def load_cached_results_as_pandas(
    fn: Callable[..., Any],
    exclude: str | Iterable[str] | None = None,
    index: str | Iterable[str] | None = None,
) -> pd.DataFrame:
    """The stored results of a memorious function as a table: a row a result, in the order stored.

    The columns, from left to right:

    - one an argument, under its name, in the order of the signature. ``*args`` is one column of
      tuples; each keyword in ``**kwargs`` has a column of its own. ``global_seed`` is the last one,
      if any call had it;
    - the output. A dict is spread: one column a key. Anything else is in the column ``output``;
    - ``time``: seconds that the function took.

    Two things of one name don't share a column:

    - ``time`` is always the seconds; an argument called ``time`` is in ``input.time``;
    - a key of the output that is called like an argument or ``time`` is in ``output.<key>``, and an
      output as a whole is in ``output.output`` if there is an argument called ``output``;
    - a keyword in ``**kwargs`` that is called like a positional-only argument is in
      ``<kwargs>.<keyword>``;
    - a key of the output that is no string is in ``output.<repr of the key>``.

    What a result does not have is NaN in its row (so that integers become floats, unless that would
    change them). None stays None.

    Args:
        fn: A memorious function. It is not run.
        exclude: Name, or names, of columns to leave out.
        index: Name, or names, of columns to make the index of.

    Returns:
        A `pandas.DataFrame`. Without any results it is empty, with the columns of the arguments and
        ``time``; any names are taken for `exclude` and `index` then, since those of the output are
        not known.

    Raises:
        KeyError: `exclude` or `index` names a column that is not there.
        TypeError: `fn` is not memorious.
        ImportError: pandas is not installed.

    Warns:
        CacheWarning: A result cannot be read; it is left out.

    Example:
        >>> load_cached_results_as_pandas(train, index="lr")          # doctest: +SKIP
              epochs  accuracy   time
        lr
        0.1       10      0.93   12.1
        0.01      10      0.97   12.3
    """
    memo = _memo_of(fn, "load_cached_results_as_pandas")
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "load_cached_results_as_pandas needs pandas: pip install funes[pandas]"
            " (load_cached_results works without)"
        ) from error

    excluded = _names(exclude)
    indexed = _names(index)
    table = _Table(memo)
    for result in _read_all(memo):
        table.add(result)
    columns = table.columns()
    if table.outputs:
        _check("exclude", excluded, columns)
        _check("index", [name for name in indexed if name not in excluded], columns)
    else:
        columns = {**columns, **{name: {} for name in indexed}}
    both = [name for name in indexed if name in excluded]
    if both:
        raise KeyError(f"index: {', '.join(map(repr, both))} is excluded at the same time")

    rows = len(table.outputs)
    frame = pd.DataFrame(
        {name: _series(pd, cells, rows) for name, cells in columns.items() if name not in excluded},
        index=pd.RangeIndex(rows),
    )
    indexed_frame: pd.DataFrame = frame.set_index(indexed) if indexed else frame
    return indexed_frame


def _names(given: str | Iterable[str] | None) -> list[str]:
    if given is None:
        return []
    return [given] if isinstance(given, str) else list(given)


def _check(parameter: str, names: list[str], columns: Iterable[str]) -> None:
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise KeyError(
            f"{parameter}: there is no column {', '.join(map(repr, unknown))};"
            f" there are {', '.join(map(repr, columns))}"
        )


#: The cells of a column, by the number of the row.
_Cells = dict[int, Any]


class _Table:
    """Takes results apart. Names are settled at the end: any row may bring a new one."""

    def __init__(self, memo: Any) -> None:
        parameters = inspect.signature(memo).parameters.values()
        spread = [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
        self.keywords = spread[0] if spread else None
        ignored = getattr(getattr(memo, "_options", None), "ignore", ())
        self.parameters = [p.name for p in parameters if p.name not in {*spread, *ignored}]
        self.inputs: dict[str, _Cells] = {}
        self.extra: dict[str, _Cells] = {}  # what came in **kwargs
        self.outputs: list[Any] = []
        self.seconds: _Cells = {}

    def add(self, result: dict[str, Any]) -> None:
        row = len(self.outputs)
        for name, value in result["input"].items():
            if name == self.keywords and isinstance(value, dict):
                for keyword, single in value.items():
                    self.extra.setdefault(keyword, {})[row] = single
            else:
                self.inputs.setdefault(name, {})[row] = value
        self.outputs.append(result["output"])
        self.seconds[row] = result["time"]

    def columns(self) -> dict[str, _Cells]:
        """The cells by the final names of the columns, from left to right."""
        named: dict[str, _Cells] = {}
        taken = {"time"}

        def add(name: str, prefix: str, cells: _Cells) -> None:
            while name in taken:
                name = f"{prefix}.{name}"
            taken.add(name)
            named[name] = cells

        names = [n for n in self.parameters if n in self.inputs or not self.outputs]
        after = [n for n in self.inputs if n not in names]  # global_seed
        for name in names:
            add(name, "input", self.inputs.get(name, {}))
        for keyword, cells in self.extra.items():
            add(keyword, self.keywords or "input", cells)
        for name in after:
            add(name, "input", self.inputs[name])

        keys: dict[Any, _Cells] = {}
        whole: _Cells = {}
        for row, output in enumerate(self.outputs):
            if isinstance(output, dict):
                for key, value in output.items():
                    keys.setdefault(key, {})[row] = value
            else:
                whole[row] = output
        for key, cells in keys.items():
            add(key if isinstance(key, str) else f"output.{key!r}", "output", cells)
        if whole:
            add("output", "output", whole)
        named["time"] = self.seconds
        return named


def _series(pd: Any, cells: _Cells, rows: int) -> Any:
    """One column, with the type that fits all its values and alters none."""
    # As objects at first: pandas would look into lists and arrays.
    values = pd.Series([cells.get(row, _MISSING) for row in range(rows)], dtype=object)
    whole = len(cells) == rows
    if any(value is None for value in cells.values()):
        return values  # it would become NaN, and a seed of None one that was not given
    if not whole and any(isinstance(v, int) and abs(v) > _EXACT for v in cells.values()):
        return values  # with NaN in it the column would be one of floats
    return values.infer_objects()
