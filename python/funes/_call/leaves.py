"""The leaves of a call: the Python code that the extension asks for when a result is not in memory.

The state machine in rust/py/src/call/machine.rs decides what happens; `Hooks` in the stub lists the
leaves. Some are in the modules beside this one. This module is imported at its first use, so that
programs that only define memorious functions start without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from funes import _warnings
from funes._call import log, remembered_errors, round_trip, seeding, unseen_inputs
from funes._call.argument_snapshot import ArgumentSnapshot, take_snapshot
from funes._call.generator_lock import is_inside, same_states
from funes._call.generators import Saved, save
from funes._code.definition_file import Content
from funes._entries import large_arguments, unpickler, writer
from funes._entries.age import is_entry_expired
from funes._entries.pickler import attempt, is_raised_again
from funes._entries.remembered_errors import load as load_error
from funes._entries.shared_arrays import shares_memory
from funes._funes import ERROR_EXTENSION, Call, hash_value
from funes._memo import definition_record
from funes._memo.mode import current_mode, stores
from funes.errors import CacheMissError, DamagedEntryError, FunesError, UnpicklableResultError

if TYPE_CHECKING:
    from funes._memo.memo import Memo


# Before the run.


def read_entry(memo: Memo[Any, Any], call: Call) -> tuple[Any] | None:
    """Reads an entry that the extension cannot load.

    Returns:
        ``(result,)``, or None if there is no usable entry. Raises only what the undecorated
        function would, unless the function is strict.
    """
    content = _read(memo, (call.definition, call.arguments), unpickler.load_entry)
    return None if content is None else (content["output"],)


def read_error(memo: Memo[Any, Any], call: Call) -> tuple[Exception, float] | None:
    """Reads the remembered error of a call.

    Returns:
        The exception and the run time in seconds, or None if there is no usable error. Raises what `read_entry` raises.
    """
    # The caller may be within an `except` block.
    handled = sys.exc_info()[1]
    key = call.definition, call.arguments + ERROR_EXTENSION
    if is_entry_expired(memo._store, (memo._function_name, *key), memo._options.max_age):
        if stores():
            return None
        warn_expired(memo)
    content = _read(memo, key, load_error)
    if content is None:
        return None
    error = content["error"]
    if not remembered_errors.is_remembered(error, memo._options.remember_errors):
        return None
    remembered_errors.raise_within(error, handled)
    return error, float(content["time"])


def _read(
    memo: Memo[Any, Any], key: tuple[str, str], load_entry: Callable[..., dict[str, Any]]
) -> dict[str, Any] | None:
    """Reads and unpickles an entry; returns None if there is no usable one."""
    name = memo._function_name
    try:
        entry = memo._core.read(memo, *key, False)
    except DamagedEntryError as error:
        _set_aside(memo, key, error)
        return None
    except OSError as error:
        memo._degrade("read", f"{_warnings.one_line(error)}; it was computed again", error)
        return None
    if entry is None:
        return None
    home = memo.__wrapped__.__module__

    def load() -> dict[str, Any]:
        return load_entry(entry.body, entry.fast, home)

    try:
        content = load()
        # A result that was drawn without a seed does not belong to the stream of a seeded run.
        return None if "drawn" in content and is_inside() else content
    except BaseException as error:
        if not isinstance(error, Exception) and not is_raised_again(load, error):
            raise
        path = memo._store.path(name, *key)
        reason = _warnings.one_line(error)
        text = f"the result in {path} cannot be loaded ({reason}); it was computed again"
        reported = error if isinstance(error, Exception) else FunesError(text)
        memo._degrade("load", text, reported)
        return None


def _set_aside(memo: Memo[Any, Any], key: tuple[str, str], error: DamagedEntryError) -> None:
    if not stores():
        memo._degrade("damage", f"{error}; it was not read", error)
        return
    try:
        moved = memo._store.set_aside(memo._function_name, *key)
        done = f"it was moved to {moved}" if moved else ""
    except OSError as refused:
        done = f"it could not be moved ({refused})"
    # Nothing is reported if another process has repaired it meanwhile.
    if done:
        memo._degrade("damage", f"{error}; {done} and computed again", error)


def warn_uncached(memo: Memo[Any, Any], error: Exception) -> None:
    """Reports a call without a key."""
    is_argument = str(error).startswith("argument")
    subject = "argument" if is_argument else "definition"
    memo._core.count_uncached(f"{subject} cannot be hashed")
    memo._degrade("key", f"it ran uncached: {error}", error)
    if log.is_on():
        log.log_uncached(memo, error)


def warn_expired(memo: Memo[Any, Any]) -> None:
    """Reports that an expired result is used, since nothing may be stored."""
    memo._warn_once(
        "expired", f"a stored result is older than max_age, and is used in mode {current_mode()}"
    )


def may_store(memo: Memo[Any, Any], output: Any, seconds: float) -> bool:
    """Asks the predicate of `cache_if` whether to store a result."""
    predicate = memo._options.cache_if
    assert predicate is not None
    try:
        if predicate(output, seconds):
            return True
    except Exception as error:
        memo._core.count_uncached("cache_if raised")
        text = f"the result was not stored: cache_if raised {_warnings.one_line(error)}"
        memo._degrade("cache_if", text, error)
        return False
    memo._core.count_uncached("cache_if")
    return False


def refuse_miss(memo: Memo[Any, Any], call: Call | None, error: Exception | None) -> None:
    """Raises the error for a call whose result is not stored, in the offline mode."""
    reason = error if call is None else log.reason_for_miss(memo, call)
    raise CacheMissError(f"{memo.__qualname__} has no result in mode offline: {reason}") from error


def states_inside() -> Saved | None:
    """Returns the states of the random generators if the present code belongs to a seeded run."""
    return save() if is_inside() else None


# The run of a seeded call.

#: The undecorated function, and its arguments.
FunctionCall = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any] | None]
#: The result; the seconds without seeding and waiting; why the result must not be stored, or None; and whether the
#: result is an exception that the function raised, and that may be stored.
Ran = tuple[Any, float, str | None, bool]


def run_seeded(
    memo: Memo[Any, Any], call: Call | None, seed: Any, function_call: FunctionCall
) -> Ran:
    """Runs the function with seeded generators."""
    problems: list[str] = []
    seconds, has_raised = 0.0, False
    remembered = _remembered(memo, call)

    def run() -> Any:
        nonlocal seconds, has_raised
        function, args, kwargs = function_call
        start = perf_counter()
        try:
            return function(*args, **(kwargs or {}))
        except remembered as error:
            has_raised = True
            return error
        finally:
            seconds = perf_counter() - start

    def after_wait() -> None:
        if call is not None and (reason := _change(memo, call)):
            problems.append(f"while the call waited for other seeded calls, {reason}")

    about = _seed(call, seed), memo._core.modules(memo)
    output = seeding.run_seeded(
        *about, run, (), {}, on_problem=problems.append, after_wait=after_wait
    )
    return output, seconds, problems[-1] if problems else None, has_raised


async def run_seeded_in_task(
    memo: Memo[Any, Any], call: Call | None, seed: Any, function_call: FunctionCall
) -> Ran:
    """Awaits the coroutine function with seeded generators."""
    problems: list[str] = []
    seconds, has_raised = 0.0, False
    remembered = _remembered(memo, call)

    async def run() -> Any:
        nonlocal seconds, has_raised
        function, args, kwargs = function_call
        start = perf_counter()
        try:
            return await function(*args, **(kwargs or {}))
        except remembered as error:
            has_raised = True
            return error
        finally:
            seconds = perf_counter() - start

    about = _seed(call, seed), memo._core.modules(memo)
    output = await seeding.run_seeded_async(*about, run, (), {}, on_problem=problems.append)
    return output, seconds, problems[-1] if problems else None, has_raised


def _remembered(memo: Memo[Any, Any], call: Call | None) -> tuple[type[Exception], ...]:
    """Returns the types of the exceptions that may be stored."""
    return () if call is None else memo._options.remember_errors or ()


def _seed(call: Call | None, seed: Any) -> int | None:
    # The seed of a call with a key is part of the key.
    number: int | None = seeding.normalise(seed) if call is None else seed
    return number


# After the run.


def drawn_inside(states: Saved) -> str:
    """Returns why a result is not stored that was drawn from the stream of a seeded run, or ""."""
    if same_states(states, save()):
        return ""
    return (
        "it drew random numbers without a seed of its own inside a seeded call, whose numbers would differ if it"
        " were cached: pass it global_seed="
    )


def report_change(
    memo: Memo[Any, Any],
    call: Call,
    now: Call | Exception,
    snapshot: ArgumentSnapshot | None,
    has_raised: bool,
) -> None:
    """Reports that a result is not stored since its inputs have changed.

    Args:
        memo: The function.
        call: The call as it was before the run.
        now: The same call now, or the error because of which it has no key any more.
        snapshot: The arguments before the run; None if they are immutable.
        has_raised: Whether the result is an exception.
    """
    memo._core.count_uncached("inputs changed")
    reason = _description(memo, call, now, snapshot)
    _report_unstored(memo, "changed", reason, FunesError(reason), has_raised)


def _change(memo: Memo[Any, Any], call: Call) -> str:
    """Returns what has changed since the key was computed, or ""."""
    now: Call | FunesError | None
    try:
        now = memo._core.rekey(memo, call)
    except FunesError as error:
        now = error
    return "" if now is None else _description(memo, call, now, None)


def _description(
    memo: Memo[Any, Any], call: Call, now: Call | Exception, snapshot: ArgumentSnapshot | None
) -> str:
    if isinstance(now, Exception):
        return f"it has no cache key any more ({_warnings.one_line(now)})"
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


def _warn_drawn(memo: Memo[Any, Any]) -> None:
    if "drawn" not in memo._warned:
        uses = unseen_inputs.global_draws(memo._core.code(memo))
        if uses is None:
            return
        by = f" by {', '.join(uses)}" if uses else ""
        memo._warn_once(
            "drawn",
            f"random numbers were drawn{by} while it ran without a seed. Later calls return what was drawn now:"
            " pass global_seed= to make the numbers part of the key",
        )


def dump(
    memo: Memo[Any, Any],
    call: Call,
    snapshot: ArgumentSnapshot | None,
    ran: tuple[Any, float, bool, bool],
) -> tuple[writer.PickledEntry, bool]:
    """Pickles an entry, and stores large arguments. Warns of random numbers, which later calls do not draw.

    Args:
        memo: The function.
        call: The call.
        snapshot: The arguments before the run; None if they are immutable.
        ran: The result; how many seconds the function ran; whether it drew random numbers without a
            seed; whether the entry must survive a power cut.

    Returns:
        The pickles; and whether the result shares memory with an object that only the first caller
        would get.
    """
    output, seconds, is_drawn, durable = ran
    if is_drawn:
        _warn_drawn(memo)
    inputs, objects = _refer(memo, call, snapshot, durable)
    pickled = writer.dump_entry(inputs, output, seconds, objects, is_drawn)
    if lost := round_trip.loss(output, pickled):
        raise UnpicklableResultError(lost)
    return pickled, shares_memory(output)


def dump_error(
    memo: Memo[Any, Any],
    call: Call,
    snapshot: ArgumentSnapshot | None,
    ran: tuple[Exception, float, bool, bool],
) -> writer.PickledEntry | None:
    """Pickles the entry of an exception that the function raised, as `dump` does; None if it is never stored.

    Raises:
        FunesError: It cannot be stored.
    """
    error, seconds, is_drawn, durable = ran
    types = memo._options.remember_errors or ()
    if not remembered_errors.is_remembered(error, types):
        return None
    handled = sys.exc_info()[1]
    if against := remembered_errors.reason_against(error, types, handled):
        raise FunesError(against)
    if is_drawn:
        _warn_drawn(memo)
    inputs, objects = _refer(memo, call, snapshot, durable)
    home = memo.__wrapped__.__module__
    about = seconds, objects, is_drawn
    return remembered_errors.dump(inputs, error, about, home=home, handled=handled)


def _refer(
    memo: Memo[Any, Any], call: Call, snapshot: ArgumentSnapshot | None, durable: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Stores large arguments. Returns the inputs, and the references to large arguments."""
    inputs = snapshot or take_snapshot(call.inputs)
    return large_arguments.refer(memo._store, inputs, memo._options.large_argument, durable)


