"""What `depends_on=` adds to a definition: modules and distributions by version, files by content."""

from __future__ import annotations

import os
import sys
import time
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from funes._funes import hash_value, shown

#: How much of a file is in memory at a time, in bytes.
_CHUNK = 64 << 20

#: A file that was changed less than this many seconds ago may change again without a new date: the coarsest file
#: systems (FAT) count in two seconds.
_GRAIN = 3.0

#: Number, size and dates of a file; None if it may change without a change of these.
_Stamp = tuple[int, ...] | None

_Read = dict[str, tuple[_Stamp, list[str]]]


class File:
    """A file or folder that counts by its content, read again when it has changed.

    path: As it stands now, so that a later change of the working directory makes no difference.
    """

    __module__ = "funes"  # part of keys: wherever this class lies

    def __init__(self, path: Path) -> None:
        #: As it was given: another process, like the code, takes a relative one from its own working directory.
        self._given = path
        self.path = path.absolute()
        #: What was read: path -> how the file looked then, the hashes of its pieces.
        self._read: _Read = {}

    def __reduce__(self) -> tuple[object, ...]:
        return File, (self._given,)

    def __funes_key__(self) -> object:
        """The content: hashes of its pieces, for a folder by the names of the files in it.

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
            known = stamp, list(_pieces(path))
        self._read[path] = known
        return known[1]


_CONTAINERS = frozenset((dict, frozenset, list, set, tuple))


class Holder:
    """A container with paths in it, which count by their content.

    value: As it was given: it may be changed later on.
    """

    __module__ = "funes"  # part of keys: wherever this class lies

    def __init__(self, value: object) -> None:
        self.value = value
        self._files: dict[Path, File] = {}

    def __funes_key__(self) -> object:
        """The container with files in place of its paths."""
        return self._with_files(self.value)

    def _with_files(self, value: Any) -> object:
        if isinstance(value, Path):
            if value not in self._files:
                self._files[value] = File(value)
            return self._files[value]
        if not _holds_path(value):
            return value
        if isinstance(value, dict):
            # A path that is a key counts by its content beside the value.
            return {
                key: (self._with_files(key), self._with_files(part))
                if _holds_path(key)
                else self._with_files(part)
                for key, part in value.items()
            }
        return type(value)(map(self._with_files, value))


def taken(depends_on: Iterable[Any]) -> tuple[Any, ...]:
    """What was given to `depends_on=`, with paths as files."""
    return tuple(File(one) if isinstance(one, Path) else one for one in depends_on)


def resolve(depends_on: tuple[Any, ...]) -> tuple[object, ...]:
    """The values to hash for what `taken` gave, as things stand now; a file is read when it is hashed."""
    return tuple(map(_resolve, depends_on))


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
    """Whether there is a path in a container, or in one within it."""
    if isinstance(value, Path):
        return True
    if type(value) not in _CONTAINERS or id(value) in above:
        return False
    parts: Any = (*value, *value.values()) if isinstance(value, dict) else value
    return any(_holds_path(part, above | {id(value)}) for part in parts)


def _is_distribution(dependency: Any) -> bool:
    # Whoever has one has imported the module, which takes longer than all of funes.
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
    if abs(time.time() - max(found.st_mtime, found.st_ctime)) < _GRAIN:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _files_in(folder: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """The regular files in a folder and in the folders in it; links are followed, but not in a circle."""
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


def _pieces(path: str) -> Iterator[str]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield hash_value(chunk)
