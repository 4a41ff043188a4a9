"""One stored call, found in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from funes._entries import large_arguments, reader
from funes._results.stored_files import CheckResult, StoredFile
from funes.errors import FunesError

if TYPE_CHECKING:
    from funes._results.stored_version import StoredVersion

__all__ = ["StoredEntry"]


class StoredEntry(StoredFile):
    """One stored call of one version of a function. Nothing of the file is read before it is asked for.

    Attributes:
        version: The version that it belongs to.
        bytes: The size of its file.

    Example:
        >>> for entry in open_cache("cache").function("double").versions()[0].entries():  # doctest: +SKIP
        ...     print(entry.input, entry.time)
        {'x': 21} 1.2e-06
    """

    __slots__ = ("version",)

    def __init__(self, version: StoredVersion, name: str, size: int, modified: int) -> None:
        super().__init__(version._store, version._folder, name, size, modified)
        self.version = version

    @property
    def arguments(self) -> str:
        """The argument hash: 40 hexadecimal digits."""
        return self.hash

    @property
    def input(self) -> dict[str, Any]:
        """The arguments by name. Unpickles them, which imports the modules of their classes.

        Raises:
            FileNotFoundError: It has been deleted.
            OSError: It cannot be read now, or not by this funes, or not with this key.
            DamagedEntryError: The file is not what was written.
            Exception: Whatever comes up when the objects are made again.
        """
        inputs: dict[str, Any] = self._read(reader.read_head)["input"]
        return inputs

    @property
    def time(self) -> float:
        """How many seconds the function ran. Unpickles nothing if that can be avoided; raises as `input`."""
        seconds: float = self._read(reader.read_seconds)
        return seconds

    @property
    def objects(self) -> frozenset[str]:
        """The hashes of its large arguments, which lie in `Cache.objects`. Nothing is unpickled or verified.

        Raises:
            OSError: It cannot be read now; FileNotFoundError if it has been deleted.
        """
        return frozenset(large_arguments.named_in_file(self._path))

    def load(self) -> dict[str, Any]:
        """The whole: ``{'input': ..., 'output': ..., 'time': ...}``. Unpickles it, and raises, as `input`."""
        entry: dict[str, Any] = self._read(reader.read_whole)
        return entry

    def verify(self) -> CheckResult:
        """Compare every byte of the file with its checksum; with its signature too if the cache has a key."""
        name = self.version._true_name
        if name is None:
            return CheckResult("unreadable", self._nameless())
        return CheckResult(*self._store.check(name, self.version.definition, self.hash))

    def _read(self, read: Any) -> Any:
        name = self.version._true_name
        if name is None:
            raise FunesError(self._nameless())
        found = read(self._store, name, self.version.definition, self.hash)
        if found is None:
            raise FileNotFoundError(2, "the entry has been deleted", self._path)
        return found

    def _nameless(self) -> str:
        return (
            f"{self._path} cannot be verified: its checksum has the function's name in it, which"
            " definition.json beside it would say"
        )
