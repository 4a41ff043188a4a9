"""What the names of a function lead to in the running program."""

from __future__ import annotations

import sys
from collections import deque
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

from funes._definitions.description import MISSING, LeftOut
from funes._definitions.descriptors import is_special_descriptor, parts_of, state_of
from funes._definitions.imports import own_module
from funes._definitions.library import (
    depends_on,
    is_a,
    is_library_class,
    is_library_function,
    is_library_module,
    is_memorious,
    library_of,
    stand_in,
    stands_for_builtin,
)
from funes._definitions.names import Chain, Names, written_name

__all__ = ["Links"]

# What a module holds about itself: where it lies and how it was loaded, which must not count.
_MODULE_MACHINERY = frozenset(
    (
        "__annotations__",
        "__builtins__",
        "__cached__",
        "__debug__",
        "__dict__",
        "__file__",
        "__loader__",
        "__name__",
        "__package__",
        "__path__",
        "__spec__",
    )
)
_PLAIN = frozenset(
    (type(None), bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset)
)


class Links:
    """Gathers what one piece of code refers to.

    assigned, filled: what the code assigns or changes itself, see `Names`.
    left_out: what other code of the graph does, see `LeftOut`.
    """

    def __init__(
        self,
        assigned: frozenset[Chain] = frozenset(),
        filled: frozenset[Chain] = frozenset(),
        left_out: LeftOut = frozenset(),
    ) -> None:
        #: As in `Description`.
        self.links: dict[str, object] = {}
        self.modules: set[str] = set()
        #: As in `Description`.
        self.tools: dict[str, object] = {}
        #: Names that the code assigns or changes: namespace and name, by the former's address.
        self.assigned: dict[tuple[int, str], tuple[object, str]] = {}
        #: The same, as the code spells it.
        self.changed: set[str] = set()
        self._reads: dict[tuple[int, str], tuple[dict[str, Any], str, object]] = {}
        self._assigned = assigned
        self._filled = filled
        self._left_out = left_out

    @property
    def reads(self) -> list[tuple[dict[str, Any], str, object]]:
        """As in `Description`."""
        return list(self._reads.values())

    def add(self, label: str, value: object) -> None:
        """Link a value."""
        if type(value) in _PLAIN:
            self.links[label] = value
            return
        library = library_of(value)
        if library:
            self.modules.add(library)
        substitute = stand_in(value)
        if substitute is not None:
            # Under a label of its own, so that no tuple of the user's can pass for it.
            self.links[f"{label} by name"] = substitute
            self.tools[label] = value
        elif is_special_descriptor(value):
            for name, part in parts_of(value).items():
                self.add(f"{label}.{name}", part)
            if library != "funes._calls.bound":
                self.add(f"type of {label}", type(value))
            if not library:
                for name, part in state_of(value).items():
                    self.add(f"{label}.{name}", part)
                    self.note_read(vars(value), name, part)
        elif is_memorious(value):
            self._add_memorious(label, value)
        else:
            self.links[label] = value

    def _add_memorious(self, label: str, memo: Any) -> None:
        """Link the function that is remembered, since remembering changes no result."""
        self.links[label] = memo.__wrapped__
        if depends_on(memo):
            self.links[f"{label} depends on"] = depends_on(memo)

    def add_captured(self, names: Names, cells: dict[str, CellType]) -> None:
        """Link captured variables, or what the function takes from those that are modules."""
        chains: dict[str, list[Chain]] = {name: [] for name in cells}
        for read in names.reads:
            if not read.is_global and read.chain[0] in cells:
                chains[read.chain[0]].append(read.chain)
        for name, cell in cells.items():
            try:
                value = cell.cell_contents
            except ValueError:
                self.links[f"captured {name} is empty"] = None
                continue
            for chain in chains[name] or [(name,)]:
                self._follow("captured", cell, value, chain)

    def add_globals(
        self,
        names: Names,
        cells: dict[str, CellType],
        globals_: dict[str, Any],
        builtins: dict[str, Any],
    ) -> None:
        """Link the globals that the function reads: of its module, or else of the language."""
        for read in names.reads:
            name = read.chain[0]
            if name in _MODULE_MACHINERY or (name in cells and not read.is_global):
                continue
            value = self._look_up(globals_, read.chain[:1])
            if stands_for_builtin(value, name):
                continue
            if value is not MISSING or self._is_changed(globals_, read.chain[:1]):
                self._follow("global", globals_, value, read.chain)
            elif name not in builtins:
                if read.is_certain:
                    self.note_read(builtins, name, MISSING)
                    self.links[f"missing {name}"] = None
            else:
                value = self._look_up(builtins, read.chain[:1])
                if not _is_of_the_language(value):
                    self._follow("builtin", builtins, value, read.chain)

    def add_imports(self, names: Names, globals_: dict[str, Any]) -> None:
        """Link what the function imports itself from the user's modules."""
        modules: dict[str, Any] = sys.modules
        for origin in names.imports:
            module = own_module(origin, globals_)
            if isinstance(module, str):
                self.modules.add(module)
            elif module is not None:
                self.note_read(modules, module.__name__, module)
                self._follow("imported", modules, module, (written_name(origin), *origin.chain))

    def _follow(self, where: str, namespace: object, value: object, chain: Chain) -> None:
        """Link what a chain leads to: attribute by attribute through the user's modules.

        value: what the first name of the chain stands for in `namespace`.
        """
        for taken in range(1, len(chain) + 1):
            path = chain[:taken]
            if self._is_changed(namespace, path):
                self._leave_out(namespace, path, value)
                return
            if value is MISSING:
                self.links[f"missing {'.'.join(path)}"] = None
                return
            if not is_a(value, ModuleType):
                self._link_end(where, namespace, value, chain, taken)
                return
            if taken == len(chain) or is_library_module(value):
                self.add(f"{where} {'.'.join(path)}", value)
                return
            if chain[taken] in _MODULE_MACHINERY:
                return
            module, namespace = value, vars(value)
            value = self._look_up(namespace, chain[: taken + 1])
            if value is MISSING:
                self._add_makers(f"{where} {'.'.join(path)}", module)

    def _add_makers(self, label: str, module: ModuleType) -> None:
        """Link what may make the attributes that a module does not hold."""
        getter = self._look_up(vars(module), ("__getattr__",))
        if getter is not MISSING:
            self.add(f"{label}.__getattr__", getter)
        if not is_library_class(type(module)):
            self.add(f"type of {label}", type(module))

    def _look_up(self, namespace: dict[str, Any], path: Chain) -> object:
        """The value of the last name of a path, which is noted as read unless the code changes it."""
        value = namespace.get(path[-1], MISSING)
        if not self._is_changed(namespace, path):
            self.note_read(namespace, path[-1], value)
        return value

    def note_read(self, namespace: dict[str, Any], name: str, value: object) -> None:
        """Note that the links hold as long as a name stands for a value."""
        self._reads[id(namespace), name] = (namespace, name, value)

    def _link_end(
        self, where: str, namespace: object, value: object, chain: Chain, taken: int
    ) -> None:
        """Link the first thing on a chain that is no module; `taken` names lead to it."""
        path = chain[:taken]
        inside = {
            longer[taken]
            for longer in self._assigned
            if len(longer) > taken and longer[:taken] == path
        }
        if self._fills(value, path) or (
            inside and not is_a(value, type) and not is_a(value, FunctionType)
        ):
            self._leave_out(namespace, path, value)
            return
        for name in inside:  # an attribute is changed, which leaves the code as it is
            self._note_assigned(value, name)
        label = f"{where} {'.'.join(path)}"
        self.add(label, value)
        if chain[taken : taken + 1] == ("__doc__",) and _is_own_code(value):
            # Left out of the code, but here it is what the code works with.
            self.links[f"{label}.__doc__"] = value.__doc__
        is_own_function = is_a(value, FunctionType) and not is_library_function(value)
        if taken < len(chain) and is_own_function and chain[taken] not in inside:
            self._add_attribute(label, value, chain[: taken + 1])

    def _fills(self, value: object, path: Chain) -> bool:
        """Whether the code fills or empties what a path leads to, or a container in it."""
        for chain in self._filled:
            if chain[: len(path)] == path:
                inner: Any = value
                for name in chain[len(path) :]:
                    inner = getattr(inner, "__dict__", {}).get(name)
                if isinstance(inner, (list, dict, set, bytearray, deque)):
                    return True
        return False

    def _add_attribute(self, label: str, function: Any, path: Chain) -> None:
        """Link what the user keeps in an attribute of a function."""
        if (id(function), path[-1]) not in self._left_out:
            value = self._look_up(function.__dict__, path)
            if value is not MISSING:
                self.add(f"{label}.{path[-1]}", value)

    def _is_changed(self, namespace: object, path: Chain) -> bool:
        return path in self._assigned or (id(namespace), path[-1]) in self._left_out

    def _leave_out(self, namespace: object, path: Chain, value: object) -> None:
        """Do not link a value that changes while the code runs; only its class, if it is own."""
        name = ".".join(path)
        if any(changed[: len(path)] == path for changed in self._assigned | self._filled):
            self.changed.add(name)
            self._note_assigned(namespace, path[-1])
        cls = type(value)
        if not is_a(value, type) and value is not MISSING and not is_library_class(cls):
            self.add(f"type of {name}", cls)

    def _note_assigned(self, namespace: object, name: str) -> None:
        self.assigned[id(namespace), name] = (namespace, name)


def _is_own_code(value: object) -> bool:
    if is_a(value, type):
        return not is_library_class(value)
    return is_memorious(value) or (is_a(value, FunctionType) and not is_library_function(value))


def _is_of_the_language(value: object) -> bool:
    """Whether a builtin is one of Python's own, and not something that a program put there."""
    if is_a(value, type):
        return value.__module__ == "builtins"
    if value is NotImplemented or value is ... or is_a(value, BuiltinFunctionType):
        return True
    return type(value).__module__ == "_sitebuiltins"  # help, exit, license
