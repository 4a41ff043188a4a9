"""Functions and versions as people name them: what is typed, and which of those that there are is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import click

from funes._cli.exits import NotThere

__all__ = ["by_name", "by_prefix"]

T = TypeVar("T")

#: How many of those that there are an error names.
_SHOWN = 10


def by_name(wanted: str, choices: Iterable[T], names: Callable[[T], Iterable[str]]) -> T:
    """The one choice that has the name.

    A name with dots may be given by its end: ``train`` or ``Model.train`` for ``mine.Model.train``.

    Raises:
        NotThere: None has it.
        click.UsageError: Several have it.
    """
    choices = list(choices)
    found = [choice for choice in choices if wanted in names(choice)]
    found = found or [
        choice for choice in choices if any(name.endswith(f".{wanted}") for name in names(choice))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        one_each = _listed("/".join(dict.fromkeys(names(choice))) for choice in found)
        raise click.UsageError(f"{wanted!r} may be any of {one_each}: say which")
    there = _listed(name for choice in choices for name in list(names(choice))[:1])
    raise NotThere(f"there is no function {wanted!r} in this cache; there are {there or 'none'}")


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
    raise NotThere(f"there is no {what} {wanted!r}; there are {there or 'none'}")


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
