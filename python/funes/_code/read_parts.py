"""What code may read of other code beside what that does: docstrings, annotations, subclasses, names.

These count only if they are read. If the path is spelled with names (``helper.__doc__``), that of the one function or
class counts. Any other path (``type(x).__doc__``, ``inspect.getdoc(x)``) may lead to any function or class of the
graph or of the arguments, so that of all of them counts. So it is for a text that spells such an attribute, wherever
the code has it from, and for an attribute whose name is made while the code runs.
"""

from __future__ import annotations

from typing import Final

# Bits of `Description.reading`.
DOCSTRINGS: Final = 1
ANNOTATIONS: Final = 2
SUBCLASSES: Final = 4
NAMES: Final = 8
PLACES: Final = 16

ANY: Final = DOCSTRINGS | ANNOTATIONS
"""What an attribute may be of which only the running code knows the name. Where code stands is left out: a function
that looks attributes up by their names is to keep its results when its file is moved.
"""

ASKED: Final = {
    "__annotations__": ANNOTATIONS,
    "__doc__": DOCSTRINGS,
    "__module__": PLACES,
    "__name__": NAMES,
    "__qualname__": PLACES,
    "__subclasses__": SUBCLASSES,
}
"""Attributes, and what is read by them."""

_LONGEST = 1000


def asked_in(value: object) -> int:
    """What is read by the attributes that a text spells, or a container of texts.

    >>> asked_in("{0.__doc__}") == asked_in(["a", ("__doc__",)]) == DOCSTRINGS
    True
    """
    if type(value) is str:
        if "__" not in value:
            return 0
        reading = 0
        for name, kind in ASKED.items():
            reading |= kind if name in value else 0
        return reading
    if type(value) is dict:
        return asked_in(list(value)) | asked_in(list(value.values()))
    if type(value) not in (list, tuple, set, frozenset):
        return 0
    reading = 0
    for part in list(value)[:_LONGEST]:  # type: ignore[call-overload]
        reading |= asked_in(part)
    return reading


def may_spell(start: str, end: str) -> bool:
    """Whether a text with this start and this end may be one of `ASKED`.

    >>> may_spell("__", ""), may_spell("set_", "")
    (True, False)
    """
    return any(
        (name.startswith(start) and name.endswith(end)) for name in (*ASKED, "__code__", "__dict__")
    )


READERS: Final = {
    DOCSTRINGS: frozenset(
        (
            "__code__",
            "co_consts",
            "dis",
            "getcomments",
            "getdoc",
            "getmembers",
            "getmembers_static",
            "getsource",
            "getsourcelines",
            "help",
            "json_schema",
            "marshal",
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
