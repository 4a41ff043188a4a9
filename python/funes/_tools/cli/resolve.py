"""Parses functions, versions and arguments that users type."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from funes._results.cache import Cache
from funes._results.lookup import AmbiguousNameError
from funes._results.stored import StoredFunction, StoredVersion
from funes._tools.cli.exit_codes import NotFound


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Maps errors of a lookup to exit codes: an ambiguous name is wrong usage; any other error is `NotFound`."""
    try:
        yield
    except AmbiguousNameError as error:
        raise click.UsageError(error.args[0]) from error
    except KeyError as error:
        raise NotFound(error.args[0]) from error


def function_named(cache: Cache, wanted: str) -> StoredFunction:
    """Finds a function as `Cache.function` does.

    Raises:
        NotFound: No function has the name.
        click.UsageError: Several functions have the name.
    """
    with _exit_codes():
        return cache.function(wanted)


def functions_named(cache: Cache, wanted: str | None) -> list[StoredFunction]:
    """Finds a function as `function_named` does; without a name, returns all functions."""
    return cache.functions() if wanted is None else [function_named(cache, wanted)]


def versions_named(function: StoredFunction, wanted: Iterable[str]) -> list[StoredVersion]:
    """Finds versions by the first digits of their hashes. The version with the latest result comes first.

    Raises:
        NotFound: No version matches one of the prefixes.
        click.UsageError: Several versions match one of the prefixes.
    """
    with _exit_codes():
        definitions = {function.version(prefix).definition for prefix in wanted}
    return [version for version in function.versions() if version.definition in definitions]


def named_values(texts: Iterable[str]) -> dict[str, Any]:
    """Parses ``lr=0.1`` as a name and a value: a Python literal, or else a string.

    Raises:
        click.BadParameter: A string has no name before the ``=``.
    """
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{text!r} is not NAME=VALUE: write lr=0.1")
        values[name.strip()] = _value(value)
    return values


def call_arguments(texts: Iterable[str]) -> tuple[list[Any], dict[str, Any]]:
    """Parses the arguments of a call. ``lr=0.1`` is passed by name, an argument without a name by position."""
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
