"""Defines `Description`: one node of a definition graph, as Python passes it to the extension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple


class Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""The value in `Description.reads` for a name that does not exist."""


Source = tuple[Any, str | None, bool]
"""An attribute: the object, the name, and whether only the ``__dict__`` of the object, a class, is searched for it.
Without a name the object is a function that returns another number whenever something changes.
"""


Computed = tuple[Callable[[], object], tuple[Source, ...]]
"""A function that computes a value, and the attributes that determine this value; none if more determines it."""


class Description(NamedTuple):
    """One node of a definition graph. Its hash covers `kind`, `name`, `content` and `references`."""

    kind: str
    """``"function"``, ``"class"``, ``"name"`` (the object counts by its name only), ``"method"``,
    ``"partial"`` and so on.
    """

    name: str
    """The qualified name if the kind is ``"name"``; otherwise the object's own name without its
    module.
    """

    content: object
    """The content of the node without its references: a value of str, bytes, int, float, complex,
    bool, None, tuple, frozenset and, from byte code of 3.14 on, slice.
    """

    references: dict[str, object]
    """The objects to which the node refers, by a label that is unique in the node. Code (see
    `is_code`) becomes a node itself; any other object is hashed by value. The order of the labels
    does not count.
    """

    reads: list[tuple[object, str, object]]
    """The lookups that found the references: namespace, name, and the value or `MISSING`. The
    namespace is a dict, or an object or class with attributes. The node stays valid as long as each
    lookup gives the same object. The guards of a function check its captured variables and defaults
    separately.
    """

    modules: frozenset[str] = frozenset()
    """The names of the library modules to which the node refers."""

    source: str = ""
    """The source code, for display; empty if it is not available."""

    changes: frozenset[str] = frozenset()
    """The names whose values the statements of the code may change while it runs."""

    opaque: dict[str, object] = {}  # noqa: RUF012  # no code changes this default
    """The opaque resources (locks, open files and so on) that are in `references` by type only, see
    `type_token`; by label.
    """

    attributes: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = ()
    """Attribute dicts, and the names in them that do not count. The node stays valid as long as all
    other values are the same objects.
    """

    computed: tuple[Computed, ...] = ()
    """Functions that compute the values of references that are stored nowhere. The node stays valid
    as long as each returns an equal value. A function is not called again while the attributes that
    determine its value, if any are named, are the same objects.
    """

    reading: int = 0
    """The parts of other code that the node reads, as bits of `read_parts`. They apply to all nodes."""

    watched: tuple[tuple[type, tuple[frozenset[str], bool]], ...] = ()
    """Library classes, each with the attributes that the code reads from any object, and a flag: true
    if other attributes that the user set count too, see `third_party_classes`. The node stays valid
    as long as the user's attributes on each class and its bases are the same.
    """


def by_name(name: str, library: str = "") -> Description:
    """Returns the description of an object that counts by its name only.

    library: The name of the library module of the object; empty for builtins.
    """
    return Description(
        "name", name, None, {}, [], frozenset((library,)) if library else frozenset()
    )
