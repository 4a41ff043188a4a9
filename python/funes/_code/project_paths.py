"""Makes paths inside the project independent of the location of the project folder."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from funes._code.third_party import is_a


def project_of(namespace: dict[str, Any]) -> tuple[str, ...]:
    """Returns the folder from which the top-level package of a module is imported.

    Args:
        namespace: The globals of the module.

    Returns:
        The folder as its path is spelled, and the folder with links resolved; empty if the module has
        no file.
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
        return ()  # every path is below the root folder
    return tuple(dict.fromkeys((folder, os.path.realpath(folder))))


def in_project(value: object, namespace: dict[str, Any]) -> tuple[str, ...] | None:
    """Returns the substitute of a path inside the project: its path relative to the project folder.

    Returns None for any other value.

    namespace: The globals of a module of the project.
    """
    # Check only the type, since the `__class__` of a proxy may raise an error.
    if type(value) is not str and not is_a(value, PurePath):
        return None
    text = str(value)
    for folder in project_of(namespace):
        if text == folder or text.startswith(folder + os.sep):
            kind = "path" if is_a(value, Path) else type(value).__name__
            return kind, text[len(folder) + 1 :].replace(os.sep, "/")
    return None
