"""Finds where the arguments of two calls differ."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from funes._funes import hash_value, shown

#: The length up to which strings are shown completely. A longer string is shown from its first
#: difference on.
_MAX_CHARACTERS = 60

#: The text that is shown in place of a value that only the other call has.
_NOTHING = "nothing"


class Difference(NamedTuple):
    """A difference between the arguments of two calls. `str` formats it in one line.

    Example:
        >>> print(Difference("config['lr']", "0.1", "0.01"))
        config['lr']: 0.1 -> 0.01
    """

    #: The place of the difference in Python syntax, starting with the name of the parameter.
    path: str
    #: The value in the first call, shortened. `after` is the value in the second call.
    before: str
    after: str

    def __str__(self) -> str:
        again = "another " if self.before == self.after else ""
        return f"{self.path}: {self.before} -> {again}{self.after}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """Yields the differences between the arguments of two calls, each at the innermost place.

    Searches dicts, lists, tuples, sets, attributes of objects, numpy arrays and pandas tables.
    Compares values as in cache keys. Of user methods, only ``__hash__`` of dict keys runs; properties
    of library types may run.

    Args:
        before: The arguments of the first call, by name.
        after: The arguments of the second call, by name.

    Example:
        >>> before = {"x": 1, "config": {"lr": 0.1, "layers": [8, 8]}}
        >>> after = {"x": 1, "config": {"lr": 0.01, "layers": [8, 4]}}
        >>> [str(difference) for difference in differences(before, after)]
        ["config['lr']: 0.1 -> 0.01", "config['layers'][1]: 8 -> 4"]
    """
    pairs = [(name, before, after, name) for name in dict.fromkeys((*after, *before))]
    return _of_parts(pairs, set())


#: A path, two containers, and a key that is in at least one of them.
_Pair = tuple[str, Mapping[Any, Any], Mapping[Any, Any], Any]
#: The addresses of the pairs that are being compared.
_Seen = set[tuple[int, int]]


def _of_parts(pairs: list[_Pair], seen: _Seen) -> Iterator[Difference]:
    for path, before, after, key in pairs:
        if key not in before:
            yield Difference(path, _NOTHING, in_short(after[key]))
        elif key not in after:
            yield Difference(path, in_short(before[key]), _NOTHING)
        else:
            yield from _of_values(path, before[key], after[key], seen)


def _of_values(path: str, before: Any, after: Any, seen: _Seen) -> Iterator[Difference]:
    pair = id(before), id(after)
    if before is after or pair in seen or _is_same(before, after):
        return
    seen.add(pair)  # so that cycles end
    found = False
    try:
        for difference in _within(path, before, after, seen):
            found = True
            yield difference
    except Exception:  # the parts cannot be compared, so report the whole value
        found = False
    finally:
        seen.discard(pair)
    if not found:
        yield Difference(path, in_short(before), in_short(after))


def _is_same(before: Any, after: Any) -> bool:
    try:
        return hash_value(before) == hash_value(after)
    except Exception:  # a value without a hash was not stored unchanged
        return False


def _within(path: str, before: Any, after: Any, seen: _Seen) -> Iterator[Difference]:
    if type(before) is not type(after):
        return
    if isinstance(before, (str, bytes)):
        yield from _of_strings(path, before, after)
    elif isinstance(before, dict):
        keys = dict.fromkeys((*after, *before))
        yield from _of_parts([(f"{path}[{shown(key)}]", before, after, key) for key in keys], seen)
    elif isinstance(before, (list, tuple)):
        if len(before) != len(after):
            yield Difference(f"len({path})", str(len(before)), str(len(after)))
        for position, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from _of_values(f"{path}[{position}]", one, other, seen)
    elif isinstance(before, (set, frozenset)):
        yield from _of_sets(path, before, after)
    elif _is_of(before, "numpy", "ndarray"):
        yield from _of_arrays(path, before, after, seen)
    elif _is_of(before, "pandas", "DataFrame") or _is_of(before, "pandas", "Series"):
        yield from _of_tables(path, before, after, seen)
    else:
        one, other = _attributes(before), _attributes(after)
        names = dict.fromkeys((*other, *one))
        yield from _of_parts([(f"{path}.{name}", one, other, name) for name in names], seen)


def _of_strings(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if len(before) <= _MAX_CHARACTERS and len(after) <= _MAX_CHARACTERS:
        return
    length = min(len(before), len(after))
    start = next((at for at in range(length) if before[at] != after[at]), length)
    yield Difference(f"{path}[{start}:]", shown(before[start:]), shown(after[start:]))


def _of_sets(path: str, before: Any, after: Any) -> Iterator[Difference]:
    one, other = ({hash_value(element): element for element in part} for part in (before, after))
    for digest in sorted(one.keys() ^ other.keys()):
        element = one.get(digest, other.get(digest))
        yield Difference(f"{shown(element)} in {path}", str(digest in one), str(digest in other))


def _of_arrays(path: str, before: Any, after: Any, seen: _Seen) -> Iterator[Difference]:
    for name in ("dtype", "shape"):
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            yield Difference(f"{path}.{name}", str(one), str(other))
    if before.shape != after.shape or before.dtype != after.dtype:
        return
    if before.dtype.hasobject:
        for position, (one, other) in enumerate(zip(before.flat, after.flat, strict=True)):
            yield from _of_values(f"{path}.flat[{position}]", one, other, seen)
        return
    differs = (before != after) & ((before == before) | (after == after))  # NaN equals NaN here
    positions = differs.ravel().nonzero()[0]
    if len(positions):
        first = sys.modules["numpy"].unravel_index(positions[0], before.shape)
        at = f"[{', '.join(str(int(index)) for index in first)}]" if before.shape else ""
        more = f" (the first of {len(positions)})" if len(positions) > 1 else ""
        one, other = before[first].item(), after[first].item()
        yield Difference(f"{path}{at}", shown(one), f"{shown(other)}{more}")


def _of_tables(path: str, before: Any, after: Any, seen: _Seen) -> Iterator[Difference]:
    yield from _of_arrays(f"{path}.index", before.index.to_numpy(), after.index.to_numpy(), seen)
    if not hasattr(before, "columns"):
        yield from _of_arrays(path, before.to_numpy(), after.to_numpy(), seen)
        return
    columns = [{name: table[name] for name in table.columns} for table in (before, after)]
    names = dict.fromkeys((*columns[1], *columns[0]))
    yield from _of_parts([(f"{path}[{shown(name)}]", *columns, name) for name in names], seen)


def _is_of(value: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _attributes(value: Any) -> Mapping[str, Any]:
    """Returns the attributes of an object; empty if they are not known."""
    names: list[str] = []
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    elif hasattr(type(value), "__attrs_attrs__"):
        names = [field.name for field in type(value).__attrs_attrs__]
    if names:
        return {name: getattr(value, name) for name in names}
    if isinstance(value, (type, types.FunctionType, types.ModuleType)):
        return {}
    return dict(getattr(value, "__dict__", {}))


def in_short(value: Any) -> str:
    """Formats a value in about 60 characters. A function or class is shown by its name."""
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return value.__qualname__
    return shown(value)
