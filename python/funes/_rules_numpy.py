"""Rules for numpy's arrays and scalars: data type, shape and the elements in C order, whatever the memory layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["RULES"]

Rule = Callable[[Any], object]


def _array(value: Any) -> object:
    if value.dtype.hasobject:
        return _dtype(value.dtype), value.shape, value.tolist()
    return _dtype(value.dtype), value.shape, value.tobytes()


def _dtype(value: Any) -> object:
    return value.descr if value.names is not None else value.str


def _scalar(value: Any) -> object:
    return _dtype(value.dtype), value.tobytes()


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    name: (name, rule)
    for name, rule in {
        "numpy.dtype": _dtype,
        "numpy.generic": _scalar,
        "numpy.ndarray": _array,
    }.items()
}
