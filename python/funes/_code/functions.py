"""What a Python function of the user's consists of."""

from __future__ import annotations

import sys
from types import CellType, CodeType, FunctionType
from typing import Any

from funes._code.annotations import annotations_of, cleandoc, docstring_of, fixed_annotations
from funes._code.bytecode import byte_code, names_in, words_in
from funes._code.node import Description
from funes._code.parse import SourceFunction, readers_among
from funes._code.read_parts import ANNOTATIONS, ANY, ASKED, DOCSTRINGS, NAMES, READERS, asked_in
from funes._code.references import References
from funes._code.scopes import Names
from funes._code.source import written
from funes._funes import count_attributes
from funes._warnings import warn


def describe_function(
    function: FunctionType, reading: int = 0, is_bare: bool = False
) -> Description:
    """What a function of the user's consists of: its code, and what its names lead to.

    reading: what code of the graph reads of code.
    is_bare: whether it has no attributes.
    """
    found = written(function)
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
    if reading & DOCSTRINGS:
        references.compute("docstring", docstring_of, function, "__doc__")
    if reading & ANNOTATIONS:
        references.compute("annotations", annotations_of, function, *fixed_annotations(function))
    references.add_names(function, reading)
    return Description(
        "function",
        function.__name__,
        byte_code(function.__code__) if found is None else _tree(found, reading),
        references.links,
        references.reads,
        frozenset(references.modules),
        "" if found is None else found.source,
        names.changed,
        references.tools,
        tuple(references.attributes),
        tuple(references.computed),
        _reading(function.__code__, found, names, references),
        tuple(references.watched.items()),
    )


def _reading(
    code: CodeType, found: SourceFunction | None, names: Names, references: References
) -> int:
    """What a function reads of code, but for what `references` have of it already."""
    reading = references.spelled
    if found is None:
        words = words_in(code)
        readers = readers_among(names) | references.readers | words
        reading |= asked_in(words) & ~NAMES
        reading |= 0 if words.isdisjoint(_BY_NAME) else ANY
    else:
        content = found.content
        readers = found.readers | references.readers
        reading |= content.spelled
        for name, chain in content.asks:
            # The name of a function or class is in its definition, and is not watched for this alone.
            if chain not in references.told and name != "__name__":
                reading |= ASKED[name]
        if not all(map(references.is_known_text, content.named_by)):
            reading |= ANY
    for kind, functions in READERS.items():
        if not functions.isdisjoint(readers):
            reading |= kind
    return reading


# What takes attributes by names that only the running code knows, where there is no tree to tell.
_BY_NAME = frozenset(("getattr", "attrgetter", "__getattribute__"))


def _tree(found: SourceFunction, reading: int) -> tuple[object, ...]:
    content = found.content
    of_nested: tuple[object, ...] = ()
    if reading & DOCSTRINGS and content.docstrings:
        of_nested += ("docstrings", *map(cleandoc, content.docstrings))
    if reading & ANNOTATIONS and content.annotations:
        of_nested += ("annotations", *content.annotations)
    return (
        *of_nested,
        "tree",
        found.private if content.has_private_names else "",
        # Under `python -O` an assertion of the tree is none of the code.
        content.has_assert and sys.flags.optimize > 0,
        found.names.only_declared,
        content.tokens,
    )


def defaults_of(function: FunctionType) -> dict[str, object]:
    """The running defaults by parameter; those in the tree are only what they once came from."""
    code = function.__code__
    positional = reversed(code.co_varnames[: code.co_argcount])
    defaults = dict(zip(positional, reversed(function.__defaults__ or ()), strict=False))
    if function.__kwdefaults__:
        by_keyword = dict(function.__kwdefaults__)
        count_attributes(function.__kwdefaults__, by_keyword)
        defaults.update(by_keyword)
    return defaults


def cells_of(function: FunctionType) -> dict[str, CellType]:
    """The captured variables by name."""
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))


def _builtins(function: FunctionType) -> dict[str, object]:
    as_it_is: Any = (
        function  # the stubs of some versions know the attribute, those of others do not
    )
    builtins: dict[str, object] = as_it_is.__builtins__
    return builtins


_warned: set[tuple[str, str, str]] = set()


def warn_of_changes(function: Any, names: list[str]) -> None:
    """Warn, once each, of the variables that a call of a function changed."""
    owner = function.__module__, function.__qualname__
    new = [name for name in dict.fromkeys(names) if (*owner, name) not in _warned]
    if not new:
        return
    _warned.update((*owner, name) for name in new)
    listed = ", ".join(map(repr, sorted(new)))
    warn(
        f"{function.__qualname__} changes {listed} while it runs: each counts with the value that it had before the"
        " first call, so stored results do not depend on what calls made of it, and a call that is found changes"
        " nothing. If it matters, pass it as an argument and return it."
    )
