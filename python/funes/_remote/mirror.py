"""A bucket as a cache folder: the definition files, and empty files in place of the entries."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from contextlib import suppress

from funes._code.definition_file import FILE_NAME
from funes._entries.run_record import run_named
from funes._funes import ERROR_EXTENSION, EXTENSION, OBJECTS, RUNS, Incoming, Store
from funes._remote.remote import PACKED_NAME, EntryKey, Remote, in_parallel
from funes._remote.runs import runs_of

#: The names in a bucket that belong to a cache. All other objects are ignored: a name may lead anywhere.
_FOLDER = re.compile(r"[\w-]{1,120}/[0-9a-f]{40}")
_ENTRY = re.compile(rf"[0-9a-f]{{40}}(?:{re.escape(EXTENSION)}|{re.escape(ERROR_EXTENSION)})")

#: The number of requests at the same time.
REQUESTS = 16


class Mirror:
    """A temporary folder, in which the tools for cache folders list a bucket.

    An entry is a file of zeros that has the size and the time of the object. It takes no space, and is damaged for
    every reader. `with_objects`: also large arguments.

    Raises:
        BucketError: A request failed.
        OSError: The folder cannot be written.
    """

    def __init__(self, remote: Remote, *, with_objects: bool = True) -> None:
        self.remote = remote
        self.path = tempfile.mkdtemp(prefix="funes-remote-")
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        #: The names of the segments and packs, by the folder of the definition.
        self.packed: dict[str, list[str]] = {}
        #: The ids of the run records.
        self.runs: list[str] = []
        descriptions = []
        for each in remote.bucket.objects(""):
            folder, _, name = each.name.partition("/")
            if folder == RUNS:
                self.runs += filter(None, [run_named(name)])
                continue
            if folder != OBJECTS:
                folder, name = _split(each.name)
            if name == FILE_NAME and folder != OBJECTS:
                descriptions.append(each.name)
            elif _ENTRY.fullmatch(name) and (with_objects or folder != OBJECTS):
                self._make(folder, name, each.bytes, each.modified)
            elif packed := PACKED_NAME.fullmatch(name):
                self.packed.setdefault(folder, []).append(packed[1])
        in_parallel(self._copy, descriptions, REQUESTS)

    def _make(self, folder: str, name: str, size: int, modified: int) -> None:
        path = os.path.join(self.path, *folder.split("/"), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.truncate(size)
        os.utime(path, ns=(modified, modified))

    def _copy(self, name: str) -> None:
        found = self.remote.get(name)
        if found is not None:
            path = os.path.join(self.path, *name.split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.writelines(found.chunks())

    def fill(self, store: Store, keys: Iterable[EntryKey]) -> None:
        """Replaces the empty files of entries by their contents. Leaves out those that cannot be used.

        Args:
            store: A store in the folder.
            keys: The entries.
        """

        def fetch(key: EntryKey) -> None:
            found = self.remote.get(key.name)
            if found is None:
                return
            state = self.remote.receive(found, Incoming(store, *key), replace=True).state
            if state == "published":
                self.remote.receive_runs(store, runs_of(store.path(*key)))
            else:
                with suppress(FileNotFoundError):
                    os.remove(store.path(*key))

        in_parallel(fetch, list(keys), REQUESTS)

    def fill_packed(self, store: Store, function: str, definition: str) -> None:
        """Receives the segments and packs of a definition. Leaves out damaged ones."""
        self.remote.take_packed(store, function, definition)


def _split(name: str) -> tuple[str, str]:
    """Returns the folder of a definition and the name in it; empty for an object that belongs to no cache."""
    parts = name.split("/", 2)
    folder = "/".join(parts[:2])
    return (folder, parts[2]) if len(parts) == 3 and _FOLDER.fullmatch(folder) else ("", "")
