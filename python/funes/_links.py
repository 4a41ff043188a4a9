"""What the names of a function lead to in the running program."""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

from ._description import MISSING, LeftOut
from ._imports import own_module
from ._library import (
    by_name_value,
    is_library_class,
    is_library_function,
    is_library_module,
    library_of,
    module_name,
)
from ._names import Chain, Names, written_name

__all__ = ["Links"]

# What a module holds about itself: where it lies and how it was loaded, which must not count.
_MODULE_MACHINERY = frozenset(
    (
        "__annotations__",
        "__builtins__",
        "__cached__",
        "__debug__",
        "__dict__",
        "__doc__",
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

    links: labels and living objects, see `Description.links`.
    reads: what was looked up, see `Description.reads`.
    modules: names of library modules.
    assigned: names that the code assigns or changes, each with its namespace.
    left_out: the same, as the code spells them, for the warning.
    """

    def __init__(
        self, assigned: frozenset[Chain] = frozenset(), known_assigned: LeftOut = frozenset()
    ) -> None:
        self.links: dict[str, object] = {}
        self.reads: list[tuple[dict[str, Any], str, object]] = []
        self.modules: set[str] = set()
        self.assigned: dict[tuple[int, str], tuple[object, str]] = {}
        self.left_out: set[str] = set()
        self._assigned = assigned
        self._known_assigned = known_assigned

    def add(self, label: str, value: object) -> None:
        """Link a value."""
        if type(value) not in _PLAIN:
            library = library_of(value)
            if library:
                self.modules.add(library)
            stand_in = by_name_value(value)
            if stand_in is not None:
                # Under a label of its own, so that no tuple of the user's can pass for it.
                label, value = f"{label} by name", stand_in
        self.links[label] = value

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
            value = globals_.get(name, MISSING)
            if not self._is_assigned(globals_, (name,)):
                self.reads.append((globals_, name, value))
            if value is not MISSING:
                self._follow("global", globals_, value, read.chain)
            elif self._is_assigned(globals_, (name,)):
                self._leave_out(globals_, (name,), value)
            elif name not in builtins:
                if read.is_certain:
                    self.reads.append((builtins, name, MISSING))
                    self.links[f"missing {name}"] = None
            elif not _is_of_the_language(builtins[name]):
                self.reads.append((builtins, name, builtins[name]))
                self._follow("builtin", builtins, builtins[name], read.chain)

    def add_imports(self, names: Names, globals_: dict[str, Any]) -> None:
        """Link what the function imports itself from the user's modules."""
        for origin in names.imports:
            module = own_module(origin, globals_)
            if isinstance(module, str):
                self.modules.add(module)
            elif module is not None:
                modules: dict[str, Any] = sys.modules
                self.reads.append((modules, module.__name__, module))
                self._follow("imported", modules, module, (written_name(origin), *origin.chain))

    def _follow(self, where: str, namespace: object, value: object, chain: Chain) -> None:
        """Link what a chain leads to: through modules of the user's attribute by attribute, up to anything else.

        value: what the first name of the chain stands for in `namespace`.
        """
        taken = 1
        while True:
            path = chain[:taken]
            if self._is_assigned(namespace, path):
                self._leave_out(namespace, path, value)
                return
            if not isinstance(value, ModuleType):
                self._link_end(where, namespace, value, chain, taken)
                return
            if is_library_module(value):
                self.modules.add(module_name(value.__name__))
                self.add(f"{where} {'.'.join(path)}", value)
                return
            if taken == len(chain):
                self.add(f"{where} {'.'.join(path)}", value)
                return
            name = chain[taken]
            if name in _MODULE_MACHINERY:
                return
            names = vars(value)
            value = names.get(name, MISSING)
            namespace, taken = names, taken + 1
            if self._is_assigned(names, chain[:taken]):
                continue
            self.reads.append((names, name, value))
            if value is MISSING:
                self.links[f"missing {'.'.join(chain[:taken])}"] = None
                if "__getattr__" in names:
                    self.add(f"{where} {'.'.join(path)}.__getattr__", names["__getattr__"])
                return

    def _link_end(
        self, where: str, namespace: object, value: object, chain: Chain, taken: int
    ) -> None:
        """Link the first thing on a chain that is no module; `taken` names of the chain lead to it."""
        path = chain[:taken]
        inside = {
            longer[taken]
            for longer in self._assigned
            if longer[:taken] == path and len(longer) > taken
        }
        if inside and not isinstance(value, (type, FunctionType)):
            self._leave_out(namespace, path, value)
            return
        for name in inside:  # an attribute is changed, which leaves the code as it is
            self._note_assigned(value, name)
        label = f"{where} {'.'.join(path)}"
        self.add(label, value)
        if (
            taken < len(chain)
            and isinstance(value, FunctionType)
            and not is_library_function(value)
        ):
            name = chain[taken]
            if name in value.__dict__ and name not in inside:
                self.add(f"{label}.{name}", value.__dict__[name])

    def _is_assigned(self, namespace: object, path: Chain) -> bool:
        return path in self._assigned or (id(namespace), path[-1]) in self._known_assigned

    def _leave_out(self, namespace: object, path: Chain, value: object) -> None:
        """Do not link a value that changes while the code runs; of an object of the user's, the class still counts."""
        name = ".".join(path)
        self.left_out.add(name)
        self._note_assigned(namespace, path[-1])
        cls = type(value)
        if not isinstance(value, type) and value is not MISSING and not is_library_class(cls):
            self.add(f"type of {name}", cls)

    def _note_assigned(self, namespace: object, name: str) -> None:
        self.assigned[id(namespace), name] = (namespace, name)


def _is_of_the_language(value: object) -> bool:
    """Whether a value among the builtins is one of Python's own, and not something that a program put there."""
    if isinstance(value, type):
        return value.__module__ == "builtins"
    return isinstance(value, (BuiltinFunctionType, type(NotImplemented), type(...))) or (
        type(value).__module__ == "_sitebuiltins"  # help, exit, license
    )
