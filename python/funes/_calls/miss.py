"""What happens at a call whose result is not in memory, and that the extension leaves to Python.

That is the first miss of a definition, and each about which something is unusual; see rust/py/src/miss.rs. The result
is looked for with care, somebody else who computes it is waited for, the function is run, its result kept. This is
imported when it is first needed: a program that only defines memorious functions starts without it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from funes import _warn
from funes._calls import description, log
from funes._calls.once import Hold
from funes._calls.places import places_of
from funes._calls.run import Run
from funes._definitions import recorded
from funes._entries import large_arguments, pickling
from funes._entries.frozen import Frozen, freeze_inputs
from funes._funes import Call, Claim, Stamp
from funes._seeds import seeding
from funes._versions.adoption import may_have_adopted
from funes._versions.places import Place
from funes.errors import DamagedEntryError, DefinitionMismatch, FunesError, UnpicklableResultError

if TYPE_CHECKING:
    from funes._calls.memo import Memo

__all__ = [
    "Computation",
    "begin",
    "call_async",
    "call_seeded",
    "call_uncached",
    "say_uncached",
    "take_over",
]


#: Whether to seed, and with what.
Seed = tuple[bool, int | None]


class _Missing:
    """There is no entry; None would be a result like any other."""


_MISSING = _Missing()


class Computation:
    """A call that is to be computed: its way to the key, and what the function was given, as it was before the run."""

    __slots__ = ("_call", "_frozen", "_hold", "_memo")

    def __init__(self, memo: Memo[Any, Any], call: Call, hold: Hold | None) -> None:
        if log.is_on():
            log.tell(memo, call)
        self._memo = memo
        self._call = call
        self._hold = hold
        self._frozen = _freeze(memo, call)

    def finish(self, output: Any, seconds: float, trouble: str = "") -> None:
        """Keep what the function returned after so many seconds, unless there was trouble; let others go on."""
        try:
            _keep(self._memo, self._call, self._frozen, output, seconds=seconds, trouble=trouble)
        except BaseException:
            self.abandon()
            raise
        if self._hold is not None:
            self._hold.release(True)

    def abandon(self) -> None:
        """Let others go on: there is no result."""
        if self._hold is not None:
            self._hold.release(False)


def begin(memo: Memo[Any, Any], call: Call) -> tuple[Any] | Computation:
    """The result as ``(result,)`` if it is found, or becomes so while others compute it; else what is to be computed.

    The extension then runs the function, with nothing of ours on the stack.
    """
    output, places = _look(memo, call)
    if output is not _MISSING:
        return (output,)
    hold = _hold(memo, call) if memo._options.once else None
    if hold is None:
        return Computation(memo, call, None)
    while True:
        ours = hold.__enter__()
        try:
            output = _recall(memo, call, places)
            if output is _MISSING and ours:
                return Computation(memo, call, hold)
        except BaseException:
            hold.release(False)
            raise
        hold.release(True)
        if output is not _MISSING:
            return (output,)


def take_over(
    memo: Memo[Any, Any], call: Call, claim: Claim | None, output: Any, seconds: float
) -> None:
    """Keep the result of a call that the extension took up."""
    Computation(memo, call, None if claim is None else Hold.of(claim)).finish(output, seconds)


def call_seeded(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None, call: Call
) -> Any:
    begun = begin(memo, call)
    if not isinstance(begun, Computation):
        return begun[0]
    run = Run()
    try:
        output = _run(memo, args, kwargs, (call.is_seeded, call.seed), run)
    except BaseException:
        begun.abandon()
        raise
    begun.finish(output, run.seconds, run.trouble)
    return output


async def call_async(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    found = memo._core.recall_at_once(memo, args, kwargs)
    if found is not None:
        return found[0]
    try:
        call = memo._core.key(memo, args, kwargs)
    except DefinitionMismatch:
        raise
    except FunesError as error:
        return await call_uncached(memo, args, kwargs, error)
    output, places = _look(memo, call)
    if output is not _MISSING:
        return output
    hold = _hold(memo, call) if memo._options.once else None
    if hold is None:
        return await _compute_async(memo, args, kwargs, call)
    while True:
        async with hold as ours:
            output = _recall(memo, call, places)
            if output is not _MISSING:
                return output
            if ours:
                return await _compute_async(memo, args, kwargs, call)


async def _compute_async(memo: Memo[Any, Any], args: Any, kwargs: Any, call: Call) -> Any:
    computation, run = Computation(memo, call, None), Run()
    output = await _run_async(memo, args, kwargs, (call.is_seeded, call.seed), run)
    computation.finish(output, run.seconds, run.trouble)
    return output


def _hold(memo: Memo[Any, Any], call: Call) -> Hold | None:
    name = memo._function_name
    try:
        folder = memo._store.folder(name, call.definition)
    except OSError:  # there is no cache folder, as was said when it was looked for the entry
        return None
    if memo._options.shared:
        # With the group's permissions, before the lock file creates it without.
        with suppress(OSError):
            memo._store.prepare(name, call.definition)
    return Hold(folder, call.arguments)


def say_uncached(memo: Memo[Any, Any], error: Exception) -> None:
    memo._degrade("key", f"it ran uncached: {error}", error)
    if log.is_on():
        log.tell_uncached(memo, error)


def call_uncached(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None, error: Exception
) -> Any:
    say_uncached(memo, error)
    is_seeded, seed = memo._core.seed(args, kwargs)
    run = _run_async if memo._core.is_async else _run
    return run(
        memo, args, kwargs, (is_seeded, seeding.normalise(seed) if is_seeded else None), Run()
    )


def _run(memo: Memo[Any, Any], args: Any, kwargs: Any, seed: Seed, run: Run) -> Any:
    memo._core.count_miss()
    is_seeded, number = seed
    function = memo.__wrapped__, args, memo._core.plain(kwargs) or {}
    if is_seeded:
        modules = memo._core.modules(memo)
        output = seeding.run_seeded(number, modules, run.call, function, {}, unsound=run.doubt)
    else:
        output = run.call(*function)
    memo._core.count_seconds(run.seconds)
    return output


async def _run_async(memo: Memo[Any, Any], args: Any, kwargs: Any, seed: Seed, run: Run) -> Any:
    memo._core.count_miss()
    is_seeded, number = seed
    function: Any = memo.__wrapped__, args, memo._core.plain(kwargs) or {}
    if is_seeded:
        modules = memo._core.modules(memo)
        output = await seeding.run_seeded_async(
            number, modules, run.call_async, function, {}, unsound=run.doubt
        )
    else:
        output = await run.call_async(*function)
    memo._core.count_seconds(run.seconds)
    return output


def _look(memo: Memo[Any, Any], call: Call) -> tuple[Any, list[Place]]:
    """The stored output, or `_MISSING`; and where it may be found later on."""
    if not call.is_absent:  # it is in memory, or something is there that the extension leaves to us
        output = _recall_from(memo, call, Place(call.definition, call.arguments))
        if output is not _MISSING:
            return output, []
    places = places_of(memo, call)
    return _recall(memo, call, places[1:]), places


def _recall(memo: Memo[Any, Any], call: Call, places: list[Place]) -> Any:
    """The stored output, or `_MISSING`. Raises nothing that the plain function would not, unless strict."""
    for place in places:
        output = _recall_from(memo, call, place)
        if output is not _MISSING:
            return output
    return _MISSING


def _recall_from(memo: Memo[Any, Any], call: Call, place: Place) -> Any:
    found = memo._core.recall(memo, call, *place)
    if found is not None:
        return found[0] if found else _MISSING
    name = memo._function_name
    try:
        entry = memo._store.read(name, *place)
    except DamagedEntryError as error:
        _set_aside(memo, place, error)
        return _MISSING
    except OSError as error:
        memo._degrade("read", f"{error}; it was computed again", error)
        return _MISSING
    if entry is None:
        return _MISSING
    try:
        return pickling.load_entry(entry.body, entry.second, entry.buffers)["output"]
    except Exception as error:
        path = memo._store.path(name, *place)
        reason = _warn.one_line(error)
        text = f"the result in {path} cannot be made again ({reason}); it was computed again"
        memo._degrade("load", text, error)
        return _MISSING


def _set_aside(memo: Memo[Any, Any], place: Place, error: DamagedEntryError) -> None:
    try:
        moved = memo._store.set_aside(memo._function_name, *place)
        done = f"it was moved to {moved}" if moved else ""
    except OSError as refused:
        done = f"it could not be moved ({refused})"
    # Nothing is done where another process has put it right meanwhile.
    if done:
        memo._degrade("damage", f"{error}; {done} and computed again", error)


def _freeze(memo: Memo[Any, Any], call: Call) -> Frozen | None:
    try:
        return freeze_inputs(call.inputs)
    except Exception as error:
        _degrade_unstored(memo, error)
        return None


def _keep(
    memo: Memo[Any, Any],
    call: Call,
    frozen: Frozen | None,
    output: Any,
    *,
    seconds: float,
    trouble: str,
) -> None:
    if trouble:
        memo._degrade("seed", f"the result was not stored: {trouble}", FunesError(trouble))
        return
    if frozen is None:
        return
    try:
        store, durable = memo._store, memo._options.is_durable(seconds)
        limit = memo._options.large_argument
        inputs, objects = large_arguments.refer(store, frozen, limit, durable)
        pickled = pickling.dump_entry(inputs, output, seconds, objects)
        key = memo._function_name, call.definition, call.arguments
        store.write(*key, *pickled, durable=durable)
        # What is in the store may be kept in memory too, as it is before the caller can change it.
        body = pickled.body if isinstance(pickled.body, bytes) and pickled.second is None else None
        memo._core.remember(memo, call, output, seconds, body)
        _describe(memo, call)
    except Exception as error:
        _degrade_unstored(memo, error)


def _describe(memo: Memo[Any, Any], call: Call) -> None:
    """Say what the definition consists of, beside its entries, unless it was said there."""
    if call.is_described:
        return
    folder = memo._store.folder(memo._function_name, call.definition)
    path = os.path.join(folder, recorded.FILE_NAME)
    content = None if os.path.lexists(path) else description.of(memo, call.definition)
    if content is not None:
        try:
            recorded.write_definition(folder, content, shared=memo._options.shared)
        except OSError as error:
            memo._degrade("describe", f"{path} was not written: {_warn.one_line(error)}", error)
            return
    file = Stamp(path)  # before it is read: it may change at any time
    if memo._store.is_signed or not may_have_adopted(memo._function_name, folder):
        call.describe(file)


def _degrade_unstored(memo: Memo[Any, Any], error: Exception) -> None:
    reason = str(error) if isinstance(error, (FunesError, OSError)) else _warn.one_line(error)
    kind = "pickle" if isinstance(error, UnpicklableResultError) else "write"
    memo._degrade(kind, f"the result was not stored: {reason}", error)
