"""The version of a function that adopts results of others."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from funes._definitions.recorded import Content
from funes._funes import Store
from funes._versions.translation import Parameters

__all__ = ["Subject", "is_shared"]


class Subject(NamedTuple):
    """The version of a function that adopts."""

    store: Store
    function: str
    definition: str
    parameters: Parameters
    #: What its `definition.json` is to record, if there is none yet and it is known.
    content: Content | None
    shared: bool
    #: Whether a result that took so many seconds must survive a power cut.
    is_durable: Callable[[float], bool]

    def folder(self, definition: str) -> str:
        """The folder of a version's entries."""
        return self.store.folder(self.function, definition)


def is_shared(folder: str | os.PathLike[str]) -> bool:
    """Whether the owner's group may write into a folder, as ``memorious(shared=True)`` has it."""
    return os.name == "posix" and os.stat(folder).st_mode & 0o020 != 0
