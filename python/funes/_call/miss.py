"""What happens at a call whose result is not in memory, and that the extension leaves to Python.

That is the first miss of a definition, and each about which something is unusual; see rust/py/src/miss.rs. The result
is looked for with care, somebody else who computes it is waited for, the function is run, its result kept. This is
imported when it is first needed: a program that only defines memorious functions starts without it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from funes import _warnings
from funes._call import log, seeding
from funes._call.argument_snapshot import ArgumentSnapshot, take_snapshot
from funes._call.generator_lock import is_inside
from funes._call.random_draws import Watched
from funes._call.run import Run
from funes._call.single_flight import SingleFlight
from funes._code.definition_file import Content
from funes._entries import codec, large_arguments
from funes._entries.pickler import attempt
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


#: Whether to seed, and with what.
Seed = tuple[bool, int | None]


class _Missing:
    """There is no entry; None would be a result like any other."""


_MISSING = _Missing()


class Computation:
    """A call that is to be computed: its way to the key, and what the function was given, as it was before the run."""

    __slots__ = ("_call", "_draws", "_frozen", "_hold", "_memo")

    def __init__(
        self,
        memo: Memo[Any, Any],
        call: Call,
        hold: SingleFlight | None,
        draws: Watched | None = None,
    ) -> None:
        if log.is_on():
            log.tell(memo, call)
        self._memo = memo
        self._call = call
        self._hold = hold
        self._frozen = _freeze(memo, call)
        self._draws = draws

    @classmethod
    def watched(cls, memo: Memo[Any, Any], call: Call, hold: SingleFlight | None) -> Computation:
        """One whose draws from the global random generators are to be noticed."""
        draws = None
        if not call.is_seeded:
            draws = Watched()
            # Other tasks run between the steps of a coroutine, and may draw: within a seeded run they cannot.
            if memo._core.is_async and not draws.is_inside:
                draws = None
        return cls(memo, call, hold, draws)

    def finish(
        self, output: Any, seconds: float, trouble: str = "", is_drawn: bool = False
    ) -> tuple[Any] | None:
        """Keep what the function returned after so many seconds, unless there was trouble; let others go on.

        Returns:
            ``(result,)`` if the caller is to get another object than the function returned.
        """
        try:
            is_drawn = is_drawn or (self._draws is not None and self._draws.have_moved())
            if is_drawn and self._draws is not None and self._draws.is_inside:
                trouble = trouble or _DRAWN_INSIDE
            about = (seconds, is_drawn)
            copy = _keep(self._memo, self._call, self._frozen, output, about=about, trouble=trouble)
        except BaseException:
            self.abandon()
            raise
        if self._hold is not None:
            self._hold.release(True)
        return copy

    def abandon(self) -> None:
        """Let others go on: there is no result."""
        if self._hold is not None:
            self._hold.release(False)


def begin(memo: Memo[Any, Any], call: Call) -> tuple[Any] | Computation | None:
    """The result as ``(result,)`` if it is found, or becomes so while others compute it; else what is to be computed.

    None if there is no key any more: what the call was given changed while it waited. The extension then runs the
    function, with nothing of ours on the stack.
    """
    present: Call | None = call
    while present is not None:
        call = present
        output = _look(memo, call)
        if output is not _MISSING:
            return (output,)
        hold = _hold(memo, call) if memo._options.single_flight else None
        if hold is None:
            return Computation.watched(memo, call, None)
        while present is call:
            ours = hold.__enter__()
            try:
                present = _after_wait(memo, call) if hold.has_waited else call
                if present is call:
                    output = _recall(memo, call)
                    if output is _MISSING and ours:
                        return Computation.watched(memo, call, hold)
            except BaseException:
                hold.release(False)
                raise
            hold.release(present is call)
            if output is not _MISSING:
                return (output,)
    return None


def _after_wait(memo: Memo[Any, Any], call: Call) -> Call | None:
    """The call as it is after a wait, in which arguments and globals may have changed: itself, if they have not.

    None if it has no key any more.
    """
    try:
        return memo._core.again(memo, call) or call
    except UnhashableArgumentError as error:
        say_uncached(memo, error)
        return None


def take_over(
    memo: Memo[Any, Any],
    call: Call,
    claim: InFlightCall | None,
    ran: tuple[Any, float, bool],
) -> tuple[Any] | None:
    """Keep the result of a call that the extension took up.

    `ran`: the result, how many seconds the function ran, and whether it drew random numbers.
    """
    computation = Computation(memo, call, None if claim is None else SingleFlight.of(claim))
    output, seconds, is_drawn = ran
    return computation.finish(output, seconds, is_drawn=is_drawn)


def call_seeded(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None, call: Call
) -> Any:
    begun = begin(memo, call)
    if isinstance(begun, tuple):
        return begun[0]
    run = Run()
    seed = call.is_seeded, call.seed
    if begun is None:
        return _run(memo, args, kwargs, seed, run)
    try:
        output = _run(memo, args, kwargs, seed, run, call=begun._call)
    except BaseException:
        begun.abandon()
        raise
    copy = begun.finish(output, run.seconds, run.trouble)
    return output if copy is None else copy[0]


async def call_async(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    found = memo._core.recall_at_once(memo, args, kwargs)
    if found is not None:
        return found[0]
    try:
        call = memo._core.key(memo, args, kwargs)
    except UnhashableArgumentError as error:
        return await call_uncached(memo, args, kwargs, error)
    present: Call | None = call
    while present is not None:
        call = present
        output = _look(memo, call)
        if output is not _MISSING:
            return output
        hold = _hold(memo, call) if memo._options.single_flight else None
        if hold is None:
            return await _compute_async(memo, args, kwargs, call)
        while present is call:
            async with hold as ours:
                present = _after_wait(memo, call) if hold.has_waited else call
                if present is call:
                    output = _recall(memo, call)
                    if output is not _MISSING:
                        return output
                    if ours:
                        return await _compute_async(memo, args, kwargs, call)
                elif ours:
                    hold.give_up()
    return await _run_async(memo, args, kwargs, (call.is_seeded, call.seed), Run())


async def _compute_async(memo: Memo[Any, Any], args: Any, kwargs: Any, call: Call) -> Any:
    computation, run = Computation.watched(memo, call, None), Run()
    output = await _run_async(memo, args, kwargs, (call.is_seeded, call.seed), run, call=call)
    copy = computation.finish(output, run.seconds, run.trouble)
    return output if copy is None else copy[0]


def _hold(memo: Memo[Any, Any], call: Call) -> SingleFlight | None:
    name = memo._function_name
    try:
        folder = memo._store.folder(name, call.definition)
    except OSError:  # there is no cache folder, as was said when it was looked for the entry
        return None
    if memo._options.shared:
        # With the group's permissions, before the lock file creates it without.
        with suppress(OSError):
            memo._store.prepare(name, call.definition)
    return SingleFlight(folder, call.arguments, memo._options.wait)


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


def _run(
    memo: Memo[Any, Any], args: Any, kwargs: Any, seed: Seed, run: Run, *, call: Call | None = None
) -> Any:
    """Run the function. `call`: what it has a key as, if its result is to be kept."""
    memo._core.count_miss()
    is_seeded, number = seed
    function = memo.__wrapped__, args, memo._core.plain(kwargs) or {}

    def waited() -> None:
        if call is not None and (reason := _changed(memo, call, None)):
            run.doubt(f"while the call waited for its turn to be seeded, {reason}")

    running = memo._core.run_begun(call)
    try:
        if is_seeded:
            modules = memo._core.modules(memo)
            output = seeding.run_seeded(
                number, modules, run.call, function, {}, unsound=run.doubt, waited=waited
            )
        else:
            output = run.call(*function)
    finally:
        memo._core.run_ended(running)
    memo._core.count_seconds(run.seconds)
    return output


async def _run_async(
    memo: Memo[Any, Any], args: Any, kwargs: Any, seed: Seed, run: Run, *, call: Call | None = None
) -> Any:
    memo._core.count_miss()
    is_seeded, number = seed
    function: Any = memo.__wrapped__, args, memo._core.plain(kwargs) or {}
    running = memo._core.run_begun(call)
    try:
        if is_seeded:
            modules = memo._core.modules(memo)
            output = await seeding.run_seeded_async(
                number, modules, run.call_async, function, {}, unsound=run.doubt
            )
        else:
            output = await run.call_async(*function)
    finally:
        memo._core.run_ended(running)
    memo._core.count_seconds(run.seconds)
    return output


def _look(memo: Memo[Any, Any], call: Call) -> Any:
    """The stored output, or `_MISSING`."""
    # Where it is not absent, it is in memory, or something is there that the extension leaves to us.
    return _MISSING if call.is_absent else _recall(memo, call)


def _recall(memo: Memo[Any, Any], call: Call) -> Any:
    """The stored output, or `_MISSING`. Raises nothing that the plain function would not, unless strict."""
    found = memo._core.recall(memo, call)
    if found is not None:
        return found[0] if found else _MISSING
    name, place = memo._function_name, (call.definition, call.arguments)
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
    home = memo.__wrapped__.__module__

    def load() -> dict[str, Any]:
        return codec.load_entry(entry.body, entry.fast, home)

    try:
        content = load()
        # What was drawn without a seed is no part of the stream of a seeded run.
        return _MISSING if "drawn" in content and is_inside() else content["output"]
    except BaseException as error:
        if not isinstance(error, Exception) and not _is_raised_again(load, error):
            raise
        path = memo._store.path(name, *place)
        reason = _warnings.one_line(error)
        text = f"the result in {path} cannot be made again ({reason}); it was computed again"
        told = error if isinstance(error, Exception) else FunesError(text)
        memo._degrade("load", text, told)
        return _MISSING


def _is_raised_again(load: Callable[[], object], error: BaseException) -> bool:
    """Whether the object itself raises what may come from the keyboard or from a signal."""
    try:
        load()
    except BaseException as again:
        return type(again) is type(error)
    return False


def _set_aside(memo: Memo[Any, Any], place: tuple[str, str], error: DamagedEntryError) -> None:
    try:
        moved = memo._store.set_aside(memo._function_name, *place)
        done = f"it was moved to {moved}" if moved else ""
    except OSError as refused:
        done = f"it could not be moved ({refused})"
    # Nothing is done where another process has put it right meanwhile.
    if done:
        memo._degrade("damage", f"{error}; {done} and computed again", error)


def _freeze(memo: Memo[Any, Any], call: Call) -> ArgumentSnapshot | None:
    try:
        return take_snapshot(call.inputs)
    except Exception as error:
        _degrade_unstored(memo, error)
        return None


#: Why a result is not kept that was drawn from the stream of a seeded run.
_DRAWN_INSIDE = (
    "it drew random numbers without a seed of its own inside of a seeded call, whose numbers would be others if it were"
    " remembered; give it global_seed="
)

_DRAWN = (
    "random numbers were drawn while it ran without a seed, and later calls return what was drawn now; pass"
    " global_seed= to make the numbers part of the key"
)


def _keep(
    memo: Memo[Any, Any],
    call: Call,
    frozen: ArgumentSnapshot | None,
    output: Any,
    *,
    about: tuple[float, bool],
    trouble: str,
) -> tuple[Any] | None:
    """Store a result; `about`: how many seconds the function ran, and whether it drew random numbers without a seed.

    Returns:
        A copy as ``(result,)`` if later calls return something that behaves otherwise than `output`.
    """
    seconds, is_drawn = about
    if trouble:
        memo._degrade("seed", f"the result was not stored: {trouble}", FunesError(trouble))
        return None
    if frozen is None:
        return None
    reason = _changed(memo, call, frozen)
    if reason:
        memo._degrade("changed", f"the result was not stored: {reason}", FunesError(reason))
        return None
    if is_drawn:
        memo._say("drawn", _DRAWN)
    try:
        store, durable = memo._store, memo._options.is_durable(seconds)
        limit = memo._options.large_argument
        inputs, objects = large_arguments.refer(store, frozen, limit, durable)
        pickled = codec.dump_entry(inputs, output, seconds, objects, is_drawn)
        key = memo._function_name, call.definition, call.arguments
        store.write(*key, *pickled, durable=durable)
        # What is in the store may be kept in memory too, as it is before the caller can change it.
        body = pickled.body if isinstance(pickled.body, bytes) and pickled.fast is None else None
        memo._core.remember(memo, call, output, seconds, is_drawn, body)
        _describe(memo, call)
        if shares_memory(output):
            # A view would be one for the first caller only.
            copy = _recall(memo, call)
            return None if copy is _MISSING else (copy,)
    except Exception as error:
        _degrade_unstored(memo, error)
    return None


def _changed(memo: Memo[Any, Any], call: Call, frozen: ArgumentSnapshot | None) -> str:
    """What has changed since the key was made, so that a result does not belong to it; empty if nothing has."""
    try:
        now = memo._core.again(memo, call)
    except FunesError as error:
        return f"it has no key any more ({_warnings.one_line(error)})"
    if now is None:
        return ""
    if now.definition != call.definition:
        return f"{memo._core.difference(call, now) or 'what it uses'} changed while it ran"
    names = [] if frozen is None else _changed_arguments(call, frozen)
    if not names:
        return "its arguments changed while it ran"
    listed = ", ".join(map(repr, names))
    return f"the call changed its argument {listed}, which a remembered call would not"


def _changed_arguments(call: Call, frozen: ArgumentSnapshot) -> list[str]:
    before = frozen.restore()
    return [
        name
        for name, value in call.inputs.items()
        if attempt(hash_value, value)[0] != attempt(hash_value, before.get(name))[0]
    ]


def _describe(memo: Memo[Any, Any], call: Call) -> None:
    """Say what the definition consists of, beside its entries, unless it was said there."""
    if call.is_described:
        return
    try:
        recorded = definition_record.record(memo, call.definition, _warn_if_unsteady)
    except OSError as error:
        text = f"definition.json was not written: {_warnings.one_line(error)}"
        memo._degrade("describe", text, error)
        return
    if recorded:
        call.describe()


def _warn_if_unsteady(memo: Memo[Any, Any], folder: str, content: Content) -> None:
    from funes._call.unstable_definition import unsteady_value

    finds = memo._core.finds()
    own = {each for each, then in memo._described.items() if then == finds}
    value = unsteady_value(folder, content, own, is_first=not finds)
    memo._described[content["definition"]] = finds
    if value is not None and "unsteady" not in memo._warned:
        memo._warned.add("unsteady")
        _warnings.warn(
            f"{memo.__qualname__}: the definition is another one for the third time in a row, only because of"
            f" {value.name!r} ({value.before}, then {value.after}): results that were stored before are not found."
            " If it is meant to change, pass it as an argument."
        )


def _degrade_unstored(memo: Memo[Any, Any], error: Exception) -> None:
    reason = str(error) if isinstance(error, (FunesError, OSError)) else _warnings.one_line(error)
    kind = "pickle" if isinstance(error, UnpicklableResultError) else "write"
    memo._degrade(kind, f"the result was not stored: {reason}", error)
