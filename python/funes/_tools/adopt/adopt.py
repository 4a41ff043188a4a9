"""Copies the results of an earlier version to a later one, after an edit that changed no result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from funes._code.definition_diff import Change, changes
from funes._code.definition_file import Content, read_definition, record_definition
from funes._entries import codec, large_arguments, reader
from funes._entries.function_identity import label
from funes._funes import Entry
from funes._memo.memo import Memo
from funes._results.cache import Cache
from funes._results.find_function import named
from funes._results.stored import StoredFunction, StoredVersion, functions_in
from funes._tools.adopt.result import AdoptionResult
from funes._tools.adopt.subject import Subject, subject_of
from funes._tools.adopt.translation import (
    Parameters,
    Translation,
    hash_of,
    is_faithful,
    reading_in,
)
from funes._warnings import one_line
from funes.errors import AdoptionError


class _Moved(NamedTuple):
    """A result as the version that adopts it has it."""

    path: str
    #: What is stored.
    entry: Entry
    #: The argument hash that it has from now on.
    arguments: str
    #: Its input, translated, and the hashes of its large arguments; None if it stays as it is.
    head: dict[str, Any] | None


class Adoption(NamedTuple):
    """An adoption that may be carried out. Nothing is written before `carry_out`."""

    subject: Subject
    #: The version that is adopted.
    source: StoredVersion
    #: The name of its function, which is in the checksums of its entries.
    function: str
    #: What its arguments are now.
    translation: Translation
    #: Its parameters, if they are known.
    parameters: Parameters | None
    #: What its code reads of its arguments' code; None if that is not known.
    reading: int | None

    def changes(self) -> list[Change] | None:
        """What changed from the version that is adopted; None if that is not recorded."""
        folder = self.subject.folder(self.subject.definition)
        before, after = self.source.description, self.subject.content or _content(folder)
        if not before or not after or not before["nodes"] or not after["nodes"]:
            return None
        return changes(before, after)

    def look(self) -> AdoptionResult:
        """Find out how many results can be copied. Writes nothing.

        Raises:
            AdoptionError: Two of them would be one, or none can be copied.
            OSError: The folder cannot be listed.
        """
        left_out: list[str] = []
        entries = sum(1 for _ in self._moved(left_out))
        if left_out and not entries:
            raise AdoptionError(f"none of its results can be copied; the first: {left_out[0]}")
        return self._outcome(entries, left_out)

    def carry_out(self) -> AdoptionResult:
        """Copy the results; raises as `look`, before anything is written, and OSError if one cannot be stored."""
        self.look()
        left_out: list[str] = []
        subject, entries = self.subject, 0
        store, function, into = subject.store, subject.function, subject.definition
        if subject.content is not None:
            store.prepare(function, into)
            record_definition(subject.folder(into), subject.content, shared=subject.shared)
        for path, entry, arguments, head in self._moved(left_out):
            try:
                if head is None:
                    seconds, (inputs, _), _ = codec.head_of(entry)
                    digests = set(large_arguments.named_in(inputs))
                else:
                    whole = reader.load(entry)
                    seconds, objects = whole["time"], head.get("objects", {})
                    digests = set(objects.values())
                    pickled = codec.dump_entry(
                        head["input"], whole["output"], seconds, objects, "drawn" in whole
                    )
                    del whole
            except Exception as error:
                left_out.append(f"{path}: {one_line(error)}")
                continue
            large_arguments.renew(store, digests)
            durable = subject.is_durable(seconds)
            if head is None:
                store.write_again(function, into, arguments, entry, durable=durable)
            else:
                store.write(function, into, arguments, *pickled, durable=durable)
            entries += 1
        return self._outcome(entries, left_out)

    def _outcome(self, entries: int, left_out: list[str]) -> AdoptionResult:
        return AdoptionResult(
            self.source.definition, self.subject.definition, entries, tuple(left_out)
        )

    def _moved(self, left_out: list[str]) -> Iterator[_Moved]:
        """The results that can be copied. `left_out` takes a line for each of the others."""
        store, translation = self.subject.store, self.translation
        keeps_hashes = (
            self.parameters is not None
            and translation.keeps_hashes(self.parameters)
            and self.reading is not None
            and self.reading == self.subject.reading
        )
        taken: dict[str, str] = {}
        for stored in self.source.entries():
            name = self.function, self.source.definition, stored.hash
            path = store.path(*name)
            try:
                entry = store.read(*name)
                if entry is None:
                    continue
                if keeps_hashes and not translation.rename:
                    yield _Moved(path, entry, stored.hash, None)
                    continue
                head = codec.load_head(entry)
                arguments = stored.hash if keeps_hashes else self._hash(head, stored.hash)
                head = translation.result(head)
            except Exception as error:
                reason = str(error) if isinstance(error, AdoptionError) else one_line(error)
                left_out.append(f"{path}: {reason}")
                continue
            other = taken.setdefault(arguments, path)
            if other != path:
                raise AdoptionError(
                    f"two results would be one: {other} and {path}"
                    " have the same arguments but for what is dropped"
                )
            yield _Moved(path, entry, arguments, head)

    def _hash(self, head: Mapping[str, Any], arguments: str) -> str:
        """The argument hash that a result has from now on."""
        objects = dict(head.get("objects", {}))
        whole: dict[str, dict[str, Any]] = {"input": dict(head["input"]), "objects": objects}
        large_arguments.resolve(self.subject.store, whole)
        before = whole["input"]
        known = self.parameters or [name for name in before if name != "global_seed"]
        if not is_faithful(known, before, arguments, self.reading):
            raise AdoptionError(_unfaithful(before))
        if self.parameters is None:
            self.translation.check(known)
        after = self.translation.inputs(before)
        return hash_of(self.translation.parameters, after, self.subject.reading)


def adopt(memo: Memo[Any, Any], old: str, **how: Any) -> AdoptionResult:
    """See `Memo.adopt`."""
    return plan(subject_of(memo), old, **how).carry_out()


def plan(
    subject: Subject,
    old: str,
    *,
    add: Mapping[str, Any] | None = None,
    rename: Mapping[str, str] | None = None,
    drop: str | Iterable[str] = (),
    function: str | None = None,
) -> Adoption:
    """Find the version to adopt, and account for every parameter; `Memo.adopt` tells all.

    Raises:
        AdoptionError: It would not be right.
        OSError: The cache cannot be listed.
    """
    source = _source(subject, old, function)
    name = subject.function if function is None else source._true_name
    if name is None:
        raise AdoptionError(f"the name of the function in {source.folder} is not recorded")
    drop = (drop,) if isinstance(drop, str) else tuple(drop)
    translation = Translation(dict(add or {}), dict(rename or {}), drop, tuple(subject.parameters))
    before = _parameters(source)
    if before is not None:
        translation.check(before)
    reading = reading_in(source.description or {})
    return Adoption(subject, source, name, translation, before, reading)


def _source(subject: Subject, old: str, function: str | None) -> StoredVersion:
    """The version that is meant."""
    cache = Cache(subject.store)
    folder = os.path.dirname(subject.folder(subject.definition))
    if function is None:
        owner = StoredFunction(cache._store, folder, subject.identity)
        there = functions_in(cache._store, folder)
    else:
        there = cache.functions()
        found = named(there, function)
        if len(found) != 1:
            names = ", ".join(each.qualified_name for each in found or there) or "none"
            trouble = f"may be any of {names}" if found else f"is not stored; there are {names}"
            raise AdoptionError(f"the function {function!r} {trouble}")
        [owner] = found
    known = owner.definitions()
    matching = [name for name in known if old and name.startswith(old)]
    if matching == [subject.definition]:
        raise AdoptionError(f"{subject.definition} is the definition of {subject.function} itself")
    if len(matching) == 1:
        return StoredVersion(owner, matching[0])
    if matching:
        raise AdoptionError(f"{old!r} may be any of {', '.join(matching)}")
    for other in there:
        if old and any(name.startswith(old) for name in other.definitions()):
            raise AdoptionError(
                f"the version {old!r} is one of {other.qualified_name}, not of"
                f" {label(subject.identity) if function is None else owner.qualified_name}:"
                f" if that is what the function was called, say function={other.qualified_name!r}"
            )
    listed = ", ".join(known) or "none"
    raise AdoptionError(
        f"there is no version {old!r} of {owner.qualified_name}; there are {listed}"
    )


def _content(folder: str) -> Content | None:
    try:
        return read_definition(folder)
    except (OSError, ValueError):
        return None


def _parameters(version: StoredVersion) -> Parameters | None:
    """The parameters of an earlier version, if they are known."""
    parameters = (version.description or {}).get("parameters")
    is_sound = isinstance(parameters, list) and all(
        name is None or isinstance(name, str) for name in parameters
    )
    return parameters if is_sound else None


def _unfaithful(inputs: dict[str, Any]) -> str:
    notes = [f"{name}: {value}" for name, value in inputs.items() if _is_note(value)]
    said = f" ({'; '.join(notes)})" if notes else ""
    return f"its input is not what the call was given{said}"


def _is_note(value: object) -> bool:
    return isinstance(value, str) and value.startswith("<not stored: ")
