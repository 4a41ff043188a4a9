"""Finds the modules that a function imports in its body."""

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
    """A module that cannot be found now, but may be found at a later call.

    It is hashed as a bool, which becomes True when the module can be found. The search is repeated
    when `sys.path`, or a folder on it, has changed.
    """

    __module__ = "funes"  # part of cache keys, so it stays when the class moves

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: tuple[object, ...] = ()
        self._is_found = False

    def __funes_key__(self) -> object:
        seen = tuple(sys.path), tuple(map(_time_of_change, sys.path)), self.name in sys.modules
        if seen != self._seen:
            # Finders list a folder again only if its modification time differs. Some file systems
            # store this time in whole seconds.
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
    except (ImportError, ValueError):  # the package of the module is missing or broken
        return False


def find_module(origin: LocalImport, namespace: dict[str, Any]) -> ModuleType | str | Absent | None:
    """Finds the module of an import statement in the body of a function.

    If the module is a user module that has not been imported yet, it is imported now: the function is
    about to import it, and its attributes cannot be known otherwise. An error of this import is
    ignored, since the function will raise it.

    Args:
        origin: The import statement.
        namespace: The globals of the function, against which a relative import is resolved.

    Returns:
        A user module; the name of a library module; `Absent` if no module of this name can be
        found; None if the module cannot be imported.
    """
    try:
        name = origin.module
        if origin.level:
            name = importlib.util.resolve_name(written_name(origin), _package(namespace))
        module = _loaded(name)
        if module is None:
            if _is_user_module(name):
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
    """Returns a user module, and imports it if necessary; returns None for a library module."""
    module = sys.modules.get(name)
    if module is None and _is_user_module(name):
        module = importlib.import_module(name)
    return module if module is not None and is_user_code(name) else None


def _is_user_module(name: str) -> bool:
    """Returns true for a user module, whether or not it is loaded. The file of the module decides."""
    if name in sys.modules:
        return is_user_code(name)
    package = name.partition(".")[0]
    if package != name and not _is_user_module(package):
        return False
    specification = importlib.util.find_spec(name)
    if specification is None:
        return False
    if specification.has_location:
        return is_user_code(name, specification.origin or "")
    folders = specification.submodule_search_locations or ()
    return any(is_user_code(name, f"{folder}/__init__.py") for folder in folders)
