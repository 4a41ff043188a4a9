"""Finds the modules that a function imports in its body."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
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
        is_loaded = self.name in sys.modules, sys.modules.get(self.name) is None
        seen = tuple(sys.path), tuple(map(_time_of_change, sys.path)), is_loaded
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
    """Returns whether a module can be imported, if possible without importing its package."""
    if name in sys.modules:
        return sys.modules[name] is not None  # None: its import is blocked
    try:
        # A package may make modules or change its path when it is imported. It is imported only if
        # the module is not found without that.
        return _search(name) is not None or importlib.util.find_spec(name) is not None
    except Exception:  # the package of the module is missing or broken
        return False


def _search(name: str) -> ModuleSpec | None:
    """Finds a module like `importlib.util.find_spec`, which imports the packages that contain it."""
    module = sys.modules.get(name)
    if module is not None:
        specification = ModuleSpec(name, None, is_package=True)
        specification.submodule_search_locations = getattr(module, "__path__", None)
        return specification
    path: Iterable[str] | None = None
    parent = name.rpartition(".")[0]
    if parent:
        package = _search(parent)
        path = None if package is None else package.submodule_search_locations
        if path is None:
            return None
    for finder in sys.meta_path:
        if path is not None and finder is PathFinder:
            found = _search_folders(name, path)
        else:
            found = finder.find_spec(name, path)  # type: ignore[arg-type]
        if found is not None:
            return found
    return None


def _search_folders(name: str, path: Iterable[str]) -> ModuleSpec | None:
    """Finds a module in the folders of its package.

    `PathFinder` cannot find a namespace package in a package that is not loaded.
    """
    portions: list[str] = []
    for folder in path:
        finder = pkgutil.get_importer(folder)
        found = None if finder is None else finder.find_spec(name)
        if found is not None and found.loader is not None:
            return found
        portions += (found.submodule_search_locations or ()) if found is not None else ()
    if not portions:
        return None
    namespace = ModuleSpec(name, None, is_package=True)
    namespace.submodule_search_locations = portions
    return namespace


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
