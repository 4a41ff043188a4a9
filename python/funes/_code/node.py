"""What one function, class or other piece of code consists of, as the extension hashes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple


class Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""In `Description.reads`: the name was not there."""


Computed = tuple[Callable[[], object], object, tuple[str, ...]]
"""What gives a value, and the object and its attributes from which the value follows."""


class Description(NamedTuple):
    """One node of a definition's graph. Its hash covers `kind`, `name`, `content` and `references`."""

    kind: str
    """``"function"``, ``"class"``, ``"name"`` (counts by its name only), ``"method"``,
    ``"partial"`` and so on.
    """

    name: str
    """The qualified name where the kind is ``"name"``, else the object's own name without its
    module.
    """

    content: object
    """What the node says itself: a plain value of str, bytes, int, float, complex, bool, None,
    tuple, frozenset and, from byte code of 3.14 on, slice.
    """

    links: dict[str, object]
    """What the node refers to: a label, unique in the node, and the living object, to be hashed by
    value or, where `is_code` says so, to be described in its turn. The order of the labels does not
    count.
    """

    reads: list[tuple[object, str, object]]
    """What was looked up to find the links: namespace, name, and the value found or `MISSING`. As
    long as each is as it was, the node is as it was, but for its captured variables and defaults,
    which the function itself holds. The namespace is a dict, or the object or class whose
    attributes these are.
    """

    modules: frozenset[str] = frozenset()
    """Names of the library modules that the node refers to."""

    source: str = ""
    """The text of the code, for people; "" if there is none."""

    changes: frozenset[str] = frozenset()
    """Names of what its statements may change while it runs."""

    tools: dict[str, object] = {}  # noqa: RUF012  # a default that nobody writes to
    """What is in `references` by its type only (`type_token`): the label, and the lock, open file and so on itself."""

    attributes: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = ()
    """Dicts of attributes: as long as each holds what it held, but for these names, the node is as it was."""

    computed: tuple[Computed, ...] = ()
    """What gives the value of a link that is not kept anywhere: as long as each gives an equal value, the node is as
    it was. It need not be asked while the attributes of the object, if any are named, are the same as before.
    """

    reading: int = 0
    """What the node reads of other code, in bits of `reading`. If a node does, that of all nodes counts."""

    watched: tuple[tuple[type, tuple[frozenset[str], bool]], ...] = ()
    """A library's classes, with attributes that code takes, and whether the others count, too: as long as the user has
    set the same on each class and on its bases, see `library_classes`, the node is as it was.
    """


def by_name(name: str, library: str = "") -> Description:
    """The description of something that counts by its name only.

    library: name of the library module that it comes from; "" if it is the language's.
    """
    return Description(
        "name", name, None, {}, [], frozenset((library,)) if library else frozenset()
    )
