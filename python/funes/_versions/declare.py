"""Writing adoptions into `definition.json`, and taking them out again."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from funes._definitions.recorded import (
    FILE_NAME,
    FORMAT,
    Content,
    read_definition,
    replace_definition,
)
from funes._versions.adoption import KEY, adoptions_in, adoptions_of
from funes._versions.exclusive import exclusive
from funes._versions.others import other_versions
from funes._versions.subject import Subject
from funes.errors import AdoptionError

__all__ = ["declare", "withdraw"]


def declare(subject: Subject, record: dict[str, Any]) -> None:
    """Write an adoption into the `definition.json` of the version that adopts, in the place of one of the same version.

    Args:
        subject: The version that adopts.
        record: What `recorded` gives.

    Raises:
        AdoptionError: What is recorded there already is not sound.
        OSError: It cannot be written.
    """
    folder = subject.folder(subject.definition)
    subject.store.prepare(subject.function, subject.definition)
    with exclusive(folder, FILE_NAME):
        present = _content(folder)
        if KEY in present:
            adoptions_in(subject.function, present)  # nothing is added to what is damaged
        least = {"definition": subject.definition, "function": subject.function, "nodes": []}
        content = {**least, **(subject.content or {}), **present}
        others = [r for r in _records(content) if r["definition"] != record["definition"]]
        _replace(subject, content, [*others, record])


def withdraw(subject: Subject, choose: Callable[[list[str]], str]) -> str:
    """Take an adoption out of the `definition.json` of the version that has adopted.

    Args:
        subject: The version that has adopted.
        choose: Chooses one of the hashes of the versions that it has adopted.

    Returns:
        The one that was chosen.

    Raises:
        AdoptionError: `choose` finds none; or what is recorded there is not sound.
        OSError: It cannot be written.
    """
    folder = subject.folder(subject.definition)
    if not os.path.isdir(folder):
        return choose([])
    with exclusive(folder, FILE_NAME):
        content = _content(folder)
        records = _records(content)
        definition = choose([record["definition"] for record in records])
        _replace(subject, content, [r for r in records if r["definition"] != definition])
    return definition


def _replace(subject: Subject, content: Content, records: list[dict[str, Any]]) -> None:
    others = {part: value for part, value in content.items() if part not in ("format", KEY)}
    content = {"format": FORMAT, **others, **({KEY: records} if records else {})}
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


def _content(folder: str) -> Content:
    try:
        return read_definition(folder) or {}
    except ValueError as error:
        raise AdoptionError(f"{error}; it can be deleted, with the adoptions in it") from error
