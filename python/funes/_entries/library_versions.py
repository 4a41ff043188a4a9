"""Finds the versions of the libraries that a process has imported."""

from __future__ import annotations

import os
import re
import sys
from types import ModuleType
from typing import Any

#: The folder of an installed distribution, or its file: its name and its version.
_DISTRIBUTION = re.compile(r"([\w.]+)-([^-]+)(?:-py[\d.]+)?\.(?:dist-info|egg-info)")

#: A version that is recorded. The version of a module may be any string.
_VERSION = re.compile(r"[\w.+!~-]{1,80}", re.ASCII)

#: Maps each folder of installed packages to the versions of its distributions by name.
_installed: dict[str, dict[str, str]] = {}


def imported_versions() -> dict[str, str]:
    """Returns the versions of the imported top-level modules that have one, sorted by name."""
    found = {}
    for name, module in list(sys.modules.items()):
        if type(module) is not ModuleType or type(name) is not str or not name.isidentifier():
            continue
        # A worker has another name for the program's own module.
        if name in sys.stdlib_module_names or name in ("__main__", "__mp_main__"):
            continue
        version = _version_in(module)
        if version is not None:
            found[name] = version
    return dict(sorted(found.items()))


def version_of(name: str) -> str | None:
    """Returns the version of an imported top-level module; None if it is not imported or has none."""
    module = sys.modules.get(name)
    return None if module is None else _version_in(module)


def _version_in(module: ModuleType) -> str | None:
    # Reading attributes may run code of the module.
    namespace = vars(module)
    version = namespace.get("__version__")
    if type(version) is not str:
        version = _installed_version(namespace)
    return version if version is not None and _VERSION.fullmatch(version) else None


def _installed_version(namespace: dict[str, Any]) -> str | None:
    name, file = namespace.get("__name__"), namespace.get("__file__")
    if type(file) is not str or type(name) is not str:
        return None
    folder = os.path.dirname(file)
    if os.path.basename(file).startswith("__init__."):
        folder = os.path.dirname(folder)
    if not folder.endswith(("site-packages", "dist-packages")):
        return None
    return _distributions(folder).get(name.lower())


def _distributions(folder: str) -> dict[str, str]:
    if folder not in _installed:
        try:
            names = os.listdir(folder)
        except OSError:
            names = []
        found = filter(None, map(_DISTRIBUTION.fullmatch, names))
        _installed[folder] = {each[1].lower().replace(".", "_"): each[2] for each in found}
    return _installed[folder]
