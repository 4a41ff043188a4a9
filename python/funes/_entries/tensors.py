"""Finds tensors in a result whose computation graph a pickle would drop."""

from __future__ import annotations

import io
import pickle
import sys
import types
from typing import Any

from funes._entries.atoms import ATOMS
from funes._funes import PROTOCOL


def has_graph(value: object) -> bool:
    """Returns whether a tensor in a value has a computation graph.

    A stored tensor has no computation graph: `backward()` on it would reach no parameter, and raise
    no error.
    """
    torch = sys.modules.get("torch")
    if torch is None or type(value) in ATOMS or not hasattr(torch, "Tensor"):
        return False
    try:
        _Search(torch.Tensor).dump(value)
    except _GraphFoundError:
        return True
    except Exception:  # dill may be able to write what pickle cannot
        return False
    return False


#: The reduction of an object that is not searched.
_SKIPPED = (len, ("",))


class _GraphFoundError(Exception):
    pass


class _Search(pickle.Pickler):
    """Visits the objects that pickle visits, without writing the data of tensors."""

    def __init__(self, tensor: type) -> None:
        super().__init__(io.BytesIO(), PROTOCOL, buffer_callback=lambda _: None)
        self._tensor = tensor

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (type, types.FunctionType)):
            return _SKIPPED
        if not isinstance(obj, self._tensor):
            return NotImplemented
        if not obj.is_leaf:  # type: ignore[attr-defined]
            raise _GraphFoundError
        return *_SKIPPED, vars(obj) or None
