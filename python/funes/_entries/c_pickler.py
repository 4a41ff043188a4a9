"""Pickles with the C pickler, and detects references to the program's own module."""

from __future__ import annotations

import io
import pickle
import re
import sys
import types
from typing import Any

from funes._code.sentinels import SENTINEL, module_of, place_of
from funes._entries import main_module
from funes._entries.main_module import MAINS
from funes._funes import PROTOCOL, BufferCollector, pickled_names

#: The opcodes that make an object of a class without arguments and give it no state: `)` makes an
#: empty tuple.
_STATELESS = re.compile(rb"\x93\x94\)\x81\x94[^}N]")
#: The opcodes that name the class of a bare `object()`. A dict that follows is the next element,
#: since such an object has no state.
_OBJECT = b"\x8c\x06object\x94\x93"
#: The function that restores a masked array from the state that it pickles by itself.
_MASKED = b"_mareconstruct"


def dump(value: object) -> bytes:
    return pickle.dumps(value, PROTOCOL)


def needs_care(data: bytes) -> bool:
    """Returns whether `dump_carefully` may write a value in another way than this pickle of the C pickler."""
    return _MASKED in data or may_have_sentinels(data)


def may_have_sentinels(data: bytes) -> bool:
    """Returns whether a pickle of the C pickler may contain a sentinel: an object without a value.

    Only the identity of a sentinel counts, and a copy has another identity.
    """
    return b"\x93\x94)\x81" in data and (_OBJECT in data or _STATELESS.search(data) is not None)


def dump_carefully(value: object) -> bytes:
    """Pickles a value as `dump` does, but writes sentinels by name."""
    pickler = NamingPickler()
    pickler.dump(value)
    return pickler.file.getvalue()


class NamingPickler(pickle.Pickler):
    """Writes some objects by name that the plain C pickler would copy, or name as only this process can.

    Classes and functions of the program's own module get a name that `main_module.find` finds. If
    there are any, `has_named` is true, and only funes can read the pickle. A sentinel is written as
    a reference to the module that has it under a name. A masked array keeps its kind of mask.
    """

    def __init__(self, collector: BufferCollector | None = None) -> None:
        self.file = io.BytesIO()
        super().__init__(self.file, PROTOCOL, buffer_callback=collector)
        self.has_named = False
        self._sentinels = Sentinels()

    def reducer_override(self, obj: Any) -> Any:
        """Reduces an object; pickle calls this for every object that is not of a built-in type."""
        if isinstance(obj, (type, types.FunctionType)):
            if obj.__module__ not in MAINS:
                return NotImplemented
            module, name = obj.__module__, obj.__qualname__
        elif _is_masked_array(obj):
            return _reduce_masked_array(obj)
        else:
            qualified = self._sentinels.name_of(obj)
            if qualified is None:
                return NotImplemented
            module, name = qualified
        self.has_named |= module in MAINS
        return reduce_to_name(module, name)


def _is_masked_array(obj: Any) -> bool:
    kind = type(obj)
    return kind.__name__ == "MaskedArray" and kind is getattr(
        sys.modules.get("numpy.ma"), "MaskedArray", None
    )


def _reduce_masked_array(array: Any) -> tuple[Any, ...]:
    """Reduces a masked array to a call of its constructor.

    The state that it pickles by itself contains neither a hard mask nor the absence of a mask.
    """
    from numpy.ma import getmask

    data, fill_value, keep_mask = array.data, array._fill_value, True
    arguments = data, getmask(array), None, False, True, 0, fill_value, keep_mask, array.hardmask
    return type(array), arguments


def reduce_to_name(module: str, name: str) -> tuple[Any, ...]:
    """Returns a reduction that is loaded as the object which a module has under a name."""
    if module not in MAINS:
        import pkgutil  # here, since a worker does not need it to start

        return pkgutil.resolve_name, (f"{module}:{name}",)
    return main_module.find, (main_module.name_of_own(), name)


class Sentinels:
    """Finds the modules and names of sentinels such as `dataclasses.MISSING`.

    An object without state is a sentinel if the module of its class has it under the name of a
    constant. Any other name may be a variable, which may refer to another object when the result is
    read.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[int, str]] = {}

    def name_of(self, obj: Any) -> tuple[str, str] | None:
        """Returns the module and the name of a sentinel; None for any other object.

        Raises:
            pickle.PicklingError: The object is a bare `object()` that no module has under a name, or
                an object of the builtin `sentinel` that its module does not have under its name.
        """
        kind = type(obj)
        if kind is SENTINEL:
            module = module_of(obj)
            if module is None:
                raise pickle.PicklingError(f"no module has the sentinel {obj!r} under its name")
            return module, obj.__name__
        if kind is object:
            place = place_of(obj)
            if place is None:
                raise pickle.PicklingError("a bare object() has no value, only an identity")
            return place.module, place.name
        if not _is_stateless(obj):
            return None
        name = self._names(kind.__module__).get(id(obj))
        return None if name is None else (kind.__module__, name)

    def _names(self, module: str) -> dict[int, str]:
        if module not in self._known:
            space = getattr(sys.modules.get(module), "__dict__", {})
            self._known[module] = {
                id(value): name
                for name, value in list(space.items())
                if name.isupper() and _is_stateless(value)
            }
        return self._known[module]


def _is_stateless(obj: Any) -> bool:
    """Returns whether pickle would write only the class of an object, which equals no other object."""
    kind = type(obj)
    if not kind.__flags__ & _HEAP_TYPE_FLAG or getattr(obj, "__dict__", None):
        return False
    if any(getattr(kind, name) is not getattr(object, name) for name in _VALUE_METHODS):
        return False
    try:
        reduced = obj.__reduce_ex__(PROTOCOL)
        return bool(reduced[1] == (kind,)) and (len(reduced) == 2 or reduced[2] is None)
    except Exception:
        return False


#: The methods of which a class overrides at least one if its objects have a value.
_VALUE_METHODS = ("__eq__", "__reduce__", "__reduce_ex__")

#: The bit of ``tp_flags`` that marks a class made by Python code.
_HEAP_TYPE_FLAG = 1 << 9


def names_main(data: bytes) -> bool:
    """Returns whether a pickle of the C pickler refers to a class or function of ``__main__``."""
    if b"main__" not in data:  # a search at the speed of memory
        return False
    names = pickled_names(data)
    return names is None or any(module in MAINS for module, _ in names[0])
