"""Declaring that an edit changes no result, so that those of the version before it serve the one after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from funes._definitions.recorded import (
    FILE_NAME,
    FORMAT,
    Content,
    read_definition,
    replace_definition,
    write_definition,
)
from funes._entries import large_arguments, pickling, reading
from funes._funes import Entry as StoredBytes
from funes._funes import Store, hash_arguments
from funes._versions.adoption import KEY, Adoption, adoptions_in, adoptions_of, recorded, storable
from funes._versions.exclusive import exclusive
from funes._versions.others import other_versions
from funes._versions.places import Entry, all_entries
from funes._versions.translation import Parameters, Translation, is_faithful
from funes._warn import one_line
from funes.errors import AdoptionError

__all__ = ["Adopted", "Subject", "adopt", "is_shared", "undo"]

#: So many of those that were left out are shown.
_SHOWN = 5


class Subject(NamedTuple):
    """The version of a function that adopts."""

    store: Store
    function: str
    definition: str
    parameters: Parameters
    #: What its `definition.json` is to record, if there is none yet and it is known.
    content: Content | None
    shared: bool
    #: Whether a result that took so many seconds must survive a power cut.
    is_durable: Callable[[float], bool]

    def folder(self, definition: str) -> str:
        """The folder of a version's entries."""
        return self.store.folder(self.function, definition)


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
    plan = _Plan(subject, definition, translation, before)
    if copy:
        return _copy(plan)
    _refuse_cycle(subject, definition)
    added = storable(translation.add)
    left_out: list[str] = []
    arguments = None
    if keeps:
        entries = sum(1 for _ in all_entries(subject.store, subject.function, definition))
    else:
        moved = _moved(plan, left_out, pickling.load_head)
        arguments = {each.arguments: each.entry.arguments for each in moved}
        entries = len(arguments)
        _refuse_nothing(entries, left_out)
    adoption = Adoption(definition, translation, arguments)
    _record(subject, recorded(subject.function, subject.definition, adoption, added))
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
    folder = subject.folder(subject.definition)
    if not os.path.isdir(folder):
        _only(old, [], "adopted versions")
    with exclusive(folder, FILE_NAME):
        content = _content(folder) or {}
        names = [record["definition"] for record in _records(content)]
        definition = _only(old, names, "adopted versions")
        _replace(subject, content, [r for r in content[KEY] if r["definition"] != definition])
    return Adopted(definition, subject.definition, 0)


def is_shared(folder: str | os.PathLike[str]) -> bool:
    """Whether the owner's group may write into a folder, as ``memorious(shared=True)`` has it."""
    return os.name == "posix" and os.stat(folder).st_mode & 0o020 != 0


def _record(subject: Subject, record: dict[str, Any]) -> None:
    """Write an adoption into the `definition.json` of the version that adopts."""
    folder = subject.folder(subject.definition)
    subject.store.prepare(subject.function, subject.definition)
    with exclusive(folder, FILE_NAME):
        present = _content(folder)
        if present is not None and KEY in present:
            adoptions_in(subject.function, present)  # nothing is added to what is damaged
        content = present or subject.content
        if content is None:
            content = {"definition": subject.definition, "function": subject.function, "nodes": []}
        others = [r for r in _records(content) if r["definition"] != record["definition"]]
        _replace(subject, content, [*others, record])


def _replace(subject: Subject, content: Content, records: list[dict[str, Any]]) -> None:
    content = {"format": FORMAT, **{part: v for part, v in content.items() if part != KEY}}
    if records:
        content[KEY] = records
    replace_definition(subject.folder(subject.definition), content, shared=subject.shared)
    _let_look_again(subject)


def _let_look_again(subject: Subject) -> None:
    """Let running processes look again for the results that they have by way of this version.

    A process watches the folder of the present definition only, which adopted this one, perhaps by way of others.
    """
    others = other_versions(subject.store, subject.function, subject.definition)
    changed = {subject.definition}
    waiting = {version.definition for version in others}
    while True:
        affected = {each for each in waiting if changed & _adopted_by(subject, each)}
        if not affected:
            return
        for definition in affected:
            with suppress(OSError):  # somebody else's folder
                os.utime(subject.folder(definition))
        waiting -= affected
        changed |= affected


def _adopted_by(subject: Subject, definition: str) -> set[str]:
    try:
        adoptions = adoptions_of(subject.function, subject.folder(definition))
    except AdoptionError:  # it adopts nothing
        return set()
    return {adoption.definition for adoption in adoptions}


def _records(content: Content) -> list[dict[str, Any]]:
    records = content.get(KEY, [])
    if not isinstance(records, list) or not all(
        isinstance(record, dict) and isinstance(record.get("definition"), str) for record in records
    ):
        raise AdoptionError(f"the adoptions in {FILE_NAME} are damaged; the file can be deleted")
    return records


