"""The plan of a sweep: the keys of its points, and which of them are stored."""

from __future__ import annotations

import inspect
import itertools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from funes._entries import reader
from funes._entries.age import is_expired
from funes._funes import ERROR_EXTENSION, Listing, PointKeys, changed_keys, hooks
from funes._memo.mode import current_mode, in_mode
from funes._sweeps.arguments import Arguments
from funes._sweeps.outcome import Status
from funes._sweeps.points import Points
from funes._warnings import safe_repr
from funes.errors import SweepError, UnhashableArgumentError

#: The states of a key: not computed;
MISSING = 0
#: found in the store;
STORED = 1
#: on its way to a worker or back;
SENT = 2
#: computed by this sweep, and stored;
COMPUTED = 3
#: computed by this sweep, but not stored;
UNSTORED = 4
#: its computation failed.
FAILED = 5

#: Up to this many keys are looked for one by one; for more, the folder is listed.
_MAX_LOOKED_UP = 256

#: Entries whose run time is read to estimate that of the missing points.
_SAMPLE = 16
_MAX_SAMPLE_BYTES = 1 << 20


class Plan:
    """Takes points, computes their keys and looks for their results. Runs nothing."""

    def __init__(self, memo: Any, points: Points, first: tuple[Any, ...]) -> None:
        self.memo = memo
        self.points = points
        self.keys = PointKeys()
        #: The mode in which the sweep was made, see `funes.mode`. It holds for all its calls.
        self.mode = current_mode()
        self.max_age: float | None = memo._options.max_age
        #: The exceptions of failed points, by the numbers of their keys.
        self.errors: dict[int, BaseException] = {}
        #: The numbers of the failed points whose exceptions were stored before.
        self.remembered: set[int] = set()
        #: True once no more points will be taken.
        self.is_complete = False
        #: Why the point after the last one could not be taken.
        self.error: Exception | None = None
        self._first = first
        self._calls = points.calls()
        #: Threads take points one after the other.
        self._lock = threading.RLock()
        self._seconds: float | None = None
        if points.size is not None:
            self.take(points.size)
            self.is_complete = True
            del self._calls
            if self.error is not None:
                raise self.error

    def take(self, count: int) -> int:
        """Takes up to a number of points; returns the number of taken ones.

        If a point cannot be taken, `error` says why:

        - `UnhashableArgumentError`: It cannot be part of a key; the message has its index.
        - `TypeError`: The function does not take its arguments.
        - `SweepError`: The definition of the function changed since the first point was taken.
        - Any exception of the user's iterator.
        """
        with self._lock:
            if self.is_complete:
                return 0
            known, before = self.keys.distinct, len(self.keys)
            is_whole = count == self.points.size
            calls = self._calls if is_whole else itertools.islice(self._calls, count)
            try:
                self.keys.extend(self.memo._core, self.memo, calls, self._first)
            except Exception as error:
                self.error = self._input_error(error)
            except BaseException as error:
                # What remains of the iterator is not known.
                name = type(error).__name__
                self.error = SweepError(
                    f"taking the points of {self.memo.__qualname__} was interrupted by {name}; make the sweep again"
                )
                self.is_complete = True
                raise
            taken = len(self.keys) - before
            if taken < count:
                self.is_complete = True
            self._look_for(known)
            self._look_for_errors(known)
            return taken

    def _input_error(self, error: Exception) -> Exception:
        """Returns the error for the next point, which could not be taken."""
        name = f"points[{len(self.keys)}]"
        if type(error) is ValueError and str(error) == "the definition changed":
            new: Exception = self.changed()
        elif isinstance(error, UnhashableArgumentError):
            new = UnhashableArgumentError(f"{name}: {error}")
        elif type(error) is TypeError and _is_raised_by_bind(error):
            new = TypeError(f"{name}: {self.memo.__name__}(): {error}")
        else:
            add_note(error, f"raised for {name} of a sweep")
            return error
        new.__cause__ = error
        return new

    def failure(self, number: int, error: BaseException) -> BaseException:
        """Returns the exception for a point whose computation raised one, so that a caller sees it and the point.

        An exception by which loops and tasks end becomes a `RuntimeError`, as in a generator (PEP 479).
        """
        label = self.label(self.keys.first(number))
        if ends_loops(error):
            new = RuntimeError(f"{label}: {self.memo.__qualname__} raised {type(error).__name__}")
            new.__cause__ = error
            return new
        add_note(error, f"raised for {label} of a sweep")
        return error

    def changed(self) -> SweepError:
        """Returns the error for a definition that is not that of the keys any more."""
        return SweepError(
            f"the definition of {self.memo.__qualname__} has changed since this sweep was made; make it again"
        )

    def forked(self, pid: int) -> SweepError:
        """Returns the error for a forked child that cannot use what its parent began."""
        return SweepError(
            f"the sweep of {self.memo.__qualname__} is run by the process {pid}, of which this one is a fork: make it"
            " again in this process"
        )

    @property
    def folder(self) -> str | None:
        """The folder of the results; None if there cannot be one."""
        if not len(self.keys):
            return None
        with suppress(OSError):
            folder: str = self.memo._store.folder(self.memo._function_name, self.keys.definition)
            return folder
        return None

    def path(self, number: int) -> str | None:
        """Returns the path of the entry of a key."""
        with suppress(OSError):
            path: str = self.memo._store.path(
                self.memo._function_name, self.keys.definition, self.keys.arguments(number)
            )
            return path
        return None

    def is_stored(self, number: int) -> bool:
        """Returns whether there is an entry of a key now."""
        return self.mode != "off" and self._time_stored(number) is not None

    def is_done(self, number: int) -> bool:
        """Returns whether there is an entry of a key now that makes a computation needless."""
        if self.mode in ("off", "refresh"):
            return False
        stored = self._time_stored(number)
        return stored is not None and not is_expired(stored / 1e9, self.max_age)

    def _time_stored(self, number: int) -> int | None:
        """Returns the time at which the entry of a key was stored; None if there is no entry."""
        with suppress(OSError):
            stored: int | None = self.memo._store.time_stored(
                self.memo._function_name, self.keys.definition, self.keys.arguments(number)
            )
            return stored
        return None

    def stamp(self, number: int) -> tuple[int, ...] | None:
        """Returns what changes when the entry of a key is replaced; None if there is no entry."""
        path = self.path(number)
        with suppress(OSError):
            if path is not None and self.mode != "off":
                found = os.lstat(path)
                return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
        stored = self._time_stored(number) if self.mode != "off" else None
        return None if stored is None else (stored,)

    def _look_for(self, known: int) -> None:
        """Looks for the entries of new keys."""
        if self.keys.distinct - known <= _MAX_LOOKED_UP or self.max_age is not None:
            self._look_up(known)
        else:
            self._refresh_results()
        self._bring(known)

    def _bring(self, start: int) -> None:
        """Receives results of missing keys from the remote cache, from a number on."""
        if self.mode is not None or self._remote is None:
            return
        missing = [
            number
            for number in range(start, self.keys.distinct)
            if self.keys.state(number) == MISSING
        ]
        if missing:
            digests = [self.keys.arguments(number) for number in missing]
            if hooks().bring_from_remote()(self.memo, self.keys.definition, digests):
                for number in missing:
                    if self.is_done(number):
                        self.keys.set_state(number, STORED)
                self._leave_out_changed(start)

    @property
    def _remote(self) -> str | None:
        with suppress(OSError):
            remote: str | None = self.memo._store.remote
            return remote
        return None

    def _look_up(self, known: int) -> None:
        for number in range(known, self.keys.distinct):
            if self.keys.state(number) == MISSING and self.is_done(number):
                self.keys.set_state(number, STORED)
        self._leave_out_changed(known)

    def refresh(self) -> None:
        """Looks again for the entries of missing points, which other processes may have stored."""
        self._refresh_results()
        self._bring(0)
        self._look_for_errors(0)

    def _refresh_results(self) -> None:
        if self.max_age is not None:
            self._look_up(0)
            return
        folder = self.folder
        if folder is not None and self.mode not in ("off", "refresh"):
            with suppress(OSError):
                self.keys.mark_listed(folder, MISSING, STORED)
        self._leave_out_changed(0)

    def _look_for_errors(self, start: int) -> None:
        """Looks for remembered errors of missing points, from a number on."""
        for number, error in self._remembered_errors(start, (MISSING,)):
            self.remembered.add(number)
            self.errors[number] = self.failure(number, error)
            self.keys.set_state(number, FAILED)

    def _remembered_errors(
        self, start: int, states: tuple[int, ...]
    ) -> Iterator[tuple[int, BaseException]]:
        """Yields the keys in some states whose calls would raise a remembered error, and the errors."""
        keys = self.keys
        if not self.memo._options.remember_errors or self.mode in ("off", "refresh"):
            return
        listed: set[str] | None = None
        folder = self.folder
        if folder is not None and keys.distinct - start > _MAX_LOOKED_UP:
            with suppress(OSError):
                listed = {arguments for arguments, _, _ in Listing(folder, errors=True)}
        for number in range(start, keys.distinct):
            if (listed is None or listed) and keys.state(number) in states:
                digest = keys.arguments(number)
                if digest in listed if listed is not None else self._has_error(digest):
                    error = self._read_error(number)
                    if error is not None:
                        yield number, error

    def _has_error(self, digest: str) -> bool:
        key = self.memo._function_name, self.keys.definition, digest + ERROR_EXTENSION
        with suppress(OSError):
            return os.path.lexists(self.memo._store.path(*key))
        return False

    def _read_error(self, number: int) -> BaseException | None:
        """Returns the remembered error of a key, if its call would raise it."""
        with suppress(Exception), in_mode(self.mode):  # the call itself reports problems
            args, kwargs = self.arguments(number)
            call = self.memo._core.key(self.memo, args, kwargs)
            if (call.definition, call.arguments) == (
                self.keys.definition,
                self.keys.arguments(number),
            ):
                found = hooks().read_error()(self.memo, call)
                if found is not None:
                    error: BaseException = found[0]
                    return error
        return None

    def _count_remembered(self) -> int:
        """Returns how many distinct keys have a remembered error now, and no result."""
        states = (MISSING, SENT, UNSTORED, FAILED)
        return sum(not self.is_done(number) for number, _ in self._remembered_errors(0, states))

    def is_failure_stored(self, number: int) -> bool:
        """Returns whether the exception of a failed key is stored, so that it is raised again."""
        if number in self.remembered:
            return True
        types = self.memo._options.remember_errors
        return isinstance(self.errors.get(number), types) and self._has_error(
            self.keys.arguments(number)
        )

    def _leave_out_changed(self, start: int) -> None:
        """Makes keys missing again that have an entry of files with another content."""
        for number in self._changed(start, STORED):
            self.keys.set_state(number, MISSING)

    def _changed(self, start: int, state: int | None) -> list[int]:
        """Returns keys, from a number on, whose results are of files with another content.

        Args:
            start: The first number.
            state: The state of the keys; None for all keys.
        """
        memo = self.memo
        if memo._options.files == "ignore":
            return []
        with suppress(OSError):
            about = memo._store, memo.__wrapped__, memo._function_name, self.max_age
            return changed_keys(self.keys, *about, start, state)
        return []

    def count_stored(self) -> int:
        """Returns how many distinct keys have an entry now."""
        if self.max_age is not None:
            changed = set(self._changed(0, None))
            numbers = range(self.keys.distinct)
            return sum(number not in changed and self.is_done(number) for number in numbers)
        folder = self.folder
        if folder is None:
            return 0
        with suppress(OSError):
            return self.keys.count_listed(folder) - len(self._changed(0, None))
        return 0

    def arguments(self, number: int) -> Arguments:
        """Returns the arguments of a key."""
        return self.points.arguments(self.keys.first(number))

    def label(self, index: int) -> str:
        """Returns a short text that names a point: ``points[3] = {'rate': 0.1}``."""
        try:
            shown = safe_repr(self.points.given(index))
        except Exception:  # it cannot be unpickled
            return f"points[{index}]"
        return f"points[{index}] = {shown if len(shown) <= 200 else shown[:200] + '...'}"

    def progress(self) -> str:
        """Returns a text that says how much is stored."""
        return str(self.status())

    def status(self) -> Status:
        """Returns how many points are stored now, by the cache folder alone."""
        points, distinct = len(self.keys), self.keys.distinct
        stored = self.count_stored() + self._count_remembered()
        return Status(points, points - distinct, stored, distinct - stored)

    def seconds_per_point(self) -> float | None:
        """Returns the mean run time of some stored results; None if there are none."""
        folder = self.folder
        if self._seconds is None and folder is not None and self.mode != "off":
            times = []
            with suppress(OSError):
                for arguments, size, _ in itertools.islice(Listing(folder), _SAMPLE):
                    if size <= _MAX_SAMPLE_BYTES:
                        key = self.memo._function_name, self.keys.definition, arguments
                        with suppress(Exception):  # a damaged entry
                            seconds = reader.read_seconds(self.memo._store, *key)
                            times += [] if seconds is None else [seconds]
            self._seconds = sum(times) / len(times) if times else None
        return self._seconds


