"""Tensors of torch in a result, and what a pickle of them leaves out."""

from __future__ import annotations

import io
import pickle
import sys
import types
from typing import Any

from funes._entries.c_pickler import ATOMS
from funes._funes import PROTOCOL


def has_graph(value: object) -> bool:
    """Returns whether a tensor in a value leads back to the tensors that it was computed from.

    A stored tensor does not: `backward()` on it would reach no parameter, and raise no error.
    """
    torch = sys.modules.get("torch")
    if torch is None or type(value) in ATOMS or not hasattr(torch, "Tensor"):
        return False
    try:
        _Search(torch.Tensor).dump(value)
    except _GraphFoundError:
        return True
    except Exception:  # what pickle cannot write, dill may
        return False
    return False


#: The reduction that stands for what is not looked into.
_NOTHING = (len, ("",))


class _GraphFoundError(Exception):
    pass


class _Search(pickle.Pickler):
    """Goes where pickle goes, and writes nothing of tensors."""

    def __init__(self, tensor: type) -> None:
        super().__init__(io.BytesIO(), PROTOCOL, buffer_callback=lambda _: None)
        self._tensor = tensor

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (type, types.FunctionType)):
            return _NOTHING
        if not isinstance(obj, self._tensor):
            return NotImplemented
        if not obj.is_leaf:  # type: ignore[attr-defined]
            raise _GraphFoundError
        return *_NOTHING, vars(obj) or None
