"""Paths below the project's folder: where that lies does not count."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any


def _project_of(namespace: dict[str, Any]) -> tuple[str, ...]:
    """The folder from which a module's top-level package is imported, as it is spelled and with links followed.

    namespace: globals of the module; () if it has no file.
    """
    file, name = namespace.get("__file__"), namespace.get("__name__")
    if not isinstance(file, str) or not isinstance(name, str):
        return ()
    package = namespace.get("__package__")
    if isinstance(package, str) and name == "__main__":
        name = f"{package}.__main__" if package else name
    return _folder(file, name.count(".") + ("__path__" in namespace))


@lru_cache(maxsize=1024)
def _folder(file: str, above: int) -> tuple[str, ...]:
    folder = os.path.dirname(os.path.abspath(file))
    for _ in range(above):
        folder = os.path.dirname(folder)
    if folder == os.path.dirname(folder):
        return ()  # everything lies below the root
    return tuple(dict.fromkeys((folder, os.path.realpath(folder))))


def in_project(value: object, namespace: dict[str, Any]) -> tuple[str, ...] | None:
    """What counts in place of a path that is the project's folder or lies below it; None for anything else.

    namespace: globals of a module of the project.
    """
    if not isinstance(value, (str, PurePath)):
        return None
    text = str(value)
    if type(value) is not str and not isinstance(value, PurePath):
        return None
    for folder in _project_of(namespace):
        if text == folder or text.startswith(folder + os.sep):
            kind = "path" if isinstance(value, Path) else type(value).__name__
            return kind, text[len(folder) + 1 :].replace(os.sep, "/")
    return None
