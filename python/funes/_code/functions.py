"""Describes user functions, and warns of state that their calls change."""

from __future__ import annotations

import sys
from types import CellType, CodeType, FunctionType
from typing import Any

from funes._code.annotations import (
    annotations_of,
    cleandoc,
    docstring_of,
    fixed_annotations,
    fixed_docstring,
    fixed_type_parameters,
    type_parameters_of,
)
from funes._code.bytecode import byte_code, names_in, words_in
from funes._code.identity_keys import IdentityKeyed, is_keyed_by_identity
from funes._code.node import Description
from funes._code.parse import SourceFunction, readers_among
from funes._code.read_parts import (
    ANNOTATIONS,
    ANY,
    DOCSTRINGS,
    NAMES,
    PART_OF_ATTRIBUTE,
    READERS,
    parts_named_in,
)
from funes._code.references import References
from funes._code.scopes import Names
from funes._code.source import find_source
from funes._funes import count_attributes
from funes._warnings import warn


def describe_function(
    function: FunctionType, read_parts: int = 0, is_bare: bool = False
) -> Description:
    """Describes a user function: its code, and the objects to which its names refer.

    Args:
        function: A user function.
        read_parts: The parts of other code that code of the graph reads, see `read_parts`.
        is_bare: True if the function has no attributes.
    """
    found = find_source(function)
    names = names_in(function.__code__) if found is None else found.names
    references = References(function.__globals__.get("__name__"))
    references.passed = None if found is None else found.content.passed
    for parameter, value in defaults_of(function).items():
        references.add(f"default {parameter}", value)
    cells = cells_of(function)
    references.add_captured(names, cells)
    references.add_globals(names, cells, function.__globals__, _builtins(function))
    references.add_imports(names, function.__globals__)
    references.add_patches(names.attributes)
    if not is_bare:
        references.add_attributes(function)
    if (
        found is not None
        and found.private
        and is_keyed_by_identity(function, found.content.lookups)
    ):
        references.add("a table of objects", IdentityKeyed())
    if read_parts & DOCSTRINGS:
        references.compute("docstring", docstring_of, function, *fixed_docstring(function))
    if read_parts & ANNOTATIONS:
        references.compute("annotations", annotations_of, function, *fixed_annotations(function))
        if type_parameters_of(function):
            sources = fixed_type_parameters(function)
            references.compute("type parameters", type_parameters_of, function, *sources)
        references.add_annotations_of_modules()
    references.add_names(function, read_parts)
    content = byte_code(function.__code__) if found is None else _tree(found, read_parts)
    return references.description("function", function.__name__, content)._replace(
        source="" if found is None else found.source,
        changes=names.changed,
        read_parts=_read_parts(function.__code__, found, names, references),
    )


def _read_parts(
    code: CodeType, found: SourceFunction | None, names: Names, references: References
) -> int:
    """Returns the parts of other code that a function reads, as bits. Leaves out parts that are references already."""
    read_parts = references.read_parts
    if found is None:
        words = words_in(code)
        readers = readers_among(names) | references.readers | words
        read_parts |= parts_named_in(words) & ~NAMES
        read_parts |= 0 if words.isdisjoint(_BY_NAME) else ANY
    else:
        content = found.content
        readers = found.readers | references.readers
        read_parts |= content.named_parts
        for name, chain in content.asks:
            # A read of ``__name__`` adds nothing, since the name is part of each node.
            if chain not in references.covered and name != "__name__":
                read_parts |= PART_OF_ATTRIBUTE[name]
        if not all(map(references.is_known_text, content.named_by)):
            read_parts |= ANY
    for kind, functions in READERS.items():
        if not functions.isdisjoint(readers):
            read_parts |= kind
    return read_parts


# Names whose use in byte code means that attributes may be read by names made at run time.
_BY_NAME = frozenset(("getattr", "attrgetter", "__getattribute__"))


def _tree(found: SourceFunction, read_parts: int) -> tuple[object, ...]:
    content = found.content
    of_nested: tuple[object, ...] = ()
    if read_parts & DOCSTRINGS and content.docstrings:
        of_nested += ("docstrings", *map(cleandoc, content.docstrings))
    if read_parts & ANNOTATIONS and content.annotations:
        of_nested += ("annotations", *content.annotations)
    return (
        *of_nested,
        "tree",
        found.private if content.has_private_names else "",
        # `python -O` removes assertions from the code, but not from the tree.
        content.has_assert and sys.flags.optimize > 0,
        found.names.only_declared,
        content.tokens,
    )


def defaults_of(function: FunctionType) -> dict[str, object]:
    """Returns the current default value of each parameter that has one."""
    code = function.__code__
    positional = reversed(code.co_varnames[: code.co_argcount])
    defaults = dict(zip(positional, reversed(function.__defaults__ or ()), strict=False))
    if function.__kwdefaults__:
        by_keyword = dict(function.__kwdefaults__)
        count_attributes(function.__kwdefaults__, by_keyword)
        defaults.update(by_keyword)
    return defaults


def cells_of(function: FunctionType) -> dict[str, CellType]:
    """Returns the cell of each captured variable, by name."""
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))


def _builtins(function: FunctionType) -> dict[str, object]:
    untyped: Any = function  # only some versions of the type stubs have the attribute
    builtins: dict[str, object] = untyped.__builtins__
    return builtins


_warned: set[tuple[str, str, str]] = set()


def warn_of_changes(function: Any, names: list[str]) -> None:
    """Warns of the variables that a call of a function changed, once for each variable."""
    owner = function.__module__, function.__qualname__
    new = [name for name in dict.fromkeys(names) if (*owner, name) not in _warned]
    if not new:
        return
    _warned.update((*owner, name) for name in new)
    listed = ", ".join(map(repr, sorted(new)))
    warn(
        f"{function.__qualname__}: it changes {listed} while it runs. The cache key contains the value from before the"
        " first call, not the changes that calls make, and a cache hit changes nothing. If a result depends on such a"
        " change, pass the value as an argument and return it."
    )
