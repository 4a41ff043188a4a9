"""Arranges results in the columns of a table: their names and their order."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, NamedTuple

#: The cells of a column by row number.
Cells = dict[int, Any]


class Shape(NamedTuple):
    """The columns of a table that are known before any result is read."""

    #: The parameters in the order of the signature, without ``**kwargs``; None if they are not
    #: known.
    parameters: list[str] | None = None
    #: The name of ``**kwargs``, whose items get columns of their own; None if there is none.
    keywords: str | None = None
    #: True if the table may contain results of several definitions, and so has a column for the
    #: definition hash.
    is_mixed: bool = False

    @classmethod
    def of(cls, memo: Any, is_mixed: bool) -> Shape:
        """Returns the known columns of a table of a memorious function's results."""
        parameters = inspect.signature(memo).parameters.values()
        variadic = [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
        ignored = getattr(getattr(memo, "_options", None), "ignore", ())
        names = [p.name for p in parameters if p.name not in {*variadic, *ignored}]
        return cls(names, variadic[0] if variadic else None, is_mixed)


class Table:
    """Collects the cells of a table. Any row may add a column, so `columns` names the columns at the end."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.rows = 0
        self._inputs: dict[str, Cells] = {}
        self._extra: dict[str, Cells] = {}  # the items of **kwargs
        self._keys: dict[Any, Cells] = {}  # the items of outputs that are dicts
        self._whole: Cells = {}  # other outputs
        self._seconds: Cells = {}
        self._definitions: Cells = {}
        self._expired: Cells = {}

    def add(self, result: dict[str, Any]) -> None:
        """Adds a result as a row."""
        row = self.rows
        self.rows += 1
        for name, value in result["input"].items():
            if name == self._shape.keywords and isinstance(value, dict):
                for keyword, single in value.items():
                    self._extra.setdefault(keyword, {})[row] = single
            else:
                self._inputs.setdefault(name, {})[row] = value
        if "output" in result:
            output = result["output"]
            if isinstance(output, dict):
                for key, value in output.items():
                    self._keys.setdefault(key, {})[row] = value
            else:
                self._whole[row] = output
        self._seconds[row] = result["time"]
        if self._shape.is_mixed:
            self._definitions[row] = result["definition"]
        if "expired" in result:
            self._expired[row] = result["expired"]

    def columns(self, exclude: Iterable[str] = ()) -> dict[str, Cells]:
        """Returns the cells by the final names of the columns, from left to right.

        Raises:
            KeyError: `exclude` names a column that does not exist. Without rows, any name is
                accepted.
        """
        named: dict[str, Cells] = {}
        last = {"time": self._seconds}
        if self._shape.is_mixed:
            last["definition"] = self._definitions
        if self._expired:
            last["expired"] = self._expired

        def add(name: str, prefix: str, cells: Cells) -> None:
            while name in named or name in last:
                name = f"{prefix}.{name}"
            named[name] = cells

        parameters = self._shape.parameters or ()
        names = [n for n in parameters if n in self._inputs or not self.rows]
        after = [n for n in self._inputs if n not in names]  # global_seed
        for name in names:
            add(name, "input", self._inputs.get(name, {}))
        for keyword, cells in self._extra.items():
            add(keyword, self._shape.keywords or "input", cells)
        for name in after:
            add(name, "input", self._inputs[name])
        for key, cells in self._keys.items():
            add(key if isinstance(key, str) else f"output.{key!r}", "output", cells)
        if self._whole:
            add("output", "output", self._whole)
        named.update(last)

        excluded = set(exclude)
        if self.rows:
            check("exclude", exclude, named)
        return {name: cells for name, cells in named.items() if name not in excluded}


def check(parameter: str, names: Iterable[str], columns: Iterable[str]) -> None:
    """Raises a KeyError that lists the columns, if one of `names` is not among `columns`."""
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise KeyError(
            f"{parameter}: there is no column {', '.join(map(repr, unknown))};"
            f" there are {', '.join(map(repr, columns))}"
        )
