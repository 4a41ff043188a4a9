"""Detects arrays of one result that share memory, and tensors with gradients.

A pickle separates arrays that share memory, and drops the gradients of tensors.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

from funes._entries.atoms import ATOMS


def shares_memory(value: object) -> bool:
    """Returns whether two arrays in a result share memory or a tensor has a gradient.

    An array and a view of it share memory. The search covers built-in containers and the attributes
    of objects.

    Example:
        >>> import numpy as np
        >>> a = np.zeros(3)
        >>> shares_memory((a, a[:2])), shares_memory((a, a)), shares_memory([a, a.copy()])
        (True, False, False)
    """
    array = getattr(sys.modules.get("numpy"), "ndarray", ())
    tensor = getattr(sys.modules.get("torch"), "Tensor", ())
    if array == tensor == ():
        return False
    owners: dict[object, object] = {}
    for part in parts_of(value, (array, tensor)):
        owner: object = None
        if isinstance(part, array):
            owner = id(_owner(part))
        elif isinstance(part, tensor):
            owner = _storage(part)
            if part.is_leaf and part.grad is not None:
                return True
        if owner is not None and owners.setdefault(owner, part) is not part:
            return True
    return False


def parts_of(value: object, leaves: tuple[Any, ...] = (), most: int | None = None) -> Iterator[Any]:
    """Yield a value and its parts, each once: elements of containers and attributes of objects.

    leaves: types whose objects are not searched.
    most: the maximum number of elements of one container that are searched.
    """
    seen = {id(value)}
    todo = [value]
    while todo:
        part = todo.pop()
        yield part
        if isinstance(part, leaves):
            continue
        for child in itertools.islice(_parts(part), most):
            if type(child) not in ATOMS and id(child) not in seen:
                seen.add(id(child))
                todo.append(child)


def _owner(array: Any) -> Any:
    """Returns the object that owns the memory of an array."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


def _storage(tensor: Any) -> object:
    """Returns a key for the memory of a tensor; None for a tensor without storage, such as a sparse one."""
    try:
        address = tensor.untyped_storage().data_ptr()
    except Exception:  # each layout and device raises errors of other types
        return None
    return ("torch", address) if address else None


def _parts(value: object) -> Any:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    attributes = getattr(value, "__dict__", None)
    return list(attributes.values()) if type(attributes) is dict else ()
