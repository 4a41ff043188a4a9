"""Stores each large argument once, however many calls have it.

An entry refers to a large argument by its hash. In ``'input'``, a string that names the file replaces
the value. A dict ``'objects'`` beside ``'input'`` maps the name of the argument to the hash. So an
argument that happens to be such a string is never taken for a reference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from funes._entries import unpickler
from funes._funes import Store, hash_value
from funes._warnings import one_line

if TYPE_CHECKING:
    from funes._call.argument_snapshot import ArgumentSnapshot

#: Unused large arguments are deleted only if they are older than this. A large argument is stored
#: before the entry that refers to it, and is marked as new when another entry is about to refer to
#: it. Clocks of other hosts may be hours off.
GC_GRACE_SECONDS = 86400.0

#: The string that replaces a large argument in an entry.
_REFERENCE = "<in objects/{}.dill: {} bytes>"
_REFERENCE_PATTERN = re.compile(rb"<in objects/([0-9a-f]{40})\.dill: ")
_REFERENCE_BYTES = len("<in objects/.dill: ") + 40

#: The number of bytes of a file that are searched at a time.
_CHUNK_BYTES = 1 << 22


def refer(
    store: Store, snapshot: ArgumentSnapshot, limit: int, durable: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Stores the large arguments of a call that are not stored yet.

    Args:
        store: The cache.
        snapshot: The arguments as they were before the call.
        limit: An argument is large if its pickle has more bytes than this.
        durable: If true, the large arguments are synced, so that they survive a power cut.

    Returns:
        The input of the entry, and a dict from the names of the large arguments to their hashes.
    """
    large = snapshot.take_large(limit)
    inputs = snapshot.restore()
    objects = {}
    for name, pickled in large.items():
        content = bytes(pickled.body)
        digest = hash_value(content)
        try:
            if not _renew(store.object_path(digest)):
                store.write_object(digest, content, pickled.fast, durable=durable)
        except OSError as error:  # the result is stored without the argument
            inputs[name] = f"<not stored: {one_line(error)}>"
        else:
            inputs[name] = _REFERENCE.format(digest, len(content))
            objects[name] = digest
    return inputs, objects


def renew(store: Store, digests: Iterable[str]) -> None:
    """Marks large arguments as new, so that `funes gc` keeps them until an entry refers to them."""
    for digest in digests:
        _renew(store.object_path(digest))


def _renew(path: str) -> bool:
    """Marks a large argument as new, and returns whether its file exists."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:  # another user owns the file, in a shared folder
        return os.path.exists(path)
    return True


def resolve(store: Store, entry: dict[str, Any]) -> None:
    """Loads the large arguments of an entry, and puts them into its input in place of the references.

    If a large argument is missing or cannot be read, a string that says so takes its place.
    """
    for name, digest in entry.pop("objects", {}).items():
        try:
            found = store.read_object(digest)
            value = (
                f"<not stored: objects/{digest}.dill is missing>"
                if found is None
                else unpickler.load(found.body, found.fast)
            )
        except Exception as error:
            value = f"<not stored: objects/{digest}.dill cannot be read ({one_line(error)})>"
        entry["input"][name] = value


def named_in(data: bytes) -> Iterator[str]:
    """Finds the hashes of the large arguments to which a pickle refers.

    Unpickles nothing. May yield false positives, since any string in the form of a reference is
    found, but misses no reference.
    """
    return (found[1].decode() for found in _REFERENCE_PATTERN.finditer(data))


def named_in_file(path: str) -> Iterator[str]:
    """Finds the hashes of the large arguments to which an entry file refers, without verifying it.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        before = b""
        while chunk := file.read(_CHUNK_BYTES):
            searched = before + chunk
            yield from named_in(searched)
            before = searched[-_REFERENCE_BYTES:]
