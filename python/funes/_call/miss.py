"""Calls whose result is not in memory and that the extension passes to Python code.

These are the first miss of each definition, and all misses that do not qualify for
rust/py/src/call/fast_miss.rs. The entry is read, another call that computes the key is waited for,
the function runs, and its result is stored. This module is imported at its first use, so that
programs that only define memorious functions start without it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from funes import _warnings
from funes._call import log, round_trip, seeding
from funes._call.argument_snapshot import ArgumentSnapshot, take_snapshot
from funes._call.generator_lock import is_inside
from funes._call.random_draws import DrawDetector
from funes._call.run import Run
from funes._call.single_flight import SingleFlight
from funes._code.definition_file import Content
from funes._entries import codec, large_arguments
from funes._entries.pickler import attempt, is_raised_again
from funes._entries.shared_arrays import shares_memory
from funes._funes import Call, InFlightCall, hash_value
from funes._memo import definition_record
from funes.errors import (
    DamagedEntryError,
    FunesError,
    UnhashableArgumentError,
    UnpicklableResultError,
)

if TYPE_CHECKING:
    from funes._memo.memo import Memo


#: Whether the call has a seed, and the seed.
Seed = tuple[bool, int | None]


class _Missing:
    """Marks a missing entry, since None is a valid result."""


_MISSING = _Missing()


class Computation:
    """A call that is being computed, with a snapshot of its arguments before the run."""

    __slots__ = ("_call", "_draws", "_flight", "_memo", "_snapshot")

    def __init__(
        self,
        memo: Memo[Any, Any],
        call: Call,
        flight: SingleFlight | None,
        draws: DrawDetector | None = None,
    ) -> None:
        if log.is_on():
            log.log_miss(memo, call)
        self._memo = memo
        self._call = call
        self._flight = flight
        self._snapshot = _take_snapshot(memo, call)
        self._draws = draws

    @classmethod
    def detecting_draws(
        cls, memo: Memo[Any, Any], call: Call, flight: SingleFlight | None
    ) -> Computation:
        """Returns a computation that also detects draws from the global random generators."""
        draws = None
        if not call.is_seeded:
            draws = DrawDetector()
            # Other tasks run between the steps of a coroutine and may draw; within a seeded run
            # they cannot.
            if memo._core.is_async and not draws.is_inside:
                draws = None
        return cls(memo, call, flight, draws)

    def finish(
        self, output: Any, seconds: float, problem: str = "", is_drawn: bool = False
    ) -> tuple[Any] | None:
        """Stores the result, unless there was a problem, and wakes the waiting calls.

        Args:
            output: What the function returned.
            seconds: How long the function ran.
            problem: Why the result must not be stored; empty if it may be.
            is_drawn: Random numbers were drawn without a seed.

        Returns:
            ``(result,)`` if the caller must get another object than the function returned.
        """
        try:
            is_drawn = is_drawn or (self._draws is not None and self._draws.have_moved())
            if is_drawn and self._draws is not None and self._draws.is_inside:
                problem = problem or _DRAWN_INSIDE
            about = (seconds, is_drawn)
            copy = _store(
                self._memo, self._call, self._snapshot, output, about=about, problem=problem
            )
        except BaseException:
            self.abandon()
            raise
        if self._flight is not None:
            self._flight.release(True)
        return copy

    def abandon(self) -> None:
        """Wakes the waiting calls: there is no result."""
        if self._flight is not None:
            self._flight.release(False)


def begin(memo: Memo[Any, Any], call: Call) -> tuple[Any] | Computation | None:
    """Returns ``(result,)`` if there is a result, possibly after a wait; else the computation to finish.

    Returns None if the call has no key any more, since its arguments changed during a wait. The
    extension then runs the function, without frames of funes on the stack.
    """
    present: Call | None = call
    while present is not None:
        call = present
        output = _recall_unless_absent(memo, call)
        if output is not _MISSING:
            return (output,)
        flight = _single_flight(memo, call) if memo._options.single_flight else None
        if flight is None:
            return Computation.detecting_draws(memo, call, None)
        while present is call:
            may_compute = flight.__enter__()
            try:
                present = _rekey_after_wait(memo, call) if flight.has_waited else call
                if present is call:
                    output = _recall(memo, call)
                    if output is _MISSING and may_compute:
                        return Computation.detecting_draws(memo, call, flight)
            except BaseException:
                flight.release(False)
                raise
            flight.release(present is call)
            if output is not _MISSING:
                return (output,)
    return None


def _rekey_after_wait(memo: Memo[Any, Any], call: Call) -> Call | None:
    """Returns the call as it is after a wait, in which arguments and globals may have changed.

    This is the same object if they have not, and None if the call has no key any more.
    """
    try:
        return memo._core.rekey(memo, call) or call
    except UnhashableArgumentError as error:
        warn_uncached(memo, error)
        return None


def store_result(
    memo: Memo[Any, Any],
    call: Call,
    flight: InFlightCall | None,
    ran: tuple[Any, float, bool],
) -> tuple[Any] | None:
    """Stores the result of a call that began on the fast path.

    `ran`: the result, how many seconds the function ran, and whether it drew random numbers.
    """
    computation = Computation(memo, call, None if flight is None else SingleFlight.of(flight))
    output, seconds, is_drawn = ran
    return computation.finish(output, seconds, is_drawn=is_drawn)


def call_seeded(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None, call: Call
) -> Any:
    started = begin(memo, call)
    if isinstance(started, tuple):
        return started[0]
    run = Run()
    seed = call.is_seeded, call.seed
    if started is None:
        return _run(memo, args, kwargs, seed, run)
    try:
        output = _run(memo, args, kwargs, seed, run, call=started._call)
    except BaseException:
        started.abandon()
        raise
    copy = started.finish(output, run.seconds, run.problem)
    return output if copy is None else copy[0]


async def call_async(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    found = memo._core.recall_fast(memo, args, kwargs)
    if found is not None:
        return found[0]
    try:
        call = memo._core.key(memo, args, kwargs)
    except UnhashableArgumentError as error:
        return await call_uncached(memo, args, kwargs, error)
    present: Call | None = call
    while present is not None:
        call = present
        output = _recall_unless_absent(memo, call)
        if output is not _MISSING:
            return output
        flight = _single_flight(memo, call) if memo._options.single_flight else None
        if flight is None:
            return await _compute_async(memo, args, kwargs, call)
        while present is call:
            async with flight as may_compute:
                present = _rekey_after_wait(memo, call) if flight.has_waited else call
                if present is call:
                    output = _recall(memo, call)
                    if output is not _MISSING:
                        return output
                    if may_compute:
                        return await _compute_async(memo, args, kwargs, call)
                elif may_compute:
                    flight.give_up()
    return await _run_async(memo, args, kwargs, (call.is_seeded, call.seed), Run())


async def _compute_async(memo: Memo[Any, Any], args: Any, kwargs: Any, call: Call) -> Any:
    computation, run = Computation.detecting_draws(memo, call, None), Run()
    output = await _run_async(memo, args, kwargs, (call.is_seeded, call.seed), run, call=call)
    copy = computation.finish(output, run.seconds, run.problem)
    return output if copy is None else copy[0]


def _single_flight(memo: Memo[Any, Any], call: Call) -> SingleFlight | None:
    name = memo._function_name
    try:
        folder = memo._store.folder(name, call.definition)
    except OSError:  # no cache folder, as reported when the entry was looked for
        return None
    if memo._options.shared:
        # Creates the folder with the group's permissions, before the lock file would create it
        # without.
        with suppress(OSError):
            memo._store.prepare(name, call.definition)
    return SingleFlight(folder, call.arguments, memo._options.wait)


def warn_uncached(memo: Memo[Any, Any], error: Exception) -> None:
    memo._degrade("key", f"it ran uncached: {error}", error)
    if log.is_on():
        log.log_uncached(memo, error)


def call_uncached(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None, error: Exception
) -> Any:
    warn_uncached(memo, error)
    is_seeded, seed = memo._core.seed(args, kwargs)
    run = _run_async if memo._core.is_async else _run
    return run(
        memo, args, kwargs, (is_seeded, seeding.normalise(seed) if is_seeded else None), Run()
    )


def _run(
    memo: Memo[Any, Any], args: Any, kwargs: Any, seed: Seed, run: Run, *, call: Call | None = None
) -> Any:
    """Runs the function. `call`: the call, if it has a key and its result is stored."""
    memo._core.count_miss()
    is_seeded, number = seed
    function = memo.__wrapped__, args, memo._core.without_seed(kwargs) or {}

    def after_wait() -> None:
        if call is not None and (reason := _changed(memo, call, None)):
            run.reject(f"while the call waited for other seeded calls, {reason}")

    running = memo._core.begin_run(call)
    try:
        if is_seeded:
            modules = memo._core.modules(memo)
            output = seeding.run_seeded(
                number,
                modules,
                run.call,
                function,
                {},
                on_problem=run.reject,
                after_wait=after_wait,
            )
        else:
            output = run.call(*function)
    finally:
        memo._core.end_run(running)
    memo._core.count_seconds(run.seconds)
    return output


async def _run_async(
    memo: Memo[Any, Any], args: Any, kwargs: Any, seed: Seed, run: Run, *, call: Call | None = None
) -> Any:
    memo._core.count_miss()
    is_seeded, number = seed
    function: Any = memo.__wrapped__, args, memo._core.without_seed(kwargs) or {}
    running = memo._core.begin_run(call)
    try:
        if is_seeded:
            modules = memo._core.modules(memo)
            output = await seeding.run_seeded_async(
                number, modules, run.call_async, function, {}, on_problem=run.reject
            )
        else:
            output = await run.call_async(*function)
    finally:
        memo._core.end_run(running)
    memo._core.count_seconds(run.seconds)
    return output


def _recall_unless_absent(memo: Memo[Any, Any], call: Call) -> Any:
    """Returns the stored output, or `_MISSING`."""
    # Not absent means: it is in memory, or Python code must decide about an entry.
    return _MISSING if call.is_absent else _recall(memo, call)


def _recall(memo: Memo[Any, Any], call: Call) -> Any:
    """Returns the stored output, or `_MISSING`. Raises only what the undecorated function would, unless strict."""
    found = memo._core.recall(memo, call)
    if found is not None:
        return found[0] if found else _MISSING
    name, key = memo._function_name, (call.definition, call.arguments)
    try:
        entry = memo._store.read(name, *key)
    except DamagedEntryError as error:
        _set_aside(memo, key, error)
        return _MISSING
    except OSError as error:
        memo._degrade("read", f"{error}; it was computed again", error)
        return _MISSING
    if entry is None:
        return _MISSING
    home = memo.__wrapped__.__module__

    def load() -> dict[str, Any]:
        return codec.load_entry(entry.body, entry.fast, home)

    try:
        content = load()
        # A result that was drawn without a seed does not belong to the stream of a seeded run.
        return _MISSING if "drawn" in content and is_inside() else content["output"]
    except BaseException as error:
        if not isinstance(error, Exception) and not is_raised_again(load, error):
            raise
        path = memo._store.path(name, *key)
        reason = _warnings.one_line(error)
        text = f"the result in {path} cannot be loaded ({reason}); it was computed again"
        reported = error if isinstance(error, Exception) else FunesError(text)
        memo._degrade("load", text, reported)
        return _MISSING


def _set_aside(memo: Memo[Any, Any], key: tuple[str, str], error: DamagedEntryError) -> None:
    try:
        moved = memo._store.set_aside(memo._function_name, *key)
        done = f"it was moved to {moved}" if moved else ""
    except OSError as refused:
        done = f"it could not be moved ({refused})"
    # Nothing is reported if another process has repaired it meanwhile.
    if done:
        memo._degrade("damage", f"{error}; {done} and computed again", error)


def _take_snapshot(memo: Memo[Any, Any], call: Call) -> ArgumentSnapshot | None:
    try:
        return take_snapshot(call.inputs)
    except Exception as error:
        _degrade_unstored(memo, error)
        return None


#: Why a result is not stored that was drawn from the stream of a seeded run.
_DRAWN_INSIDE = (
    "it drew random numbers without a seed of its own inside of a seeded call, whose numbers would differ if it were"
    " cached; give it global_seed="
)

_DRAWN = (
    "random numbers were drawn while it ran without a seed, and later calls return what was drawn now; pass"
    " global_seed= to make the numbers part of the key"
)


def _store(
    memo: Memo[Any, Any],
    call: Call,
    snapshot: ArgumentSnapshot | None,
    output: Any,
    *,
    about: tuple[float, bool],
    problem: str,
) -> tuple[Any] | None:
    """Stores a result.

    Args:
        memo: The function.
        call: The call.
        snapshot: The arguments before the run; None if they could not be kept.
        output: The result.
        about: How many seconds the function ran, and whether it drew random numbers without a seed.
        problem: Why the result must not be stored; empty if it may be.

    Returns:
        A copy as ``(result,)`` if later calls return an object that behaves differently from `output`.
    """
    seconds, is_drawn = about
    if problem:
        memo._degrade("seed", f"the result was not stored: {problem}", FunesError(problem))
        return None
    if snapshot is None:
        return None
    reason = _changed(memo, call, snapshot)
    if reason:
        memo._degrade("changed", f"the result was not stored: {reason}", FunesError(reason))
        return None
    if is_drawn:
        memo._warn_once("drawn", _DRAWN)
    try:
        store, durable = memo._store, memo._options.is_durable(seconds)
        limit = memo._options.large_argument
        inputs, objects = large_arguments.refer(store, snapshot, limit, durable)
        pickled = codec.dump_entry(inputs, output, seconds, objects, is_drawn)
        if lost := round_trip.loss(output, pickled):
            raise UnpicklableResultError(lost)
        key = memo._function_name, call.definition, call.arguments
        store.write(*key, *pickled, durable=durable)
        # A stored result may be kept in memory too, as it is before the caller can change it.
        body = pickled.body if isinstance(pickled.body, bytes) and pickled.fast is None else None
        memo._core.remember(memo, call, output, seconds, is_drawn, body)
        _describe(memo, call)
        if shares_memory(output):
            # Only the first caller would get a view.
            copy = _recall(memo, call)
            return None if copy is _MISSING else (copy,)
    except Exception as error:
        _degrade_unstored(memo, error)
    return None


def _changed(memo: Memo[Any, Any], call: Call, snapshot: ArgumentSnapshot | None) -> str:
    """Returns what has changed since the key was computed, so that the result does not belong to it, or ""."""
    try:
        now = memo._core.rekey(memo, call)
    except FunesError as error:
        return f"it has no key any more ({_warnings.one_line(error)})"
    if now is None:
        return ""
    if now.definition != call.definition:
        return f"{memo._core.difference(call, now) or 'what it uses'} changed while it ran"
    names = [] if snapshot is None else _changed_arguments(call, snapshot)
    if not names:
        return "its arguments changed while it ran"
    listed = ", ".join(map(repr, names))
    return f"the call changed its argument {listed}, which a cached call would not"


def _changed_arguments(call: Call, snapshot: ArgumentSnapshot) -> list[str]:
    before = snapshot.restore()
    return [
        name
        for name, value in call.inputs.items()
        if attempt(hash_value, value)[0] != attempt(hash_value, before.get(name))[0]
    ]


def _describe(memo: Memo[Any, Any], call: Call) -> None:
    """Writes `definition.json` beside the entries, unless it is there."""
    if call.is_described:
        return
    try:
        recorded = definition_record.record(memo, call.definition, _warn_if_unstable)
    except OSError as error:
        text = f"definition.json was not written: {_warnings.one_line(error)}"
        memo._degrade("describe", text, error)
        return
    if recorded:
        call.note_described()


def _warn_if_unstable(memo: Memo[Any, Any], folder: str, content: Content) -> None:
    from funes._call.unstable_definition import unstable_value

    reuse_count = memo._core.reuse_count()
    own_definitions = {each for each, then in memo._described.items() if then == reuse_count}
    value = unstable_value(folder, content, own_definitions, is_first=not reuse_count)
    memo._described[content["definition"]] = reuse_count
    if value is not None and "unstable" not in memo._warned:
        memo._warned.add("unstable")
        _warnings.warn(
            f"{memo.__qualname__}: the definition has changed for the third time in a row, only because of"
            f" {value.name!r} ({value.before}, then {value.after}): earlier results are not found."
            " If it is meant to change, pass it as an argument."
        )


def _degrade_unstored(memo: Memo[Any, Any], error: Exception) -> None:
    reason = str(error) if isinstance(error, (FunesError, OSError)) else _warnings.one_line(error)
    kind = "pickle" if isinstance(error, UnpicklableResultError) else "write"
    memo._degrade(kind, f"the result was not stored: {reason}", error)
