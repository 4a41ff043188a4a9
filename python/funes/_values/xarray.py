"""Type rules for xarray: dimensions, data, coordinates, names and attributes.

How the data is written to a file (`encoding`) and whether it was read already do not count. The
order of the variables of a data set counts, like the order of the columns of a frame.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], object]


def _variable(value: Any) -> object:
    # The public attribute `attrs` may store a new dict in the object.
    return value.dims, _data(value._data), value._attrs or {}


def _data(data: Any) -> object:
    """Returns an array of numpy, or of another library, which has its own rule."""
    from numpy import asarray
    from xarray.core.indexing import ExplicitlyIndexed

    if not isinstance(data, ExplicitlyIndexed):
        return data
    # Read through a copy: the object that reads from a file caches the data in itself.
    return asarray(copy.copy(data))


def _data_array(value: Any) -> object:
    return value.name, value.variable, value._coords, _indexed(value)


def _dataset(value: Any) -> object:
    variables = value._variables
    data = [(name, variables[name]) for name in variables if name not in value._coord_names]
    coordinates = {name: variables[name] for name in value._coord_names}
    return data, coordinates, value._attrs or {}, _indexed(value)


def _indexed(value: Any) -> object:
    """Returns the indexed coordinates and the type of their index."""
    return {name: type(index) for name, index in value.xindexes.items()}


def _tree(value: Any) -> object:
    return value.name, value.to_dataset(inherit=False), list(value.children.items())


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "xarray.core.dataarray.DataArray": ("xarray.DataArray", _data_array),
    "xarray.core.dataset.Dataset": ("xarray.Dataset", _dataset),
    "xarray.core.datatree.DataTree": ("xarray.DataTree", _tree),
    "xarray.core.variable.IndexVariable": ("xarray.IndexVariable", _variable),
    "xarray.core.variable.Variable": ("xarray.Variable", _variable),
}

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = dict.fromkeys(
    RULES,
    frozenset(
        {
            "_attrs",
            "_cache",
            "_close",
            "_coord_names",
            "_coords",
            "_data",
            "_dims",
            "_encoding",
            "_indexes",
            "_name",
            "_variable",
            "_variables",
        }
    ),
)
