"""Stores large arguments once per content, however many calls have them.

An entry refers to such an argument by its hash. ``'input'`` holds a string that says where the
value is, and a dict ``'objects'`` beside ``'input'`` maps the name of the argument to the hash. So a
string argument that looks like such a text is never taken for a reference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from funes._entries import pickler
from funes._funes import Store, hash_value
from funes._warnings import one_line

if TYPE_CHECKING:
    from funes._call.argument_snapshot import ArgumentSnapshot

#: Large arguments younger than this are never deleted as unused. A large argument is stored before
#: the entry that refers to it, and marked as new when another entry is about to refer to it; clocks
#: of other hosts may be hours off.
GC_GRACE_SECONDS = 86400.0

#: The string that an entry holds in place of the value.
_REFERENCE = "<in objects/{}.dill: {} bytes>"
_REFERENCE_PATTERN = re.compile(rb"<in objects/([0-9a-f]{40})\.dill: ")
_REFERENCE_BYTES = len("<in objects/.dill: ") + 40

#: Bytes of a file that are searched at a time.
_CHUNK_BYTES = 1 << 22


def refer(
    store: Store, snapshot: ArgumentSnapshot, limit: int, durable: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Store the large arguments of a call that are not stored yet.

    Args:
        store: The cache.
        snapshot: The arguments as they were before the call.
        limit: An argument is large if its pickle has at least this many bytes.
        durable: The large arguments must survive a power cut.

    Returns:
        The input of the entry; and the hashes of the large arguments by name.
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
    """Mark large arguments as new, so that `funes gc` keeps them until an entry refers to them."""
    for digest in digests:
        _renew(store.object_path(digest))


def _renew(path: str) -> bool:
    """Mark a large argument as new; returns whether its file exists."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:  # another user owns it, in a shared folder
        return os.path.exists(path)
    return True


def resolve(store: Store, entry: dict[str, Any]) -> None:
    """Put the large arguments of an entry that was read into its input.

    A large argument that is missing or cannot be read becomes a string that says so.
    """
    for name, digest in entry.pop("objects", {}).items():
        try:
            found = store.read_object(digest)
            value = (
                f"<not stored: objects/{digest}.dill is missing>"
                if found is None
                else pickler.load(found.body, found.fast)
            )
        except Exception as error:
            value = f"<not stored: objects/{digest}.dill cannot be read ({one_line(error)})>"
        entry["input"][name] = value


def named_in(data: bytes) -> Iterator[str]:
    """Find the hashes of the large arguments to which a pickle refers.

    Nothing is unpickled. May yield false positives, since a string of the same form counts too, but
    misses none.
    """
    return (found[1].decode() for found in _REFERENCE_PATTERN.finditer(data))


def named_in_file(path: str) -> Iterator[str]:
    """Find the hashes of the large arguments to which an entry file refers, without verifying it.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        before = b""
        while chunk := file.read(_CHUNK_BYTES):
            searched = before + chunk
            yield from named_in(searched)
            before = searched[-_REFERENCE_BYTES:]
