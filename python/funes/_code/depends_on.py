"""Evaluates `depends_on=`: modules and distributions count by version, files by content."""

from __future__ import annotations

import os
import sys
import time
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from funes._funes import hash_value, shown

#: The number of bytes of a file that are read at a time.
_CHUNK_BYTES = 64 << 20

#: A file that was changed less than this many seconds ago may change again without a new
#: modification time: the coarsest file systems (FAT) have a resolution of two seconds.
_MTIME_RESOLUTION_SECONDS = 3.0

#: The file stamp: device, inode, size and times of a file. None if the file may change without a
#: change of its stamp.
_Stamp = tuple[int, ...] | None

_Read = dict[str, tuple[_Stamp, list[str]]]


class File:
    """A file or folder that counts by its content. The content is read again when the file has changed.

    path: The absolute path of the file, so that a later change of the working directory has no
        effect.
    """

    __module__ = "funes"  # part of cache keys, so it stays when the class moves

    def __init__(self, path: Path) -> None:
        #: The path as the user gave it. Another process resolves a relative path against its own
        #: working directory.
        self._given = path
        self.path = path.absolute()
        #: Maps each path that was read to the file stamp at that time and the hashes of the chunks.
        self._read: _Read = {}

    def __reduce__(self) -> tuple[object, ...]:
        return File, (self._given,)

    def __funes_key__(self) -> object:
        """Returns the hashes of the file's chunks; for a folder, a dict from each path in it to such hashes.

        Raises:
            OSError: A file is missing or cannot be read.
        """
        before, self._read = self._read, {}
        if not self.path.is_dir():
            return self._content(str(self.path), before)
        start = len(str(self.path)) + 1
        return {
            path[start:].replace(os.sep, "/"): self._content(path, before)
            for path in _files_in(str(self.path))
        }

    def _content(self, path: str, before: _Read) -> list[str]:
        stamp = _stamp(path)
        known = before.get(path)
        if known is None or stamp is None or known[0] != stamp:
            known = stamp, list(_chunk_hashes(path))
        self._read[path] = known
        return known[1]


_CONTAINERS = frozenset((dict, frozenset, list, set, tuple))


class Holder:
    """A container with paths, whose files count by their content.

    value: The container itself and no copy, since the user may change it later.
    """

    __module__ = "funes"  # part of cache keys, so it stays when the class moves

    def __init__(self, value: object) -> None:
        self.value = value
        self._files: dict[Path, File] = {}

    def __funes_key__(self) -> object:
        """Returns the container with `File` objects in place of its paths."""
        return self._with_files(self.value)

    def _with_files(self, value: Any) -> object:
        if isinstance(value, Path):
            if value not in self._files:
                self._files[value] = File(value)
            return self._files[value]
        if not _holds_path(value):
            return value
        if isinstance(value, dict):
            # For a path that is a key, the content counts in addition to the path.
            return {
                key: (self._with_files(key), self._with_files(part))
                if _holds_path(key)
                else self._with_files(part)
                for key, part in value.items()
            }
        return type(value)(map(self._with_files, value))


def parse(depends_on: Iterable[Any]) -> tuple[Any, ...]:
    """Parses the values of `depends_on=`: replaces paths by `File` objects."""
    return tuple(File(one) if isinstance(one, Path) else one for one in depends_on)


def resolve(depends_on: tuple[Any, ...]) -> tuple[object, ...]:
    """Returns the values to hash for a parsed `depends_on=`. Files are read when the values are hashed."""
    return tuple(map(_resolve, depends_on))


def record(depends_on: tuple[Any, ...], resolved: tuple[object, ...]) -> list[dict[str, str]]:
    """Returns the `depends_on` field of `definition.json`; docs/format.md describes it.

    Args:
        depends_on: The parsed `depends_on=`.
        resolved: The result of `resolve`.
    """
    return [
        {"value": hash_value(value), "shown": _shown(dependency, value)}
        for dependency, value in zip(depends_on, resolved, strict=True)
    ]


def _shown(dependency: Any, resolved: Any) -> str:
    if isinstance(dependency, types.ModuleType) or _is_distribution(dependency):
        return f"{resolved[1]} {resolved[2]}"
    if isinstance(dependency, File):
        return str(dependency.path)
    return getattr(dependency, "__qualname__", None) or shown(dependency)


def _resolve(dependency: Any) -> object:
    if isinstance(dependency, types.ModuleType):
        return "module", dependency.__name__, _version(dependency)
    if _is_distribution(dependency):
        return "distribution", dependency.metadata["Name"], dependency.version
    if isinstance(dependency, File):
        return "file", dependency
    return "value", Holder(dependency) if _holds_path(dependency) else dependency


def _holds_path(value: object, above: frozenset[int] = frozenset()) -> bool:
    """Returns true for a path, and for a container that holds a path at any depth."""
    if isinstance(value, Path):
        return True
    if type(value) not in _CONTAINERS or id(value) in above:
        return False
    parts: Any = (*value, *value.values()) if isinstance(value, dict) else value
    return any(_holds_path(part, above | {id(value)}) for part in parts)


def _is_distribution(dependency: Any) -> bool:
    # `importlib.metadata` is not imported here, since that takes longer than importing funes. A
    # program that has a distribution object has imported the module.
    metadata = sys.modules.get("importlib.metadata")
    return metadata is not None and isinstance(dependency, metadata.Distribution)


def _version(module: types.ModuleType) -> str | None:
    version = getattr(module, "__version__", None)
    if version is not None:
        return str(version)
    import importlib.metadata

    top = module.__name__.partition(".")[0]
    for distribution in importlib.metadata.packages_distributions().get(top, ()):
        return importlib.metadata.version(distribution)
    return None


def _stamp(path: str) -> _Stamp:
    found = os.stat(path)
    if abs(time.time() - max(found.st_mtime, found.st_ctime)) < _MTIME_RESOLUTION_SECONDS:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _files_in(folder: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Yields the regular files below a folder. Follows links, but not in cycles."""
    itself = os.stat(folder)
    here = above | {(itself.st_dev, itself.st_ino)}
    if here == above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files_in(entry.path, here)
            elif entry.is_file():
                yield entry.path


def _chunk_hashes(path: str) -> Iterator[str]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield hash_value(chunk)
