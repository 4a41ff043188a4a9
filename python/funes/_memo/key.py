"""The cache key of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Key(NamedTuple):
    """The cache key of a call, and the file of its entry."""

    #: The definition digest of the function: 40 hexadecimal characters.
    definition: str
    #: The digest of the arguments: 40 hexadecimal characters.
    arguments: str
    #: The file of the entry, whether it exists or not.
    path: Path