def ends_loops(error: BaseException) -> bool:
    """Returns whether an exception ends a loop, a generator or a task, so that a caller would not see it."""
    if isinstance(error, (StopIteration, StopAsyncIteration, GeneratorExit)):
        return True
    asyncio = sys.modules.get("asyncio")  # imported if there is such an exception
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def _is_raised_by_bind(error: BaseException) -> bool:
    """Returns whether an exception comes from `inspect.Signature.bind`, called by the extension."""
    traceback = error.__traceback__
    inner = traceback.tb_next if traceback is not None else None
    return inner is not None and inner.tb_frame.f_code is inspect.Signature.bind.__code__


class Note(Exception):  # noqa: N818  # printed above the traceback of an exception, as a note is below it
    """Carries the notes of an exception on Python 3.10, which prints causes and no notes."""


def add_note(error: BaseException, note: str) -> None:
    """Adds a note to an exception (PEP 678), which is printed with the traceback."""
    with suppress(Exception):  # an exception of the user may refuse attributes
        if hasattr(error, "add_note"):
            error.add_note(note)
            return
        notes = [*getattr(error, "__notes__", ()), note]
        error.__notes__ = notes  # type: ignore[attr-defined]
        # Python 3.10 prints causes. The notes become the cause of the first cause, so that the causes of the user stay.
        first, seen = error, {id(error)}
        while isinstance(first.__cause__, BaseException) and not isinstance(first.__cause__, Note):
            first = first.__cause__
            if id(first) in seen:
                return
            seen.add(id(first))
        shown = Note("\n".join(notes))
        before = first.__cause__ or (None if first.__suppress_context__ else first)
        shown.__context__ = None if before is None else before.__context__
        first.__cause__ = shown
