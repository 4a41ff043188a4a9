"""The rules for other people's libraries, one file a library, in one table.

None of the libraries is imported: a type is found by its qualified name, and a rule that needs its library finds it
imported by whoever made the object.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from funes._values import (
    arrow,
    handles,
    matplotlib,
    models,
    networkx,
    nibabel,
    numpy,
    pandas,
    polars,
    scipy,
    sympy,
    torch,
    xarray,
)

_TABLES: tuple[ModuleType, ...] = (
    arrow,
    handles,
    matplotlib,
    models,
    networkx,
    nibabel,
    numpy,
    pandas,
    polars,
    scipy,
    sympy,
    torch,
    xarray,
)


def _merged(name: str) -> dict[str, Any]:
    return {key: value for table in _TABLES for key, value in getattr(table, name, {}).items()}


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Callable[[Any], object]]] = _merged("RULES")
#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = _merged("REFUSALS")
#: Qualified name of a type -> attributes that its rule speaks for, so that they are none of a derived class's own.
COVERED: dict[str, frozenset[str]] = _merged("COVERED")
#: Qualified name of a class -> attributes that its objects fill in when they are asked for something.
FOUND_OUT: dict[str, frozenset[str]] = _merged("FOUND_OUT")
#: Qualified names of types whose rule speaks for derived classes as well: it looks at the class itself.
WHOLE: frozenset[str] = matplotlib.WHOLE | sympy.WHOLE
