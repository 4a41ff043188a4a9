"""Copies the results of an earlier version to a later one, after an edit that changed no result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from funes._code.definition_diff import Change, changes
from funes._code.definition_file import (
    Content,
    read_definition,
    record_definition,
)
from funes._entries import large_arguments, reader, writer
from funes._funes import Entry
from funes._memo.memo import Memo
from funes._results.cache import Cache
from funes._results.lookup import AmbiguousNameError, by_name
from funes._results.stored import StoredFunction, StoredVersion, functions_in
from funes._tools.adopt.result import AdoptionResult
from funes._tools.adopt.subject import Subject, subject_of
from funes._tools.adopt.translation import (
    Parameters,
    Translation,
    hash_of,
    is_faithful,
    parameters_in,
    read_parts_in,
    unfaithful,
)
from funes._tools.check.evidence import Evidence, evidence_of, keep
from funes._warnings import one_line
from funes.errors import AdoptionError


class _Translated(NamedTuple):
    """A stored result, translated to the adopting version."""

    path: str
    #: The stored entry.
    entry: Entry
    #: The argument hash of the result in the adopting version.
    arguments: str
    #: The translated input, and the hashes of its large arguments. None if the input stays the
    #: same.
    head: dict[str, Any] | None


class Adoption(NamedTuple):
    """A plan to copy the results of one version to another. Nothing is written before `carry_out`."""

    subject: Subject
    #: The version whose results are copied.
    source: StoredVersion
    #: The name of the source version's function, which the checksums of its entries cover.
    function: str
    #: The translation from the arguments of the source version to those of the adopting version.
    translation: Translation
    #: The parameters of the source version; None if they are not known.
    parameters: Parameters | None
    #: The parts that the source version's code reads of the code of its arguments, in bits of
    #: `read_parts`; None if they are not known.
    read_parts: int | None

    def changes(self) -> list[Change] | None:
        """Lists the changes since the source version; None if they are not recorded."""
        folder = self.subject.folder(self.subject.definition)
        before, after = self.source.description, self.subject.content or _content(folder)
        if not before or not after or not before["nodes"] or not after["nodes"]:
            return None
        return changes(before, after)

    def look(self) -> AdoptionResult:
        """Counts the results that can be copied. Writes nothing.

        Raises:
            AdoptionError: Two results would get the same key, or no result can be copied.
            OSError: The folder cannot be listed.
        """
        left_out: list[str] = []
        entries = sum(1 for _ in self._translated(left_out))
        if left_out and not entries:
            raise AdoptionError(f"none of its results can be copied; the first: {left_out[0]}")
        return self._outcome(entries, left_out)

    def carry_out(self) -> AdoptionResult:
        """Copies the results.

        Raises:
            AdoptionError: See `look`. Nothing has been written.
            OSError: A folder cannot be listed, or a result cannot be stored.
        """
        self.look()
        left_out: list[str] = []
        subject, entries = self.subject, 0
        store, function, into = subject.store, subject.function, subject.definition
        if subject.content is not None:
            store.prepare(function, into)
            record_definition(subject.folder(into), subject.content, shared=subject.shared)
        for path, entry, arguments, head in self._translated(left_out):
            try:
                if head is None:
                    seconds, (inputs, _), _ = reader.head_of(entry)
                    digests = set(large_arguments.named_in(inputs))
                else:
                    whole = reader.load(entry)
                    seconds, objects = whole["time"], head.get("objects", {})
                    digests = set(objects.values())
                    pickled = writer.dump_entry(
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
                store.write(function, into, arguments, *pickled, durable=durable, like=entry)
            entries += 1
        found = self.evidence()
        if found is not None:
            with suppress(OSError):  # the results are copied
                keep(subject.folder(into), self.source.definition, found, shared=subject.shared)
        return self._outcome(entries, left_out)

    def evidence(self) -> Evidence | None:
        """Returns the evidence of a check that the results of both versions are equal; None if there is none."""
        return evidence_of(self.source.description, self.subject.definition)

    def _outcome(self, entries: int, left_out: list[str]) -> AdoptionResult:
        found = self.evidence()
        return AdoptionResult(
            self.source.definition,
            self.subject.definition,
            entries,
            tuple(left_out),
            "" if found is None else str(found),
        )

    def _translated(self, left_out: list[str]) -> Iterator[_Translated]:
        """Yields the results that can be copied, and appends a line to `left_out` for each other result."""
        store, translation = self.subject.store, self.translation
        keeps_hashes = (
            self.parameters is not None
            and translation.keeps_hashes(self.parameters)
            and self.read_parts is not None
            and self.read_parts == self.subject.read_parts
        )
        paths: dict[str, str] = {}
        for stored in self.source.entries():
            name = self.function, self.source.definition, stored.hash
            path = store.path(*name)
            try:
                entry = store.read(*name)
                if entry is None:
                    continue
                if keeps_hashes and not translation.rename:
                    yield _Translated(path, entry, stored.hash, None)
                    continue
                head = reader.load_head(entry)
                arguments = stored.hash if keeps_hashes else self._hash(head, stored.hash)
                head = translation.result(head)
            except Exception as error:
                reason = str(error) if isinstance(error, AdoptionError) else one_line(error)
                left_out.append(f"{path}: {reason}")
                continue
            other = paths.setdefault(arguments, path)
            if other != path:
                raise AdoptionError(
                    f"two results would have the same key: {other} and {path}"
                    " differ only in arguments that are dropped"
                )
            yield _Translated(path, entry, arguments, head)

    def _hash(self, head: Mapping[str, Any], arguments: str) -> str:
        """Returns the argument hash of a result in the adopting version."""
        objects = dict(head.get("objects", {}))
        whole: dict[str, dict[str, Any]] = {"input": dict(head["input"]), "objects": objects}
        large_arguments.resolve(self.subject.store, whole)
        before = whole["input"]
        known = self.parameters or [name for name in before if name != "global_seed"]
        if not is_faithful(known, before, arguments, self.read_parts):
            raise AdoptionError(unfaithful(before))
        if self.parameters is None:
            self.translation.check(known)
        after = self.translation.inputs(before)
        return hash_of(self.translation.parameters, after, self.subject.read_parts)


def adopt(memo: Memo[Any, Any], old: str, **how: Any) -> AdoptionResult:
    """Copies the results of an earlier version, see `Memo.adopt`."""
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
    """Finds the source version, and matches its parameters. `Memo.adopt` describes the arguments.

    Raises:
        AdoptionError: The version is not found or ambiguous, or the parameters do not match.
        OSError: The cache cannot be listed.
    """
    source = _source(subject, old, function)
    name = subject.function if function is None else source._true_name
    if name is None:
        raise AdoptionError(f"the name of the function in {source.folder} is not recorded")
    drop = (drop,) if isinstance(drop, str) else tuple(drop)
    translation = Translation(dict(add or {}), dict(rename or {}), drop, tuple(subject.parameters))
    before = parameters_in(source.description or {})
    if before is not None:
        translation.check(before)
    read_parts = read_parts_in(source.description or {})
    return Adoption(subject, source, name, translation, before, read_parts)


def _source(subject: Subject, old: str, function: str | None) -> StoredVersion:
    """Finds the version from which results are copied."""
    cache = Cache(subject.store)
    folder = os.path.dirname(subject.folder(subject.definition))
    functions = functions_in(cache._store, folder)
    try:
        if function is None:
            owner = StoredFunction(cache._store, folder, subject.identity)
        else:
            functions = cache.functions()
            owner = by_name(function, functions, cache.path)
    except KeyError as error:
        raise AdoptionError(error.args[0]) from error
    try:
        version = owner.version(old)
    except AmbiguousNameError as error:
        raise AdoptionError(error.args[0]) from error
    except KeyError as error:
        for other in functions:
            if old and any(name.startswith(old) for name in other.definitions()):
                raise AdoptionError(
                    f"the version {old!r} belongs to {other.qualified_name}, not to"
                    f" {owner.qualified_name}:"
                    f" if the function was renamed, pass function={other.qualified_name!r}"
                ) from error
        raise AdoptionError(error.args[0]) from error
    if version.definition == subject.definition:
        raise AdoptionError(f"{subject.definition} is the definition of {subject.function} itself")
    return version


def _content(folder: str) -> Content | None:
    try:
        return read_definition(folder)
    except (OSError, ValueError):
        return None
