"""Finds the one function, version or entry that a user names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

#: The number of names that an error lists.
_LISTED_NAMES = 10

#: The number of digits of a hash that an error shows.
_SHOWN_DIGITS = 12


class AmbiguousNameError(KeyError):
    """Raised if several functions, versions or entries match a name."""


class Named(Protocol):
    """The attributes of a stored function by which it can be found."""

    @property
    def qualified_name(self) -> str: ...

    def _spellings(self) -> set[str]: ...


T = TypeVar("T")
N = TypeVar("N", bound=Named)


def by_prefix(kind: str, prefix: str, items: Iterable[T], hash_of: Callable[[T], str]) -> T:
    """Returns the only item whose hash starts with a prefix.

    Args:
        kind: The word for an item in error messages.
        prefix: The first digits of the hash.
        items: The items to search. Only matching items stay in memory, since there may be millions.
        hash_of: A function that returns the hash of an item.

    Raises:
        KeyError: No hash starts with the prefix.
        AmbiguousNameError: Several hashes start with the prefix, or `prefix` is empty.
    """
    found: list[T] = []
    first: list[str] = []
    count = 0
    for item in items:
        digest = hash_of(item)
        if digest.startswith(prefix.lower()):
            found.append(item)
        if count < _LISTED_NAMES:
            first.append(digest[:_SHOWN_DIGITS])
        count += 1
    if len(found) == 1 and prefix:
        return found[0]
    if found:
        names = [hash_of(item) for item in found]
        listed = _listed(sorted(names), len(names))
        raise AmbiguousNameError(f"{kind} {prefix!r} may be any of {listed}: give more digits")
    raise KeyError(f"there is no {kind} {prefix!r}; there are {_listed(first, count)}")


def by_name(name: str, functions: Iterable[N], cache: Path) -> N:
    """Returns the only function with a name, see `matches`.

    Raises:
        KeyError: No function has the name. The message lists the functions of the cache.
        AmbiguousNameError: Several functions have the name.
    """
    functions = list(functions)
    found = matches(functions, name)
    if len(found) == 1:
        return found[0]
    names = [each.qualified_name for each in found or functions]
    listed = _listed(names, len(names))
    if found:
        raise AmbiguousNameError(f"{name!r} may be any of {listed}: say which")
    raise KeyError(f"there is no function {name!r} in {cache}; there are {listed}")


def matches(functions: Iterable[N], name: str) -> list[N]:
    """Returns the functions with a name.

    A function matches its name, its qualified name, the end of its qualified name, and its folder.
    """
    functions = list(functions)
    found = [each for each in functions if name in each._spellings()]
    return found or [
        each
        for each in functions
        if any(spelling.endswith(f".{name}") for spelling in each._spellings())
    ]


def _listed(names: list[str], count: int) -> str:
    more = count - _LISTED_NAMES
    return (", ".join(names[:_LISTED_NAMES]) or "none") + (f" and {more} more" if more > 0 else "")
