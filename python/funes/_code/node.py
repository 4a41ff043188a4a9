"""Defines `Description`: a node of the definition graph, as Python passes it to the extension."""

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
"""An attribute that determines a value: an object, the name of an attribute, and a flag. If the flag is true, the
object is a class, and only its ``__dict__`` is searched. If the name is None, the object is a function that returns
another number after each change.
"""


Computed = tuple[Callable[[], object], tuple[Source, ...], object]
"""A function that computes a value, the attributes that determine this value (none if it depends on more), and the
value that the description has.
"""

WatchedAttributes = tuple[dict[str, Any], tuple[str, ...], dict[str, Any]]
"""A dict of attributes, the names in it that do not count, and a copy of the dict from before they were described."""

WatchedClass = tuple[frozenset[str], bool, list[tuple[type, dict[str, object]]]]
"""The attributes that the code reads from any object, a flag, and the attributes that were found, see
`third_party_classes.set_by_user`. If the flag is true, other attributes that the user set on the class count too.
"""


class Description(NamedTuple):
    """A node of the definition graph. The hash of the node covers `kind`, `name`, `content` and `references`."""

    kind: str
    """The kind of the object: ``"function"``, ``"class"``, ``"method"``, ``"partial"`` and so on;
    ``"name"`` for an object that counts by its name only.
    """

    name: str
    """The qualified name of the object if its kind is ``"name"``; otherwise its name without the
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

    reads: list[tuple[object, object, object]]
    """The lookups that found the references: namespace, name, and the value or `MISSING`. The
    namespace is a dict, or an object or class with attributes. A name is a str; in the dict behind
    `os.environ` it is bytes. The node stays valid as long as each
    lookup gives the same object. The guards of a function check its captured variables and defaults
    separately.
    """

    modules: frozenset[str] = frozenset()
    """The names of the library modules to which the node refers."""

    source: str = ""
    """The source code of the object, for display; empty if it is not available."""

    changes: frozenset[str] = frozenset()
    """The names whose values the code may change by its statements when it runs."""

    opaque: dict[str, object] = {}  # noqa: RUF012  # no code changes this default
    """The opaque resources (locks, open files and so on) by their labels in `references`. There, only
    their types count, see `type_token`.
    """

    attributes: tuple[WatchedAttributes, ...] = ()
    """Attribute dicts. The node stays valid as long as all names in them that count refer to the same objects."""

    computed: tuple[Computed, ...] = ()
    """Functions that compute the values of references that are not stored anywhere. The node stays
    valid as long as each function returns an equal value. If the attributes that determine a value
    are named, the function is called again only after one of them refers to another object.
    """

    read_parts: int = 0
    """The parts of other code that the node reads, as bits of `read_parts`. These parts of all nodes of
    the graph count.
    """

    watched: tuple[tuple[type, WatchedClass], ...] = ()
    """Library classes. The node stays valid as long as the user's attributes on each class and its bases are the
    same.
    """


def by_name(name: str, library: str = "") -> Description:
    """Returns the description of an object that counts by its name only.

    library: The name of the library module of the object; empty for builtins.
    """
    return Description(
        "name", name, None, {}, [], frozenset((library,)) if library else frozenset()
    )
