"""Functions, versions and arguments as people name them: what is typed, and which of those that there are is meant."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from funes._results.cache import Cache
from funes._results.find_function import named
from funes._results.stored import StoredFunction, StoredVersion
from funes._tools.cli.exit_codes import NotFound

T = TypeVar("T")

#: How many of those that there are an error names.
_SHOWN = 10


def by_prefix(wanted: str, choices: Iterable[T], hash_of: Callable[[T], str], what: str) -> T:
    """The one choice whose hash starts so.

    Raises:
        NotThere: None does.
        click.UsageError: Several do.
    """
    choices = list(choices)
    found = [choice for choice in choices if hash_of(choice).startswith(wanted.lower())]
    if len(found) == 1 and wanted:
        return found[0]
    if found:
        raise click.UsageError(
            f"{what} {wanted!r} may be any of {_listed(map(hash_of, found))}: give more digits"
        )
    there = _listed(hash_of(choice) for choice in choices)
    raise NotFound(f"there is no {what} {wanted!r}; there are {there or 'none'}")


def function_named(cache: Cache, wanted: str) -> StoredFunction:
    """The function that has the name: its own, its qualified one (or the end of it), or that of its folder.

    ``Model.train`` is the end of ``mine.Model.train``.

    Raises:
        NotThere: None has it.
        click.UsageError: Several have it.
    """
    functions = cache.functions()
    found = named(functions, wanted)
    if len(found) == 1:
        return found[0]
    if found:
        one_each = _listed(function.qualified_name for function in found)
        raise click.UsageError(f"{wanted!r} may be any of {one_each}: say which")
    there = _listed(function._label for function in functions) or "none"
    raise NotFound(f"there is no function {wanted!r} in this cache; there are {there}")


def versions_named(function: StoredFunction, wanted: Iterable[str]) -> list[StoredVersion]:
    """The versions whose hashes start so; the one to which a result was added last first, each once.

    Raises:
        NotThere: There is none for one of the beginnings.
        click.UsageError: There are several for one of them.
    """
    versions = function.versions()
    found = [
        by_prefix(each, versions, lambda version: version.definition, "version") for each in wanted
    ]
    return [version for version in versions if version in found]


def named_values(texts: Iterable[str]) -> dict[str, Any]:
    """``lr=0.1`` as a name and a value: a Python literal, or else the text itself.

    Raises:
        click.BadParameter: One has no name.
    """
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{text!r} names no argument: write lr=0.1")
        values[name.strip()] = _value(value)
    return values


def call_arguments(texts: Iterable[str]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call: ``lr=0.1`` by name, all else by place; values as in `named_values`."""
    args, kwargs = [], {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals and name.isidentifier():
            kwargs[name] = _value(value)
        else:
            args.append(_value(text))
    return args, kwargs


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
