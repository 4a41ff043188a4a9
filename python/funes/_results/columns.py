"""Arranges results in the columns of a table: their names and their order."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, NamedTuple

from funes._results.nested import flattened, parts_of
from funes._warnings import one_line

#: The cells of a column by row number.
Cells = dict[int, Any]
#: The name of an argument or the key of an output, and the names of its part.
Path = tuple[Any, ...]


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
    #: True if the table may contain remembered errors, and so has a column for them.
    has_errors: bool = False
    #: The libraries whose versions are shown with the run records of results; None for no run records.
    libraries: frozenset[str] | None = None

    @classmethod
    def of(cls, memo: Any, is_mixed: bool, has_errors: bool = False) -> Shape:
        """Returns the known columns of a table of a memorious function's results."""
        parameters = inspect.signature(memo).parameters.values()
        variadic = [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
        ignored = getattr(getattr(memo, "_options", None), "ignore", ())
        names = [p.name for p in parameters if p.name not in {*variadic, *ignored}]
        return cls(names, variadic[0] if variadic else None, is_mixed, has_errors)


class Table:
    """Collects the cells of a table. Any row may add a column, so `columns` names the columns at the end."""

    def __init__(self, shape: Shape, *, flatten: bool = False) -> None:
        self._shape = shape
        self._flatten = flatten
        self.rows = 0
        #: The columns of each argument, by the path of the part.
        self._inputs: dict[str, dict[Path, Cells]] = {}
        self._extra: dict[Path, Cells] = {}  # the items of **kwargs
        self._keys: dict[Path, Cells] = {}  # the items of outputs that are dicts
        self._whole: Cells = {}  # other outputs
        self._seconds: Cells = {}
        self._definitions: Cells = {}
        self._expired: Cells = {}
        self._errors: Cells = {}
        self._runs: dict[str, Cells] = {}

    def add(self, result: dict[str, Any]) -> None:
        """Adds a result as a row."""
        row = self.rows
        self.rows += 1
        for name, value in result["input"].items():
            if name == self._shape.keywords and isinstance(value, dict):
                for keyword, single in value.items():
                    for path, part in self._parts(single, keyword):
                        self._extra.setdefault(path, {})[row] = part
            else:
                columns = self._inputs.setdefault(name, {})
                for path, part in self._parts(value, name):
                    columns.setdefault(path, {})[row] = part
        if "output" in result:
            output = result["output"]
            parts = parts_of(output) if self._flatten else None
            if isinstance(output, dict) or parts:
                for key, value in (parts or output).items():
                    for path, part in self._parts(value, key):
                        self._keys.setdefault(path, {})[row] = part
            else:
                self._whole[row] = output
        if "error" in result:
            self._errors[row] = one_line(result["error"])
        self._seconds[row] = result["time"]
        if self._shape.is_mixed:
            self._definitions[row] = result["definition"]
        if "expired" in result:
            self._expired[row] = result["expired"]
        if result.get("run"):
            run, libraries = result["run"], self._shape.libraries or ()
            used = {name: version for name, version in run["packages"].items() if name in libraries}
            shown = {"python": run["python"], **used, "commit": run["commit"], "host": run["host"]}
            for name, value in shown.items():
                self._runs.setdefault(name, {})[row] = value

    @property
    def inputs(self) -> int:
        """The number of columns that hold inputs. They are the first ones."""
        return sum(map(len, self._inputs.values())) + len(self._extra)

    def _parts(self, value: object, name: Any) -> Iterable[tuple[Path, Any]]:
        """Returns the paths and values of the columns that a value fills."""
        return flattened(value, (name,)) if self._flatten else (((name,), value),)

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
        if self._shape.has_errors:
            last["error"] = self._errors
        for name, cells in self._runs.items():
            last[name if name not in last else f"run.{name}"] = cells

        def add(path: Path, prefix: str, cells: Cells) -> None:
            is_named = all(isinstance(part, str) for part in path)
            name = ".".join(path) if is_named else f"{prefix}.{'.'.join(map(repr, path))}"
            while name in named or name in last:
                name = f"{prefix}.{name}"
            named[name] = cells

        parameters = self._shape.parameters or ()
        names = [n for n in parameters if n in self._inputs or not self.rows]
        after = [n for n in self._inputs if n not in names]  # global_seed
        for name in names:
            for path, cells in self._inputs.get(name, {(name,): {}}).items():
                add(path, "input", cells)
        for path, cells in self._extra.items():
            add(path, self._shape.keywords or "input", cells)
        for name in after:
            for path, cells in self._inputs[name].items():
                add(path, "input", cells)
        for path, cells in self._keys.items():
            add(path, "output", cells)
        if self._whole:
            add(("output",), "output", self._whole)
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
