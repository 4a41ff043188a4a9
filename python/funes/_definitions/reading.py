"""What code may read of other code beside what that does: docstrings, annotations, subclasses.

These count only if they are read. If the path is spelled with names (``helper.__doc__``), that of the one function or
class counts. Any other path (``type(x).__doc__``, ``inspect.getdoc(x)``) may lead to any function or class of the
graph or of the arguments, so that of all of them counts.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ALL_READERS", "ANNOTATIONS", "ASKED", "DOCSTRINGS", "READERS", "SUBCLASSES"]

# Bits of `Description.reading`.
DOCSTRINGS: Final = 1
ANNOTATIONS: Final = 2
SUBCLASSES: Final = 4

ASKED: Final = {"__annotations__": ANNOTATIONS, "__doc__": DOCSTRINGS, "__subclasses__": SUBCLASSES}
"""Attributes, and what is read by them."""

READERS: Final = {
    DOCSTRINGS: frozenset(
        (
            "getcomments",
            "getdoc",
            "getmembers",
            "getmembers_static",
            "getsource",
            "getsourcelines",
            "help",
            "json_schema",
            "model_json_schema",
            "pydoc",
        )
    ),
    ANNOTATIONS: frozenset(
        (
            "__annotate__",
            "__signature__",
            "get_annotations",
            "get_type_hints",
            "getfullargspec",
            "getmembers",
            "getmembers_static",
            "getsource",
            "getsourcelines",
            "json_schema",
            "model_json_schema",
            "signature",
        )
    ),
}
"""Names of functions and attributes, mostly of `inspect` and `typing`, that read code."""

ALL_READERS: Final = frozenset().union(*READERS.values())
