"""Keeps arguments as they were when the key of their point was taken."""

from __future__ import annotations

import datetime
import importlib
import pickle
import sys
import types
import weakref
from collections.abc import Mapping
from typing import Any

from funes._entries.atoms import ATOMS as _ATOMS
from funes._entries.main_module import MAINS
from funes._funes import PROTOCOL
from funes._warnings import one_line

#: Positional and keyword arguments of a call.
Arguments = tuple[tuple[Any, ...], dict[str, Any]]

#: Immutable types, whose values are kept as they are.
ATOMS = _ATOMS | {
    datetime.date,
    datetime.datetime,
    datetime.timedelta,
    range,
}


class Copy:
    """A pickled copy of a value that may change after its key was taken."""

    __slots__ = ("data", "is_local")

    def __init__(self, data: bytes, is_local: bool) -> None:
        self.data = data
        #: True if only this process can open it: it refers to the main program by name.
        self.is_local = is_local

    def __reduce__(self) -> tuple[object, ...]:
        return Copy, (self.data, self.is_local)

    def load(self) -> Any:
        """Returns a new object with the value."""
        return pickle.loads(self.data)


class Original:
    """A value that is kept as it is: a function, class or module, an ignored argument, or one that cannot be pickled.

    Its pickle can be opened in this process only, as long as the object exists; see `portable`.
    """

    __slots__ = ("__weakref__", "value")

    def __init__(self, value: object) -> None:
        self.value = value

    def __reduce__(self) -> tuple[object, ...]:
        _originals[id(self)] = self
        return _original, (id(self),)

    def load(self) -> Any:
        """Returns the object."""
        return self.value


#: The originals that were pickled, by their addresses.
_originals: weakref.WeakValueDictionary[int, Original] = weakref.WeakValueDictionary()


def _original(address: int) -> Original:
    return _originals[address]


#: Code, of which a copy could differ in the namespace that it reads.
_CODE = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)


def keep(value: Any) -> Any:
    """Returns what is kept of a value: the value if it is immutable, else a `Copy`, or an `Original`."""
    if is_constant(value):
        return value
    if isinstance(value, _CODE):
        return Original(value)
    try:
        data = pickle.dumps(value, PROTOCOL)
    except Exception:
        try:
            return Copy(dumps_by_value(value), False)
        except Exception:
            return Original(value)
    return Copy(data, _names_main(data))


def _names_main(data: bytes) -> bool:
    from funes._entries import c_pickler  # here, since a worker does not need it to start

    return c_pickler.names_main(data)


def is_constant(value: object) -> bool:
    """Returns whether a value is immutable, so that it can be kept as it is."""
    return type(value) in ATOMS or is_numpy_scalar(value)


def is_numpy_scalar(value: object) -> bool:
    """Returns whether a value is an immutable scalar of numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic) and value.dtype.kind in "biufcmM"


def load(kept: Any) -> Any:
    """Returns the value of which `keep` returned something."""
    return kept.load() if type(kept) in (Copy, Original) else kept


def load_all(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
    """Returns the arguments of a call that was kept."""
    if is_plain(args, kwargs):
        return args, dict(kwargs)
    return tuple(map(load, args)), {name: load(kept) for name, kept in kwargs.items()}


def is_plain(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Returns whether the kept arguments of a call are sent as they are."""
    return not any(type(kept) in (Copy, Original) for kept in (*args, *kwargs.values()))


def portable(kept: Any) -> Any:
    """Returns what is kept in a form that another process can open.

    Raises:
        TypeError: Another process cannot have the value; the message says why.
    """
    if type(kept) is Original:
        try:
            return Copy(_dumps(kept.value), False)
        except Exception as error:
            raise TypeError(
                f"a value of type {type(kept.value).__name__} cannot be sent to another process ({one_line(error)})"
            ) from error
    if type(kept) is not Copy or not kept.is_local:
        return kept
    try:
        return Copy(dumps_by_value(kept.load()), False)
    except ImportError as error:
        raise TypeError(
            "the class of a value is defined in the main program, which another process cannot import:"
            " move the class to a module, or pip install cloudpickle"
        ) from error


def _dumps(value: object) -> bytes:
    """Pickles by name if another process can import that name, else by value."""
    try:
        data = pickle.dumps(value, PROTOCOL)
        if not _names_main(data):
            return data
    except Exception:
        return dumps_by_value(value)
    return dumps_by_value(value)


def is_local(kept: Any) -> bool:
    """Returns whether what is kept may belong to the main program."""
    if type(kept) is Original:
        return is_in_main(getattr(kept.value, "__module__", None))
    return type(kept) is Copy and kept.is_local


def dumps_by_value(value: object) -> bytes:
    """Pickles with cloudpickle: what the main program defines travels by value.

    Raises:
        ImportError: cloudpickle is not installed.
    """
    cloudpickle = importlib.import_module("cloudpickle")
    data: bytes = cloudpickle.dumps(value, PROTOCOL)
    return data


def is_in_main(module: str | None) -> bool:
    """Returns whether a module is that of the main program, which other processes cannot import."""
    return module in MAINS
