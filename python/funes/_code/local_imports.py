"""Modules of the user's that a function imports itself."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

from funes._code.scopes import LocalImport, written_name
from funes._code.user_code import is_user_code


class Absent:
    """A module that cannot be found: the function that tries to import it may find it at a later call.

    It counts by whether it can be found by then, which is looked up again when the path or a folder on it changed.
    """

    __module__ = "funes"  # part of keys: wherever this class lies

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: tuple[object, ...] = ()
        self._is_found = False

    def __funes_key__(self) -> object:
        seen = tuple(sys.path), tuple(map(_time_of_change, sys.path)), self.name in sys.modules
        if seen != self._seen:
            # Finders look at a folder again when its time of change, in whole seconds of some systems, is another.
            importlib.invalidate_caches()
            self._is_found = _is_findable(self.name)
            self._seen = seen
        return self._is_found


def _time_of_change(folder: str) -> int:
    try:
        return os.stat(folder or os.curdir).st_mtime_ns
    except OSError:
        return 0


def _is_findable(name: str) -> bool:
    try:
        return name in sys.modules or importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # its package is missing, or broken
        return False


def own_module(origin: LocalImport, namespace: dict[str, Any]) -> ModuleType | str | Absent | None:
    """The module that an import names if it is the user's, its name if it is a library's.

    `Absent` if there is none of the name; None if it cannot be imported.

    A module of the user's that nobody has imported yet is imported now: the function is about to do
    so itself, and what it takes from there cannot be known otherwise. Whatever that raises is left
    for the function to raise.

    namespace: globals of the function, by which a relative import is resolved.
    """
    try:
        name = origin.module
        if origin.level:
            name = importlib.util.resolve_name(written_name(origin), _package(namespace))
        module = _loaded(name)
        if module is None:
            if _is_own_name(name):
                return None
            return name if _is_findable(name) else Absent(name)
        if origin.loads:
            _loaded(origin.loads)
        elif origin.chain and origin.chain[0] not in vars(module) and hasattr(module, "__path__"):
            _loaded(f"{name}.{origin.chain[0]}")
        return module
    except (Exception, SystemExit):
        return None


def _package(namespace: dict[str, Any]) -> str:
    package = namespace.get("__package__")
    if isinstance(package, str):
        return package
    name = str(namespace.get("__name__", ""))
    return name if "__path__" in namespace else name.rpartition(".")[0]


def _loaded(name: str) -> ModuleType | None:
    """A module of the user's, imported if need be; None for a library's."""
    module = sys.modules.get(name)
    if module is None and _is_own_name(name):
        module = importlib.import_module(name)
    return module if module is not None and is_user_code(name) else None


def _is_own_name(name: str) -> bool:
    """Whether a module that may not be loaded is the user's, by the file from which it would be."""
    if name in sys.modules:
        return is_user_code(name)
    package = name.partition(".")[0]
    if package != name and not _is_own_name(package):
        return False
    specification = importlib.util.find_spec(name)
    if specification is None:
        return False
    if specification.has_location:
        return is_user_code(name, specification.origin or "")
    folders = specification.submodule_search_locations or ()
    return any(is_user_code(name, f"{folder}/__init__.py") for folder in folders)
