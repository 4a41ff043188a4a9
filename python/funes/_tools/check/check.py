"""Computes stored calls of a function again with the present code, and compares the results with the stored ones."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import heapq
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from time import perf_counter
from typing import Any, NamedTuple

from funes._call import generators
from funes._call.coroutine import call_in_coroutine
from funes._call.refresh import run
from funes._entries import large_arguments, reader
from funes._entries.age import is_entry_expired
from funes._entries.function_identity import label
from funes._funes import Entry, shown
from funes._memo.memo import Memo
from funes._memo.mode import mode, stores
from funes._results.stored import StoredEntry, StoredFunction, StoredVersion
from funes._tools.adopt.translation import is_faithful, parameters_in, read_parts_in, unfaithful
from funes._tools.check import evidence
from funes._tools.check.bind import Binding, CannotBindError
from funes._tools.check.choose import Candidate, Chooser, parts_of
from funes._tools.check.compare import compare
from funes._tools.check.comparison import ComparedCall, Comparison
from funes._tools.explain.other_versions import other_versions
from funes._warnings import one_line
from funes.errors import UnhashableArgumentError

#: The number of stored calls among which is chosen. Of more calls, those with the smallest hashes are
#: taken, which are a random sample.
_MAX_CANDIDATES = 2_000


class _LeftOutError(Exception):
    """Raised if a stored call cannot be computed again or compared. The message says why."""


class _Stored(NamedTuple):
    """A stored call that is about to be computed."""

    inputs: dict[str, Any]
    output: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def check(
    memo: Memo[..., Any],
    version: str | None = None,
    *,
    budget: float = 60.0,
    tolerance: float = 0.0,
    all: bool = False,  # noqa: A002 -- the name of the option of the command
    most: int | None = None,
) -> Comparison:
    """Computes stored calls again, see `Memo.check`. `most` is the maximum number of calls that are compared."""
    if all and version is not None:
        raise ValueError("version and all=True exclude each other")
    definition = memo.definition
    folder = os.path.dirname(memo._store.folder(memo._function_name, definition))
    function = StoredFunction(memo._store, folder, memo._identity)
    if all:
        source = StoredVersion(function, definition)
    elif version is not None:
        source = function.version(version)
        if source.definition == definition:
            raise ValueError(
                f"{definition} is the present definition: pass all=True to compute its calls again"
            )
    else:
        source = _previous(memo, function, definition)
    found = _Check(memo, source, budget, tolerance, is_all=all).carry_out(most)
    if not all and stores():
        with suppress(OSError):  # the folder may be read-only
            evidence.record(str(source.folder), found, shared=memo._options.shared)
    return found


def _previous(memo: Memo[..., Any], function: StoredFunction, definition: str) -> StoredVersion:
    """Returns the version that was used last before the present one, and has results."""
    store, name = memo._store, memo._function_name
    for each in other_versions(store, name, memo._identity, definition):
        version = StoredVersion(function, each.definition)
        if any(version.entries(errors=True)):
            return version
    raise KeyError(f"no earlier version of {label(memo._identity)} has results in {store.root}")


class _Check:
    """The comparison of the stored results of a version with what the present code computes."""

    def __init__(
        self,
        memo: Memo[..., Any],
        source: StoredVersion,
        budget: float,
        tolerance: float,
        *,
        is_all: bool,
    ) -> None:
        self._memo = memo
        self._source = source
        self._budget = budget
        self._tolerance = tolerance
        self._is_all = is_all
        self._binding = Binding(memo)
        description = source.description or {}
        self._parameters = parameters_in(description)
        self._read_parts = read_parts_in(description)
        self._left_out: list[str] = []
        self._calls: list[ComparedCall] = []

    def carry_out(self, most: int | None) -> Comparison:
        """Compares calls until the budget is spent."""
        total = 0
        entries: list[StoredEntry] = []
        for entry in self._source.entries(errors=True):
            total += 1
            if entry.is_error:
                self._leave_out(entry.path, "it raised a remembered error")
            else:
                entries.append(entry)
        sample = heapq.nsmallest(_MAX_CANDIDATES, entries, key=lambda each: each.hash)
        chooser = Chooser(filter(None, map(self._candidate, sample)), self._budget)
        start = perf_counter()
        while most is None or len(self._calls) < most:
            rest = self._budget - (perf_counter() - start)
            candidate = chooser.next(rest)
            if candidate is None:
                break
            try:
                self._calls.append(self._compared(candidate))
            except _LeftOutError as error:
                path = self._path(candidate.arguments)
                self._leave_out(path, str(error))
        detail = ""
        if not total:
            detail = "there are no stored calls"
        elif chooser.cheapest is not None and not self._calls:
            detail = f"the cheapest of the other calls took {chooser.cheapest:.3g} s: pass a larger budget"
        return Comparison(
            function=label(self._memo._identity),
            stored=self._source.definition,
            computed=self._memo.definition,
            calls=tuple(self._calls),
            left_out=tuple(self._left_out),
            total=total,
            tolerance=self._tolerance,
            seconds=sum(each.after or 0.0 for each in self._calls),
            detail=detail,
        )

    def _leave_out(self, path: object, reason: str) -> None:
        self._left_out.append(f"{path}: {reason}")

    def _path(self, arguments: str) -> str:
        return self._memo._store.path(self._name, self._source.definition, arguments)

    @property
    def _name(self) -> str:
        return self._source._true_name or self._memo._function_name

    def _candidate(self, entry: StoredEntry) -> Candidate | None:
        """Reads the arguments of a stored call; leaves it out if they do not fit."""
        try:
            found = self._read(entry.hash)
            head = self._head(found)
            objects = head.get("objects", {})
            self._binding.call_of({**head["input"], **objects})
        except (CannotBindError, _LeftOutError) as error:
            self._leave_out(entry.path, str(error))
            return None
        return Candidate(entry.hash, head["time"], parts_of(head["input"], objects))

    def _read(self, arguments: str) -> Entry:
        try:
            found = self._memo._store.read(self._name, self._source.definition, arguments)
        except OSError as error:
            reason = (
                "not signed with the signing key in use"
                if error.errno == errno.EPERM
                else one_line(error)
            )
            raise _LeftOutError(f"it cannot be read: {reason}") from error
        except Exception as error:
            raise _LeftOutError(f"it cannot be read: {one_line(error)}") from error
        if found is None:
            raise _LeftOutError("it has been deleted")
        return found

    @staticmethod
    def _head(entry: Entry) -> dict[str, Any]:
        try:
            return reader.load_head(entry)
        except Exception as error:
            raise _LeftOutError(f"its inputs cannot be unpickled: {one_line(error)}") from error

    def _load(self, arguments: str) -> _Stored:
        """Reads a stored call with its result.

        Raises:
            _LeftOutError: It cannot be computed again as it was.
        """
        memo = self._memo
        entry = self._read(arguments)
        key = self._name, self._source.definition, arguments
        if is_entry_expired(memo._store, key, entry.max_age):
            raise _LeftOutError("it is expired")
        if changed := self._changed_file(arguments):
            raise _LeftOutError(changed)
        head = self._head(entry)
        large_arguments.resolve(memo._store, head)
        inputs = head["input"]
        known = self._parameters or [name for name in inputs if name != "global_seed"]
        if not is_faithful(known, inputs, arguments, self._read_parts):
            raise _LeftOutError(unfaithful(inputs))
        try:
            whole = reader.load(entry)
        except Exception as error:
            raise _LeftOutError(f"its result cannot be unpickled: {one_line(error)}") from error
        if "drawn" in whole:
            raise _LeftOutError("it drew random numbers without a seed")
        return _Stored(inputs, whole["output"], *self._binding.call_of(inputs))

    def _changed_file(self, arguments: str) -> str:
        """Returns which file has changed that a stored call read, or ""."""
        try:
            changed = self._memo._core.changed_file(self._memo, self._source.definition, arguments)
        except Exception as error:
            return f"its files cannot be compared: {one_line(error)}"
        if changed is None:
            return ""
        path, is_missing = changed
        return f"{path}, which it read, {'is missing' if is_missing else 'has changed'}"

    def _compared(self, candidate: Candidate) -> ComparedCall:
        stored = self._load(candidate.arguments)
        call = ComparedCall(
            _call_shown(self._memo, stored.inputs),
            candidate.arguments,
            "equal",
            before=candidate.seconds,
        )
        known = self._known(stored, candidate.seconds)
        start = perf_counter()
        try:
            output = self._compute(stored) if known is None else known[0]
        except Exception as error:
            detail = f"raises {one_line(error)}"
            return call._replace(outcome="raised", detail=detail, after=perf_counter() - start)
        call = call._replace(after=None if known else perf_counter() - start)
        try:
            difference = compare(stored.output, output)
        except UnhashableArgumentError as error:
            raise _LeftOutError(f"its result has no hash: {one_line(error)}") from error
        if difference is None:
            return call
        relative = difference.relative
        if relative is not None and self._tolerance > 0 and relative <= self._tolerance:
            return call._replace(outcome="close", difference=difference)
        return call._replace(outcome="different", difference=difference)

    def _known(self, stored: _Stored, seconds: float) -> tuple[Any] | None:
        """Returns the result of a call that the present definition has already computed, in a tuple."""
        if self._is_all:
            return None
        memo = self._memo
        with suppress(Exception):  # then it is computed
            call = memo._core.key(memo, stored.args, stored.kwargs)
            entry = memo._core.read(memo, call.definition, call.arguments, True)
            # The copy of an adopted result has the run time of the original.
            if entry is not None and reader.head_of(entry)[0] != seconds:
                whole = reader.load(entry)
                if "drawn" not in whole:
                    return (whole["output"],)
        return None

    def _compute(self, stored: _Stored) -> Any:
        """Runs the function. Memorious functions that it calls use the cache, unless their results may be old, too."""
        memo, args, kwargs = self._memo, stored.args, stored.kwargs
        with generators.kept(), mode("off") if self._is_all else nullcontext():
            if not memo._core.is_async:
                return run(memo, args, kwargs, "compute")
            return _await(lambda: call_in_coroutine(memo, args, kwargs, how="compute"))


def _await(start: Callable[[], Any]) -> Any:
    """Runs a coroutine to its end, in a thread of its own: an event loop may be running in this one."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(start()))
        except BaseException as error:
            outcome.extend((None, error))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
    thread.start()
    thread.join()
    if len(outcome) > 1:
        raise outcome[1]
    return outcome[0]


def _call_shown(memo: Memo[..., Any], inputs: dict[str, Any]) -> str:
    given = ", ".join(f"{name}={shown(value)}" for name, value in inputs.items())
    return f"{memo.__qualname__}({given})"
