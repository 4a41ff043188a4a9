"""The cache key of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Key(NamedTuple):
    """What a call is remembered by."""

    #: 40 hexadecimal characters that stand for the function's definition.
    definition: str
    #: 40 hexadecimal characters that stand for the arguments.
    arguments: str
    #: The file of the entry, whether it exists or not.
    path: Path
