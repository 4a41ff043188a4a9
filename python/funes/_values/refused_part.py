"""Where in an object a refused part lies, in the user's terms.

A rule turns an object into a simpler value, and the way through that value means nothing to them: of a frame, the third
part is the list of its columns.
"""

from __future__ import annotations

from typing import Any


def steps(value: Any, rule: str, part: int, inner: list[str]) -> list[str]:
    """The way to what lies in a part of what a rule gave, outermost step first.

    inner: the way within that part.
    """
    if part == 2 and inner and rule in _IN_PARTS and _is_derived(value, rule):
        # Of a derived class, the third part is what the rule gives.
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


#: Rules whose parts are attributes, in their order; "" for a part that the inner way says enough about.
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
#: Rules that give a tuple whose parts are told apart here.
_IN_PARTS = _FRAMES | {"pandas.Series"}


def _is_derived(value: Any, rule: str) -> bool:
    """Whether the parts are those of a derived class: itself, its attributes, what the rule gives."""
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
        # Name, data type, blocks; of a block the third part has the elements.
        row = inner[4:5] if len(inner) > 4 else inner[1:]
        return [f"[{_shown(value.columns[index])}]", *row, *inner[5:]]
    variables = [name for name in value._variables if name not in value._coord_names]
    return [f"[{_shown(variables[index])}]", *inner[2:]]


def _in_items(keys: list[Any], inner: list[str]) -> list[str]:
    """The way into one of the pairs of keys and values that stand in a list."""
    key = _shown(keys[_index(inner[0])])
    if inner[1] == "[0]":
        return [f" (the key {key})", *inner[2:]]
    return [f"[{key}]", *inner[2:]]


def _attribute(step: str) -> str:
    """``['name']`` as ``.name``."""
    return f".{step[2:-2]}" if step.startswith("['") and step[2:-2].isidentifier() else step


def _index(step: str) -> int:
    return int(step[1:-1])


def _shown(label: Any) -> str:
    from funes._funes import shown

    return shown(label)
