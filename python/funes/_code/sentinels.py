"""Finds names for bare objects, which have no value: ``MISSING = object()``.

A bare object counts by its name in a module, ``module:MISSING``. Several modules may have the object,
and a process may have loaded only some of them. So the name is that of the module which creates the
object.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from funes._code import source_cache
from funes._code.third_party import (
    is_a,
    is_library_module,
    loaded_object,
    module_name,
    public_name,
)

#: The type of ``sentinel("MISSING")``, which knows its module and name; None before Python 3.15.
SENTINEL: type | None = getattr(builtins, "sentinel", None)


def module_of(value: Any) -> str | None:
    """Returns the module that has an object of `SENTINEL` under its name; None if it has another name there."""
    for thing, module in _arrived_sentinels.values():
        if thing is value:
            return module
    found = loaded_object(value.__module__, value.__name__)
    return str(value.__module__) if found is value else None


def received_sentinel(module: str, name: str, text: str) -> object:
    """Returns the substitute of an object of `SENTINEL` whose module exists only in another process.

    text: The text that it shows.
    """
    assert SENTINEL is not None
    made = SENTINEL(name, repr=text)
    return _arrived_sentinels.setdefault((module, name), (made, module))[0]


#: The substitutes by module and name, so that each has one identity in this process.
_arrived_sentinels: dict[tuple[str, str], tuple[object, str]] = {}


class Place:
    """The location of a bare object in a module."""

    def __init__(self, loaded: ModuleType, module: str, name: str, cls: type | None = None) -> None:
        self.loaded = loaded
        self.module = module
        #: The class in the module that has the object; None if the module itself has it.
        self.cls = cls
        #: The name within the module: ``MISSING``, or ``Config.MISSING``.
        self.name = name

    @property
    def label(self) -> str:
        """The name by which the object counts."""
        return f"{module_name(public_name(self.module))}:{self.name}"

    def reads(self) -> Iterator[tuple[Any, str, object]]:
        """Yields the lookups that lead to the object: a namespace or class, a name, and its value."""
        modules: dict[str, Any] = sys.modules if self.module in sys.modules else _arrived
        yield modules, self.module, self.loaded
        if self.cls is not None:
            yield vars(self.loaded), self.cls.__name__, self.cls
            name = self.name.rpartition(".")[2]
            yield self.cls, name, vars(self.cls).get(name)
        else:
            yield vars(self.loaded), self.name, vars(self.loaded).get(self.name)

    def holds(self, thing: object) -> bool:
        """Returns true if this location still refers to the object `thing`."""
        found: object = None
        for holder, name, then in self.reads():
            space = vars(holder) if isinstance(holder, type) else holder
            found = space.get(name)
            if found is not then:
                return False
        return found is thing


#: Known locations by address. `Place.holds` checks that the object is still the same.
_known: dict[int, Place] = {}
#: Modules of other processes that this process cannot import, with their objects.
_arrived: dict[str, ModuleType] = {}


def place_of(thing: object) -> Place | None:
    """Returns the location of a bare ``object()``; None if it has no name, or for any other object.

    >>> place_of(object()) is None
    True
    """
    return _place_of(thing) if type(thing) is object else None


def name_in_its_library(thing: object) -> str | None:
    """Returns the name under which a library has an object in one of its modules; None if there is none.

    The content of such an object is internal, and the order of the content may differ from process
    to process.
    """
    root = str(getattr(type(thing), "__module__", "")).partition(".")[0]
    if root == "builtins" or root in sys.stdlib_module_names:
        return None
    kept = _kept.get(root)
    if kept is None or kept[0] != len(sys.modules):
        kept = _kept[root] = len(sys.modules), frozenset(_addresses_in(root))
    place = _place_of(thing, root) if id(thing) in kept[1] else None
    return None if place is None else place.label


#: The addresses of a library's objects in its modules, by root package, with the number of loaded
#: modules at that time.
_kept: dict[str, tuple[int, frozenset[int]]] = {}


def _addresses_in(root: str) -> Iterator[int]:
    for module, loaded in list(sys.modules.items()):
        if module == root or module.startswith(f"{root}."):
            for value in list(getattr(loaded, "__dict__", {}).values()):
                if str(getattr(type(value), "__module__", "")).partition(".")[0] == root:
                    yield id(value)


def _place_of(thing: object, root: str = "") -> Place | None:
    known = _known.get(id(thing))
    if known is not None and known.holds(thing):
        return known
    places = list(_places(thing, root))
    if not places:
        return None
    if len(places) > 1:
        places.sort(key=lambda place: (_rank(place), place.module))
    _known[id(thing)] = places[0]
    return places[0]


def received_object(module: str, name: str) -> object:
    """Returns the substitute of a bare object whose module exists only in another process."""
    space = vars(_arrived.setdefault(module, ModuleType(module)))
    found: object = space.setdefault(name, object())
    return found


def _places(thing: object, root: str) -> Iterator[Place]:
    """Yields the locations of a bare object: in each module, the first name that refers to it.

    root: The only package to search; empty to search all packages.
    """
    modules: list[tuple[str, Any]] = [*_arrived.items(), *sys.modules.items()]
    for module, loaded in modules:
        space = getattr(loaded, "__dict__", None)
        if type(space) is not dict or module == "__mp_main__":  # which is `__main__` as well
            continue
        if root and module.partition(".")[0] != root:
            continue
        name = _name_in(space, thing)
        if name is not None:
            yield Place(loaded, module, name)
            continue
        if not is_a(loaded, ModuleType) or is_library_module(loaded):
            continue
        for cls in list(space.values()):
            if is_a(cls, type) and cls.__module__ == module:
                name = _name_in(vars(cls), thing)
                if name is not None and "." not in cls.__qualname__:
                    yield Place(loaded, module, f"{cls.__name__}.{name}", cls)
                    break


def _name_in(space: Any, thing: object) -> str | None:
    return next((name for name, value in list(space.items()) if value is thing), None)


def _rank(place: Place) -> int:
    """Ranks a module: 0 if its source creates the object, up to 3 if it only imports the object."""
    space = vars(place.loaded)
    filename = space.get("__file__")
    text = next(source_cache.of(filename, space), None) if isinstance(filename, str) else None
    if text is None:
        return 2
    try:
        tree = ast.parse("".join(text.lines))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return 2
    ranks = [
        0 if isinstance(node.value, ast.Call) else 1
        for node in ast.walk(tree)
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == place.name.rpartition(".")[2]
    ]
    return min(ranks, default=3)
