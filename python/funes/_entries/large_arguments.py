"""Large arguments: stored once per content, however many calls have them.

An entry refers to such an argument by its hash. Where ``'input'`` would hold the value, it holds a
text that says where the value is, and beside ``'input'`` stands ``'objects'``, a dict from the
argument's name to the hash. So nobody's own text is ever taken for a reference.
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

#: An object is stored before the entry that refers to it, and marked as new when another entry comes to refer to it.
#: One that is younger than this, in seconds, may have an entry in the making; clocks of other hosts may be hours off.
GC_GRACE_SECONDS = 86400.0

#: The text that an entry has in the place of the value.
_TEXT = "<in objects/{}.dill: {} bytes>"
_NAMED = re.compile(rb"<in objects/([0-9a-f]{40})\.dill: ")
_LONGEST = len("<in objects/.dill: ") + 40

#: How many bytes are looked through at a time.
_PIECE = 1 << 22


def refer(
    store: Store, frozen: ArgumentSnapshot, limit: int, durable: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Store the large arguments of a call, unless they are stored.

    Args:
        store: Where.
        frozen: The arguments as they were before the call.
        limit: The size of a pickle, in bytes, from which on an argument is large.
        durable: Whether they must survive a power cut.

    Returns:
        The input of the entry; and the hashes of those arguments that it refers to, by name.
    """
    large = frozen.take_large(limit)
    inputs = frozen.restore()
    objects = {}
    for name, pickled in large.items():
        content = bytes(pickled.body)
        digest = hash_value(content)
        try:
            if not _renew(store.object_path(digest)):
                store.write_object(digest, content, pickled.fast, durable=durable)
        except OSError as error:  # the result is worth more than the argument
            inputs[name] = f"<not stored: {one_line(error)}>"
        else:
            inputs[name] = _TEXT.format(digest, len(content))
            objects[name] = digest
    return inputs, objects


def renew(store: Store, digests: Iterable[str]) -> None:
    """Let large arguments count as new, lest they be swept before an entry refers to them."""
    for digest in digests:
        _renew(store.object_path(digest))


def _renew(path: str) -> bool:
    """Whether there is the file. From now on it counts as new, lest it be swept before an entry refers to it."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:  # another's, in a folder that is shared
        return os.path.exists(path)
    return True


def resolve(store: Store, entry: dict[str, Any]) -> None:
    """Put the large arguments of an entry that was read into its input. What is missing is a text that says so."""
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
    """Find the hashes of the large arguments that a pickle names.

    Nothing is unpickled: a text of the same form counts too. Where nothing may be missed, more than there is does no
    harm.
    """
    return (found[1].decode() for found in _NAMED.finditer(data))


def named_in_file(path: str) -> Iterator[str]:
    """Find the same in the file of an entry, which is not verified.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        before = b""
        while piece := file.read(_PIECE):
            text = before + piece
            yield from named_in(text)
            before = text[-_LONGEST:]