def _content(folder: str) -> Content | None:
    try:
        return read_definition(folder)
    except ValueError as error:
        raise AdoptionError(f"{error}; it can be deleted, with the adoptions in it") from error


def _version(subject: Subject, old: str) -> str:
    """The hash of the version that is meant."""
    above = os.path.dirname(subject.folder(subject.definition))
    try:
        names = [entry.name for entry in os.scandir(above) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        names = []
    return _only(old, [name for name in names if len(name) == len(subject.definition)], "versions")


def _only(prefix: str, names: list[str], what: str) -> str:
    """The one of the names that begins so."""
    found = sorted(name for name in names if name.startswith(prefix)) if prefix else []
    if len(found) == 1:
        return found[0]
    if found:
        raise AdoptionError(f"{prefix!r} may be any of {', '.join(found)}")
    listed = ", ".join(sorted(names)) or "none"
    raise AdoptionError(f"there is no version {prefix!r}; {what} that are there: {listed}")


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


class _Moved(NamedTuple):
    """A result as the version that adopts it has it."""

    arguments: str
    #: The entry as it serves the version that is adopted.
    entry: Entry
    #: What it holds, the input translated; large arguments are where they are.
    result: dict[str, Any]


class _Plan(NamedTuple):
    """What is to be adopted."""

    subject: Subject
    #: The version that is adopted.
    definition: str
    #: What its arguments are now.
    translation: Translation
    #: Its parameters, if they are known.
    parameters: Parameters | None


def _moved(
    plan: _Plan, left_out: list[str], load: Callable[[StoredBytes], dict[str, Any]]
) -> Iterator[_Moved]:
    """The results of a version that can serve, with what they are remembered by from now on.

    Args:
        plan: What is to be adopted.
        left_out: Takes a line for each result that cannot serve.
        load: Makes of an entry what is needed of it.

    Raises:
        AdoptionError: Two of them would be one.
    """
    subject, definition, translation, parameters = plan
    store, function = subject.store, subject.function
    taken: dict[str, Entry] = {}
    for entry in all_entries(store, function, definition):
        path = store.path(function, *entry.place)
        try:
            stored = store.read(function, *entry.place)
            if stored is None:
                continue
            result = load(stored)
            del stored
            for adoption in entry.adoptions:
                result = adoption.translation.result(result)
            before = _inputs(store, result)
            known = parameters or [name for name in before if name != "global_seed"]
            if not is_faithful(known, before, entry.arguments):
                raise AdoptionError(_unfaithful(before))
            if parameters is None:
                translation.check(known)
            after = translation.inputs(before)
            arguments = hash_arguments(list(translation.parameters), after)
            result = translation.result(result)
        except Exception as error:
            reason = str(error) if isinstance(error, AdoptionError) else one_line(error)
            left_out.append(f"{path}: {reason}")
            continue
        other = taken.setdefault(arguments, entry)
        if other is not entry:
            raise AdoptionError(
                f"two results would be one: {store.path(function, *other.place)} and {path}"
                " have the same arguments but for what is dropped"
            )
        yield _Moved(arguments, entry, result)


def _inputs(store: Store, result: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the large ones among them."""
    part: dict[str, dict[str, Any]] = {
        "input": dict(result["input"]),
        "objects": result.get("objects", {}).copy(),
    }
    large_arguments.resolve(store, part)
    return part["input"]


def _unfaithful(inputs: dict[str, Any]) -> str:
    notes = [f"{name}: {value}" for name, value in inputs.items() if _is_note(value)]
    said = f" ({'; '.join(notes)})" if notes else ""
    return f"its input is not what the call was given{said}"


def _is_note(value: object) -> bool:
    return isinstance(value, str) and value.startswith("<not stored: ")


def _copy(plan: _Plan) -> Adopted:
    subject = plan.subject
    # Nothing is written before all is known to be right.
    left_out: list[str] = []
    _refuse_nothing(sum(1 for _ in _moved(plan, left_out, pickling.load_head)), left_out)
    left_out.clear()
    count = 0
    for arguments, entry, result in _moved(plan, left_out, reading.load):
        seconds = result["time"]
        try:
            pickled = pickling.dump_entry(
                result["input"], result["output"], seconds, result.get("objects")
            )
        except Exception as error:
            path = subject.store.path(subject.function, *entry.place)
            left_out.append(f"{path}: {one_line(error)}")
            continue
        key = subject.function, subject.definition, arguments
        subject.store.write(*key, *pickled, durable=subject.is_durable(seconds))
        count += 1
    if subject.content is not None:
        folder = subject.folder(subject.definition)
        write_definition(folder, subject.content, shared=subject.shared)
    return Adopted(plan.definition, subject.definition, count, tuple(left_out), is_copy=True)
