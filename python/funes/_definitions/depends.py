"""What `depends_on=` adds to a definition: modules and distributions by version, files by content."""

from __future__ import annotations

import importlib.metadata
import os
import types
from pathlib import Path
from typing import Any

from funes._funes import hash_value, shown

__all__ = ["record", "resolve"]

#: How much of a file is in memory at a time, in bytes.
_CHUNK = 64 << 20


def resolve(depends_on: tuple[Any, ...]) -> tuple[object, ...]:
    """The values to hash for what was given to `depends_on=`, as things stand now.

    Raises:
        OSError: a file cannot be read.
    """
    return tuple(_resolve(dependency) for dependency in depends_on)


def record(depends_on: tuple[Any, ...], resolved: tuple[object, ...]) -> list[dict[str, str]]:
    """The same for people, as `definition.json` has it; docs/format.md describes it.

    Args:
        depends_on: What was given.
        resolved: What `resolve` made of it.
    """
    return [
        {"value": hash_value(value), "shown": _shown(dependency, value)}
        for dependency, value in zip(depends_on, resolved, strict=True)
    ]


def _shown(dependency: Any, resolved: Any) -> str:
    if isinstance(dependency, (types.ModuleType, importlib.metadata.Distribution)):
        return f"{resolved[1]} {resolved[2]}"
    if isinstance(dependency, Path):
        return str(dependency)
    return getattr(dependency, "__qualname__", None) or shown(dependency)


def _resolve(dependency: Any) -> object:
    if isinstance(dependency, types.ModuleType):
        return "module", dependency.__name__, _version(dependency)
    if isinstance(dependency, importlib.metadata.Distribution):
        return "distribution", dependency.metadata["Name"], dependency.version
    if isinstance(dependency, Path):
        return "file", _content(dependency)
    return "value", dependency


def _version(module: types.ModuleType) -> str | None:
    version = getattr(module, "__version__", None)
    if version is not None:
        return str(version)
    top = module.__name__.partition(".")[0]
    for distribution in importlib.metadata.packages_distributions().get(top, ()):
        return importlib.metadata.version(distribution)
    return None


def _content(path: Path) -> object:
    if path.is_dir():
        inside = sorted(entry for entry in path.rglob("*") if entry.is_file())
        return {os.fspath(entry.relative_to(path).as_posix()): _content(entry) for entry in inside}
    with path.open("rb") as file:
        return [hash_value(chunk) for chunk in iter(lambda: file.read(_CHUNK), b"")]
