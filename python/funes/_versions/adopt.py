"""Declaring that an edit changes no result, so that those of the version before it serve the one after it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from funes._definitions.recorded import read_definition, write_definition
from funes._entries import pickling
from funes._versions.adoption import Adoption, adoptions_of, recorded, storable
from funes._versions.declare import declare, withdraw
from funes._versions.moving import Plan, copied, moved
from funes._versions.places import all_entries
from funes._versions.subject import Subject
from funes._versions.translation import Parameters, Translation
from funes.errors import AdoptionError

__all__ = ["Adopted", "adopt", "undo"]

#: So many of those that were left out are shown.
_SHOWN = 5


class Adopted(NamedTuple):
    """What an adoption came to."""

    #: The version whose results serve from now on.
    definition: str
    #: The version that they serve.
    into: str
    #: How many of them there are.
    entries: int
    #: The results that cannot serve, with the reason for each.
    left_out: tuple[str, ...] = ()
    #: Whether they were copied, and nothing was recorded.
    is_copy: bool = False

    def __str__(self) -> str:
        is_one = self.entries == 1
        results = "1 result" if is_one else f"{self.entries} results"
        serve = "serves" if is_one else "serve"
        old, new = self.definition[:12], self.into[:12]
        line = f"{results} of {old} {serve} {new}"
        if self.is_copy:
            line = f"copied {results} of {old} to {new}"
        more = len(self.left_out) - _SHOWN
        shown = [f"left out: {text}" for text in self.left_out[:_SHOWN]]
        return "\n".join([line, *shown, *([f"and {more} more were left out"] if more > 0 else [])])


def adopt(
    subject: Subject,
    old: str,
    *,
    add: Mapping[str, Any] | None = None,
    rename: Mapping[str, str] | None = None,
    drop: str | Iterable[str] = (),
    copy: bool = False,
) -> Adopted:
    """Let results of an earlier version serve a later one; `Memo.adopt` tells all.

    Raises:
        AdoptionError: It would not be right.
        OSError: It cannot be recorded.
    """
    if subject.store.is_signed and not copy:
        raise AdoptionError(
            "entries of this cache are signed, and the record of an adoption would not be:"
            " copy=True writes signed entries"
        )
    definition = _version(subject, old)
    if definition == subject.definition:
        raise AdoptionError(f"{definition} is the definition of {subject.function} itself")
    drop = (drop,) if isinstance(drop, str) else tuple(drop)
    translation = Translation(dict(add or {}), dict(rename or {}), drop, tuple(subject.parameters))
    before = _parameters(subject, definition)
    if before is not None:
        translation.check(before)
    keeps = before is not None and translation.keeps_hashes(before)
    plan = Plan(subject, definition, translation, before)
    if copy:
        return _copy(plan)
    _refuse_cycle(subject, definition)
    added = storable(translation.add)
    left_out: list[str] = []
    arguments = None
    if keeps:
        entries = sum(1 for _ in all_entries(subject.store, subject.function, definition))
    else:
        results = moved(plan, left_out, pickling.load_head)
        arguments = {each.arguments: each.entry.arguments for each in results}
        entries = len(arguments)
        _refuse_nothing(entries, left_out)
    adoption = Adoption(definition, translation, arguments)
    declare(subject, recorded(subject.function, subject.definition, adoption, added))
    return Adopted(definition, subject.definition, entries, tuple(left_out))


def undo(subject: Subject, old: str) -> Adopted:
    """Take an adoption back. Entries that were copied stay.

    Args:
        subject: The version that has adopted.
        old: The hash of the version that was adopted, or its beginning.

    Raises:
        AdoptionError: There is no such adoption.
        OSError: The record cannot be changed.
    """
    definition = withdraw(subject, lambda names: _only(old, names, "adopted version"))
    return Adopted(definition, subject.definition, 0)


def _version(subject: Subject, old: str) -> str:
    """The hash of the version that is meant."""
    above = os.path.dirname(subject.folder(subject.definition))
    try:
        names = [entry.name for entry in os.scandir(above) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        names = []
    return _only(old, [name for name in names if len(name) == len(subject.definition)], "version")


def _only(prefix: str, names: list[str], what: str) -> str:
    """The one of the names that begins so."""
    found = sorted(name for name in names if name.startswith(prefix)) if prefix else []
    if len(found) == 1:
        return found[0]
    if found:
        raise AdoptionError(f"{prefix!r} may be any of {', '.join(found)}")
    listed = ", ".join(sorted(names)) or "none"
    raise AdoptionError(f"there is no {what} {prefix!r}; there are {listed}")


def _parameters(subject: Subject, definition: str) -> Parameters | None:
    """Those of an earlier version, if they are known."""
    try:
        content = read_definition(subject.folder(definition)) or {}
    except (OSError, ValueError):
        return None
    parameters = content.get("parameters")
    is_sound = isinstance(parameters, list) and all(
        name is None or isinstance(name, str) for name in parameters
    )
    return parameters if is_sound else None


def _refuse_cycle(subject: Subject, definition: str) -> None:
    waiting, seen = [definition], {definition}
    while waiting:
        for adoption in adoptions_of(subject.function, subject.folder(waiting.pop())):
            if adoption.definition == subject.definition:
                raise AdoptionError(
                    f"{definition} has adopted {subject.definition} itself: undo that first"
                )
            if adoption.definition not in seen:
                seen.add(adoption.definition)
                waiting.append(adoption.definition)


def _refuse_nothing(entries: int, left_out: list[str]) -> None:
    if left_out and not entries:
        raise AdoptionError(f"none of its results can serve; the first: {left_out[0]}")


def _copy(plan: Plan) -> Adopted:
    # Nothing is written before all is known to be right.
    left_out: list[str] = []
    _refuse_nothing(sum(1 for _ in moved(plan, left_out, pickling.load_head)), left_out)
    left_out.clear()
    count = copied(plan, left_out)
    subject = plan.subject
    if subject.content is not None:
        folder = subject.folder(subject.definition)
        write_definition(folder, subject.content, shared=subject.shared)
    return Adopted(plan.definition, subject.definition, count, tuple(left_out), is_copy=True)
