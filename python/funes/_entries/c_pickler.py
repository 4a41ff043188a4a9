"""What the C pickler writes, and whether that refers to the program's own module."""

from __future__ import annotations

import io
import pickle
import pkgutil
import re
import sys
import types
from typing import Any

from funes._code.sentinels import place_of
from funes._entries import main_module
from funes._entries.main_module import MAINS
from funes._funes import PROTOCOL, BufferCollector

#: The types whose values never change and hold nothing else.
ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})

_MAIN_STRING = re.compile(rb"\x8c(?:\x08__main__|\x0b__mp_main__)")  # as SHORT_BINUNICODE
_STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_GETS = frozenset({"BINGET", "LONG_BINGET"})
_NOTHING = frozenset({"FRAME", "PROTO"})


#: The first object of a class that was made without arguments, with no state after it: `)` makes an empty tuple.
_STATELESS = re.compile(rb"\x93\x94\)\x81\x94[^}N]")
#: The class of a bare `object()`, after which a dict is the next element and no state.
_OBJECT = b"\x8c\x06object\x94\x93"


def dump(value: object) -> bytes:
    return pickle.dumps(value, PROTOCOL)


def may_have_sentinels(data: bytes) -> bool:
    """Whether a pickle of the C pickler may have an object in it that has an identity only."""
    return b"\x93\x94)\x81" in data and (_OBJECT in data or _STATELESS.search(data) is not None)


def dump_carefully(value: object) -> bytes:
    """As `dump`, but what is nothing but its identity is named."""
    pickler = Careful()
    pickler.dump(value)
    return pickler.file.getvalue()


class Careful(pickle.Pickler):
    """Names what the plain C pickler would copy, or name so that another program does not find it.

    Classes and functions of the program's own module are named so that `main_module.find` finds them; then `has_named` says
    that only funes reads the pickle. An object that is nothing but its identity is named where a module has it.
    """

    def __init__(self, collector: BufferCollector | None = None) -> None:
        self.file = io.BytesIO()
        super().__init__(self.file, PROTOCOL, buffer_callback=collector)
        self.has_named = False
        self._sentinels = Sentinels()

    def reducer_override(self, obj: Any) -> Any:
        """What pickle asks for every object that is not one of its own."""
        if isinstance(obj, (type, types.FunctionType)):
            if obj.__module__ not in MAINS:
                return NotImplemented
            module, name = obj.__module__, obj.__qualname__
        else:
            place = self._sentinels.place_of(obj)
            if place is None:
                return NotImplemented
            module, name = place
        reduced = named(module, name)
        self.has_named |= module in MAINS
        return reduced


def named(module: str, name: str) -> tuple[Any, ...]:
    """The reduction of what a module has under a name."""
    if module not in MAINS:
        return pkgutil.resolve_name, (f"{module}:{name}",)
    return main_module.find, (main_module.name_of_own(), name)


class Sentinels:
    """Knows where modules have the objects that are nothing but their identity, such as `dataclasses.MISSING`.

    An object of a class without state counts as one if its class's module has it under the name of a constant. Another
    name may be a variable, which stands for something else when the result is read.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[int, str]] = {}

    def place_of(self, obj: Any) -> tuple[str, str] | None:
        """The module and the name of such an object; None for any other object.

        Raises:
            pickle.PicklingError: It is a bare `object()` that no module has under a name.
        """
        kind = type(obj)
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
    """Whether pickle would make a new object of the same class and no more, which is equal to itself alone."""
    kind = type(obj)
    if not kind.__flags__ & _HEAP or getattr(obj, "__dict__", None):
        return False
    if any(getattr(kind, name) is not getattr(object, name) for name in _OF_VALUES):
        return False
    try:
        reduced = obj.__reduce_ex__(PROTOCOL)
        return bool(reduced[1] == (kind,)) and (len(reduced) == 2 or reduced[2] is None)
    except Exception:
        return False


#: What a class has of its own whose objects have values.
_OF_VALUES = ("__eq__", "__reduce__", "__reduce_ex__")

#: ``tp_flags`` of a class that Python code made.
_HEAP = 1 << 9


def names_main(data: bytes) -> bool:
    """Whether a pickle of the C pickler refers to a class or function of ``__main__``."""
    if b"main__" not in data:  # a search at the speed of memory
        return False
    found = list(_MAIN_STRING.finditer(data))
    if not found:
        return False
    for match in found:
        # The usual form: the module's name, memoized, the object's name, memoized, STACK_GLOBAL.
        at = match.end()
        if data[at : at + 2] == b"\x94\x8c":
            end = at + 3 + data[at + 2]
            if data[end : end + 2] == b"\x94\x93":
                return True
    # A text that says "__main__", most likely. Only reading the opcodes tells.
    import pickletools

    memo: list[object] = []
    before = last = None
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "STACK_GLOBAL" and before in MAINS:
            return True
        if name == "MEMOIZE":
            memo.append(last)
        elif name in _STRINGS:
            before, last = last, argument
        elif name in _GETS:
            before, last = last, memo[argument]  # type: ignore[index]
        elif name not in _NOTHING:
            before, last = last, None
    return False