def record_definition(memo: Memo[Any, Any], call: Call) -> bool:
    """Writes `definition.json` beside the entries, unless it is there. Returns whether it is."""
    return record_definition_of(memo, call.definition)


def record_definition_of(memo: Memo[Any, Any], definition: str) -> bool:
    """Does what `record_definition` does, for a definition digest."""
    try:
        return definition_record.record(memo, definition, _warn_if_unstable)
    except OSError as error:
        text = f"definition.json was not written: {_warnings.one_line(error)}"
        memo._degrade("describe", text, error)
        return False


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


#: The reasons that `cache_info` shows, by kind.
_REASONS = {
    "pickle": "result cannot be pickled",
    "seed": "random numbers",
    "write": "not written",
}


def report_unstored(
    memo: Memo[Any, Any], reason: Exception | str, has_raised: bool = False
) -> None:
    """Reports why a result is not stored: an error, or a problem with random numbers.

    Args:
        memo: The function.
        reason: The reason.
        has_raised: Whether the result is an exception.
    """
    error = FunesError(reason) if isinstance(reason, str) else reason
    kind = "pickle" if isinstance(reason, UnpicklableResultError) else "write"
    kind = "seed" if isinstance(reason, str) else kind
    memo._core.count_uncached(_REASONS[kind])
    text = str(error) if isinstance(error, FunesError) else _warnings.one_line(error)
    _report_unstored(memo, kind, text, error, has_raised)


def _report_unstored(
    memo: Memo[Any, Any], kind: str, text: str, error: Exception, has_raised: bool
) -> None:
    if has_raised:
        # The caller gets the exception of the function, also if the function is strict.
        memo._warn_once(f"{kind} of an error", f"the exception was not stored: {text}")
    else:
        memo._degrade(kind, f"the result was not stored: {text}", error)
