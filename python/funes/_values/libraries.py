"""Merges the type rules for third-party libraries into one table.

No library is imported here: a type is found by its qualified name. A rule that needs its library
imports it when it runs; the code that made the object has imported it already.
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
    omegaconf,
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
    omegaconf,
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
#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = _merged("COVERED")
#: Qualified name of a class -> attributes that its objects fill in on demand.
LAZY_ATTRIBUTES: dict[str, frozenset[str]] = _merged("LAZY_ATTRIBUTES")
#: Qualified names of types whose rule also covers subclasses: it writes the class itself.
COVERS_SUBCLASSES: frozenset[str] = matplotlib.COVERS_SUBCLASSES | sympy.COVERS_SUBCLASSES
#: Qualified names of types whose slots count by themselves.
COUNT_BY_SLOTS: frozenset[str] = models.COUNT_BY_SLOTS
#: Qualified names of types whose rule covers all attributes, or whose attributes do not count.
CLOSED: frozenset[str] = COVERS_SUBCLASSES | models.CLOSED | torch.RULES.keys()
