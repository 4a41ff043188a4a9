"""Rules for xarray: dimensions, data, coordinates, names and attributes.

How the data would be written to a file (`encoding`) and whether it has been read yet is no value. The order of the
variables of a data set is one, as that of the columns of a frame.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], object]


def _variable(value: Any) -> object:
    # `attrs` is public, and an object that is asked for it may keep a new dict.
    return value.dims, _data(value._data), value._attrs or {}


def _data(data: Any) -> object:
    """An array of numpy, or of another library, which has a rule of its own."""
    from numpy import asarray
    from xarray.core.indexing import ExplicitlyIndexed

    if not isinstance(data, ExplicitlyIndexed):
        return data
    # What is read from a file is kept by the object that reads it: here by a copy.
    return asarray(copy.copy(data))


def _data_array(value: Any) -> object:
    return value.name, value.variable, value._coords, _indexed(value)


def _dataset(value: Any) -> object:
    variables = value._variables
    data = [(name, variables[name]) for name in variables if name not in value._coord_names]
    coordinates = {name: variables[name] for name in value._coord_names}
    return data, coordinates, value._attrs or {}, _indexed(value)


def _indexed(value: Any) -> object:
    """The coordinates that are looked up by, and the kind of their index."""
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

#: Qualified name of a type -> attributes that its rule speaks for, so that they are none of a derived class's own.
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
