"""Arrays of one result that share memory: a pickle makes separate ones of them."""

from __future__ import annotations

import sys
from typing import Any

from funes._entries.plain import ATOMS

__all__ = ["shares_memory"]


def shares_memory(value: object) -> bool:
    """Whether two numpy arrays in a result share memory, as an array and a view of it do.

    Looks into Python's own containers and into the attributes of objects.

    Example:
        >>> import numpy as np
        >>> a = np.zeros(3)
        >>> shares_memory((a, a[:2])), shares_memory((a, a)), shares_memory([a, a.copy()])
        (True, False, False)
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return False
    owners: dict[int, object] = {}
    seen = {id(value)}
    todo = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, numpy.ndarray):
            if owners.setdefault(id(_owner(part)), part) is not part:
                return True
            continue
        for child in _parts(part):
            if type(child) not in ATOMS and id(child) not in seen:
                seen.add(id(child))
                todo.append(child)
    return False


def _owner(array: Any) -> Any:
    """What the memory of an array belongs to."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


def _parts(value: object) -> Any:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    attributes = getattr(value, "__dict__", None)
    return list(attributes.values()) if type(attributes) is dict else ()
