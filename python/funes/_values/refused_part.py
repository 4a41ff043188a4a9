"""Describes the path from an object to its refused part in the terms of the object.

A type rule turns an object into a simpler value. A path through that value means nothing to the
user: the third part of a frame is the list of its columns.
"""

from __future__ import annotations

from typing import Any


def steps(value: Any, rule: str, part: int, inner: list[str]) -> list[str]:
    """Returns the path into one part of the value that a rule returned, outermost step first.

    inner: the path within that part.
    """
    if part == 2 and inner and rule in _IN_PARTS and _is_derived(value, rule):
        # For a subclass, the third part is the value of the rule.
        part, inner = _index(inner[0]), inner[1:]
    attributes = _ATTRIBUTES.get(rule, ())
    if rule.startswith("networkx.") and part == 1 and len(inner) > 1:
        return [".nodes", *_in_items(list(value._node), inner)]
    if rule in _FRAMES and inner:
        return _in_frame(value, rule, part, inner)
    if rule == "pandas.Series" and part == 2 and inner:
        return [f".iloc{inner[0]}", *inner[1:]]
    if rule == "collections.OrderedDict" and len(inner) > 1:
        return _in_items(list(value), inner)
    if rule == "types.SimpleNamespace" and inner:
        return [_attribute(inner[0]), *inner[1:]]
    if part < len(attributes) and attributes[part]:
        return [attributes[part], *inner]
    if part == 1 and inner and _is_derived(value, rule):
        return [_attribute(inner[0]), *inner[1:]]
    return inner


#: The attributes that the parts of a rule's value stand for; "" if the inner path is enough.
_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "builtins.range": (".start", ".stop", ".step"),
    "builtins.slice": (".start", ".stop", ".step"),
    "collections.ChainMap": (".maps",),
    "collections.defaultdict": (".default_factory", ""),
    "networkx.DiGraph": (".graph", ".nodes", ".adj"),
    "networkx.Graph": (".graph", ".nodes", ".adj"),
    "networkx.MultiDiGraph": (".graph", ".nodes", ".adj"),
    "networkx.MultiGraph": (".graph", ".nodes", ".adj"),
    "numpy.vectorize": (".pyfunc",),
    "pandas.DataFrame": (".index", ".columns"),
    "pandas.Series": (".index", ".name"),
    "xarray.DataArray": (".name", "", ".coords"),
    "xarray.Variable": (".dims", ".data", ".attrs"),
}
_FRAMES = frozenset({"pandas.DataFrame", "polars.DataFrame", "xarray.Dataset"})
#: Rules that return a tuple whose parts have a path of their own.
_IN_PARTS = _FRAMES | {"pandas.Series"}


def _is_derived(value: Any, rule: str) -> bool:
    """Returns whether the parts belong to a subclass: class, attributes, value of the rule."""
    return not rule.endswith(f".{type(value).__qualname__}")


def _in_frame(value: Any, rule: str, part: int, inner: list[str]) -> list[str]:
    columns = {"pandas.DataFrame": 2, "polars.DataFrame": 1, "xarray.Dataset": 0}[rule]
    if part != columns:
        names = _ATTRIBUTES.get(rule, ())
        return [names[part], *inner] if part < len(names) else inner
    index = _index(inner[0])
    if rule == "pandas.DataFrame":
        column = _shown(value.columns.tolist()[index])
        # A numpy array is a column of its elements, row by row.
        return [f"[{column}]", *(f".iloc{row}" for row in inner[1:2]), *inner[2:]]
    if rule == "polars.DataFrame":
        # Parts: name, data type, blocks. The third part of a block has the elements.
        row = inner[4:5] if len(inner) > 4 else inner[1:]
        return [f"[{_shown(value.columns[index])}]", *row, *inner[5:]]
    variables = [name for name in value._variables if name not in value._coord_names]
    return [f"[{_shown(variables[index])}]", *inner[2:]]


def _in_items(keys: list[Any], inner: list[str]) -> list[str]:
    """Returns the path into one pair of a list of keys and values."""
    key = _shown(keys[_index(inner[0])])
    if inner[1] == "[0]":
        return [f" (the key {key})", *inner[2:]]
    return [f"[{key}]", *inner[2:]]


def _attribute(step: str) -> str:
    """Returns ``['name']`` as ``.name``."""
    return f".{step[2:-2]}" if step.startswith("['") and step[2:-2].isidentifier() else step


def _index(step: str) -> int:
    return int(step[1:-1])


def _shown(label: Any) -> str:
    from funes._funes import shown

    return shown(label)
