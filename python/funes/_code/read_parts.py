"""Finds the parts of other code that code reads: docstrings, annotations, subclasses, names, locations.

These parts count only if code reads them. For a literal path (``helper.__doc__``), the docstring of
that one function or class counts. Any other expression (``type(x).__doc__``, ``inspect.getdoc(x)``)
may read any function or class of the graph or of the arguments, so the docstrings of all of them
count. The same holds for a string with the name of such an attribute, and for an attribute whose
name is made at run time.
"""

from __future__ import annotations

from typing import Final

# Bits of `Description.read_parts`.
DOCSTRINGS: Final = 1
ANNOTATIONS: Final = 2  # and type parameters
SUBCLASSES: Final = 4
NAMES: Final = 8
LOCATIONS: Final = 16

ANY: Final = DOCSTRINGS | ANNOTATIONS
"""The parts that code may read by an attribute name that is made at run time. Locations are excluded,
so that a function that looks up attributes by name keeps its results when its file is moved.
"""

PART_OF_ATTRIBUTE: Final = {
    "__annotations__": ANNOTATIONS,
    "__doc__": DOCSTRINGS,
    "__module__": LOCATIONS,
    "__name__": NAMES,
    "__parameters__": ANNOTATIONS,
    "__qualname__": LOCATIONS,
    "__subclasses__": SUBCLASSES,
    "__type_params__": ANNOTATIONS,
}
"""Maps each attribute that reads a part of code to the bit of that part."""

_MAX_ELEMENTS = 1000  # the number of elements of a container that are searched for strings


def parts_named_in(value: object) -> int:
    """Returns the bits of the attributes that a string, or a container of strings, contains.

    >>> parts_named_in("{0.__doc__}") == parts_named_in(["a", ("__doc__",)]) == DOCSTRINGS
    True
    """
    if type(value) is str:
        if "__" not in value:
            return 0
        read_parts = 0
        for name, kind in PART_OF_ATTRIBUTE.items():
            read_parts |= kind if name in value else 0
        return read_parts
    if type(value) is dict:
        return parts_named_in(list(value)) | parts_named_in(list(value.values()))
    if type(value) not in (list, tuple, set, frozenset):
        return 0
    read_parts = 0
    for part in list(value)[:_MAX_ELEMENTS]:  # type: ignore[call-overload]
        read_parts |= parts_named_in(part)
    return read_parts


def may_name_part(start: str, end: str) -> bool:
    """Returns true if a string with a given start and end may be an attribute of `PART_OF_ATTRIBUTE`.

    >>> may_name_part("__", ""), may_name_part("set_", "")
    (True, False)
    """
    return any(
        (name.startswith(start) and name.endswith(end))
        for name in (*PART_OF_ATTRIBUTE, "__code__", "__dict__")
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
            "TypeAdapter",
            "__annotate__",
            "__signature__",
            "from_callable",
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
"""Maps functions and attributes that read parts of code, mostly of `inspect` and `typing`, to the bits."""

ALL_READERS: Final = frozenset().union(*READERS.values())
