"""Runs a function with every global random generator seeded, and puts their states back.

The generators of `random`, numpy, torch, TensorFlow and CuPy are global to the process: two threads
that seed and draw at the same time disturb each other. So seeded runs take turns. The turn is a
stack of runs: the one on top owns the generators, and one that begins on top of another (a seeded
function that calls a seeded function) saves what it finds and puts it back when it ends.

Taking turns must never become waiting for ever: a seeded function may wait for a thread whose own
seeded call waits for its turn. Whoever waits therefore watches the run on top, and goes ahead when
that one is plainly not getting on (see `_Watch`). A run that stands still draws no numbers, so
going ahead disturbs nobody; if it wakes too early, that is noticed and both runs are told
(`unsound` below), since their numbers may have come from each other's streams.

A coroutine gives the turn away at each `await`: every step of it runs with its own stream swapped
in, and the code between the steps sees the states that it left.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import operator
import os
import sys
import threading
import time
import types
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from typing import Any, NamedTuple, TypeVar

from funes import _warn

__all__ = ["normalise", "run_seeded", "run_seeded_async", "waiting"]

T = TypeVar("T")
State = Any
Module = Any

# Seconds for which the run on top must stand still before another thread goes ahead.
_KNOWN = 0.05  # its thread waits for another thread, and we know that ours descends from it
_SEEN = 2.0  # its thread waits for another thread
_STILL = 60.0  # its thread uses no processor time: blocked on a lock, or on the outside world
_UNCLOCKED = 3600.0  # the same where the system has no clock for another thread


def normalise(seed: object) -> int | None:
    """Gives the seed as a plain int, or None for 'fresh entropy at each run'.

    Parameters:
        seed: None, or anything that is an integer for Python (int, bool, numpy.int64 ...), of any
            size and sign.

    Raises:
        TypeError: it is something else (7.0, "7", b"7", [1, 2]).

    Example:
        >>> normalise(7), normalise(None)
        (7, None)
    """
    if seed is None:
        return None
    try:
        return int(operator.index(seed))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"global_seed must be an integer (of any size), or None for a fresh seed at each run,"
            f" not {type(seed).__name__}: pass global_seed=int(...) of it"
        ) from None


# --- The generators -------------------------------------------------------------------------------


class _Source(NamedTuple):
    """A global random generator, reached through a module that is loaded."""

    module: str
    save: Callable[[Module], State]
    restore: Callable[[Module, State], None]
    seed: Callable[[Module, int], None]


def _within(seed: int, bits: int) -> int:
    """The seed itself if it is 0 or above and has at most `bits` bits, otherwise a hash of it.

    A remainder would give -1 and 2**32 - 1, or 0 and 2**32, one stream; the hash tells them apart.
    """
    if 0 <= seed < 1 << bits:
        return seed
    digest = hashlib.blake2b(
        seed.to_bytes(seed.bit_length() // 8 + 1, "big", signed=True),
        digest_size=bits // 8,
        person=b"funes seed",
    )
    return int.from_bytes(digest.digest(), "big")


def _random_seed(module: Module, seed: int) -> None:
    # random.seed(-1) is random.seed(1): only here a sign would be lost.
    module.seed(seed if seed >= 0 else _within(seed, 256))


def _numpy_save(numpy: Module) -> State:
    # Two parts: somebody may have put another kind of bit generator (PCG64 ...) under numpy.random.
    get_bit_generator = getattr(numpy.random, "get_bit_generator", None)
    return get_bit_generator and get_bit_generator(), numpy.random.get_state(legacy=False)


def _numpy_restore(numpy: Module, state: State) -> None:
    bit_generator, values = state
    if bit_generator is not None and numpy.random.get_bit_generator() is not bit_generator:
        numpy.random.set_bit_generator(bit_generator)
    numpy.random.set_state(values)


def _numpy_seed(numpy: Module, seed: int) -> None:
    get_bit_generator = getattr(numpy.random, "get_bit_generator", None)
    if get_bit_generator and type(get_bit_generator()) is not numpy.random.MT19937:
        numpy.random.set_bit_generator(numpy.random.MT19937(0))  # numpy.random.seed knows no other
    if 0 <= seed < 1 << 32:
        numpy.random.seed(seed)
    else:
        wide = _within(seed, 256)
        numpy.random.seed([wide >> shift & 0xFFFFFFFF for shift in range(0, 256, 32)])


def _torch_devices(torch: Module) -> Iterator[tuple[str, Module]]:
    for name in ("cuda", "xpu"):
        device = getattr(torch, name, None)
        if device is not None and getattr(device, "_is_compiled", lambda: True)():
            yield name, device


def _torch_has_mps(torch: Module) -> bool:
    backend = getattr(getattr(torch, "backends", None), "mps", None)
    return backend is not None and bool(backend.is_available())


def _torch_save(torch: Module) -> State:
    states: dict[str, State] = {"cpu": torch.get_rng_state()}
    for name, device in _torch_devices(torch):
        if device.is_initialized():
            states[name] = device.get_rng_state_all()
        else:
            # torch keeps the seeds for a device that isn't up yet in a queue. Saving the queue lets
            # us seed a device that the function brings up, without bringing it up ourselves.
            queue = getattr(device, "_lazy_seed_tracker", None)
            states[name] = None if queue is None else dict(vars(queue))
    if _torch_has_mps(torch):
        states["mps"] = torch.mps.get_rng_state()
    return states


def _torch_restore(torch: Module, state: State) -> None:
    torch.set_rng_state(state["cpu"])
    for name, device in _torch_devices(torch):
        saved = state.get(name)
        if isinstance(saved, list):
            device.set_rng_state_all(saved)
        elif saved is not None:
            queue = device._lazy_seed_tracker
            if device.is_initialized():
                # It came up in the meantime, with another stream: do what torch would have done.
                waiting = [call for call in saved.get("call_order", ()) if call]
                for callback, _ in waiting:
                    callback()
                if not waiting:
                    device.seed_all()
            vars(queue).clear()
            vars(queue).update(saved)
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def _torch_seed(torch: Module, seed: int) -> None:
    value = _within(seed, 64)
    torch.default_generator.manual_seed(value)
    for _, device in _torch_devices(torch):
        if device.is_initialized() or hasattr(device, "_lazy_seed_tracker"):
            device.manual_seed_all(value)
    if _torch_has_mps(torch):
        torch.mps.manual_seed(value)


def _tensorflow_parts() -> tuple[Any, Any]:
    """The eager context and the module that holds the global generator (None where not found)."""
    # TensorFlow can set a global seed but has no public way to read it, or to unset it.
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "context", None)
    stateful = sys.modules.get("tensorflow.python.ops.stateful_random_ops")
    return context and context(), stateful


def _tensorflow_save(_: Module) -> State:
    context, stateful = _tensorflow_parts()
    generator = getattr(stateful, "global_generator", None)
    return (
        # set_seed makes a new random.Random, so the old one can be kept as it is.
        (getattr(context, "_seed", None), getattr(context, "_rng", None)),
        generator,
        None if generator is None else generator.state.numpy(),
    )


def _tensorflow_restore(_: Module, state: State) -> None:
    context, stateful = _tensorflow_parts()
    (seed, numbers), generator, values = state
    if hasattr(context, "_seed"):
        context._seed, context._rng = seed, numbers
    if generator is not None:
        generator.reset(values)
    if stateful is not None:
        stateful.global_generator = generator


def _tensorflow_seed(tensorflow: Module, seed: int) -> None:
    tensorflow.random.set_seed(seed if seed >= 0 else _within(seed, 256))
    context, stateful = _tensorflow_parts()
    if getattr(stateful, "global_generator", None) is not None:
        tensorflow.random.get_global_generator().reset_from_seed(_within(seed, 64))
    elif getattr(context, "_initialized", False):
        # Made here only if TensorFlow is up already: making it would bring up the GPUs.
        generator = tensorflow.random.Generator.from_seed(_within(seed, 64))
        tensorflow.random.set_global_generator(generator)


def _cupy_seed(cupy: Module, seed: int) -> None:
    # A state of CuPy cannot be read, but the whole object can be exchanged. It wants an unsigned
    # number of numpy (which it needs anyway), not an int.
    value = importlib.import_module("numpy").uint64(_within(seed, 64))
    cupy.random.set_random_state(cupy.random.RandomState(value))


_SOURCES = (
    _Source("random", lambda m: m.getstate(), lambda m, s: m.setstate(s), _random_seed),
    _Source("numpy", _numpy_save, _numpy_restore, _numpy_seed),
    _Source("torch", _torch_save, _torch_restore, _torch_seed),
    _Source("tensorflow", _tensorflow_save, _tensorflow_restore, _tensorflow_seed),
    _Source(
        "cupy",
        lambda m: m.random.get_random_state(),
        lambda m, s: m.random.set_random_state(s),
        _cupy_seed,
    ),
)

_Saved = dict[_Source, tuple[Module, State]]


def _save() -> _Saved:
    """The states of all generators that the process has loaded."""
    saved: _Saved = {}
    for source in _SOURCES:
        module = sys.modules.get(source.module)
        if module is not None:
            # A module in the middle of its import, or a stand-in, has no generator to save.
            with suppress(Exception):
                saved[source] = module, source.save(module)
    return saved


def _restore(saved: _Saved) -> None:
    for source, (module, state) in saved.items():
        _restore_one(source, module, state)


def _restore_one(source: _Source, module: Module, state: State) -> None:
    try:
        source.restore(module, state)
    except Exception as error:
        _warn.warn(
            f"the random state of {source.module} could not be put back after a seeded call:"
            f" {_warn.one_line(error)}"
        )


def _load(modules: Iterable[str]) -> None:
    """Imports what the function would import, so that it cannot bring in an unseeded generator.

    Called without holding the turn: a module that another thread is importing may itself make a
    seeded call.
    """
    for name in ("random", *sorted(modules)):
        if name != "__main__":
            # Whatever goes wrong here, the function meets it at its own import and says so better.
            with suppress(Exception):
                importlib.import_module(name)


# --- Taking turns ---------------------------------------------------------------------------------

_stack: list[_Run] = []
_changed = threading.Condition()  # guards _stack; re-entrant, as a signal handler may come between
_descent: ContextVar[_Run | None] = ContextVar("funes_seeded_run", default=None)


class _Run:
    """One seeded run: its stream of numbers and, while it has the turn, the states it found."""

    def __init__(self, seed: int | None) -> None:
        self.seed = seed
        self.stream: _Saved | None = None  # None: not begun
        self.outer: _Saved = {}
        self.thread = 0
        self.clock: int | None = None
        self.lent = 0  # above 0: the thread waits and lets others go ahead meanwhile
        self.trusted = False  # somebody went ahead of this run before, rightly
        self.watch: _Watch | None = None  # the run of another thread that we went ahead of
        self.before: _Saved | None = None  # our states at that moment
        self.token: Token[_Run | None] | None = None
        self.trouble = ""

    def enter(self) -> None:
        """Waits for the turn, and puts this run's stream into the generators."""
        with _changed:
            self.watch = _wait_for_turn()
            self.thread = threading.get_ident()
            self.clock = _clock(self.thread)
            self.outer = _save()
            try:
                if self.stream is None:
                    self._seed()
                else:
                    _restore(self.stream)
                self.before = None if self.watch is None else _save()
                self.token = _descent.set(self)
                _stack.append(self)
            except BaseException:
                _restore(self.outer)
                raise

    def leave(self, *, keep: bool) -> None:
        """Puts the states back as they were; `keep` keeps this run's stream for a next step."""
        with _changed:
            try:
                _wait_for_turn()
            finally:
                if self.token is not None:
                    _descent.reset(self.token)
                if self.watch is not None:
                    self._check(self.watch)
                if keep:
                    self.stream = _save()
                _take_out(self)
                self.watch = self.before = self.token = None
                _changed.notify_all()

    def _seed(self) -> None:
        for source, (module, _) in self.outer.items():
            seed = self.seed
            if seed is None:
                seed = int.from_bytes(os.urandom(8), "big")
            try:
                source.seed(module, seed)
            except Exception as error:
                self.trouble = f"{source.module} could not be seeded ({_warn.one_line(error)})"

    def _check(self, watch: _Watch) -> None:
        """Whether the run that we went ahead of stood still until now."""
        beneath = watch.run
        if beneath not in _stack:
            calm = False
        elif beneath.lent:
            calm = True
        else:
            calm = watch.unmoved()
            beneath.trusted = calm
        if not calm and not _same_states(self.before, _save()):
            self.trouble = beneath.trouble = (
                "two seeded runs in different threads drew random numbers at the same time,"
                " because one of them seemed to wait for the other"
            )


def _wait_for_turn() -> _Watch | None:
    """Waits until no other thread's run is on top. Needs `_changed`.

    Returns:
        None, or the watch over the run on top if it doesn't get on and is to be gone ahead of.
    """
    me = threading.get_ident()
    watch: _Watch | None = None
    pause = 0.01
    while _stack and _stack[-1].thread != me:
        top = _stack[-1]
        if watch is None or watch.run is not top:
            watch = _Watch(top)
            pause = 0.01
        if top.lent or watch.stands_still():
            return watch
        _changed.wait(pause)
        pause = min(pause * 1.5, 0.25)
    return None


def _take_out(run: _Run) -> None:
    """Ends a run's turn. Needs `_changed`."""
    place = _stack.index(run)
    del _stack[place]
    if place == len(_stack):
        _restore(run.outer)
    else:
        # Somebody went ahead of us and is still running. What we found is theirs to put back.
        _stack[place].outer.update(run.outer)
    run.outer = {}


@contextmanager
def waiting() -> Iterator[None]:
    """Says that this thread is about to wait for other threads (for a lock, for their results).

    A seeded run of this thread lends its turn for so long, so that seeded calls of those threads go
    ahead at once and undisturbed. Does nothing in a thread without a seeded run.

    Example:
        >>> with waiting():
        ...     pass  # lock.acquire()
    """
    me = threading.get_ident()
    run = next((run for run in reversed(_stack) if run.thread == me), None)
    if run is None:
        yield
        return
    with _changed:
        run.lent += 1
        _changed.notify_all()
    try:
        yield
    finally:
        with _changed:
            try:
                _wait_for_turn()
            finally:
                run.lent -= 1


class _Watch:
    """Looks at the thread of another run, from time to time, to see whether it gets on."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self._look()

    def _look(self) -> None:
        self.since = time.monotonic()
        # Holding the frame makes the comparison sure: no later call can have the same one.
        self.frame = sys._current_frames().get(self.run.thread)
        self.instruction = self.frame.f_lasti if self.frame is not None else 0
        self.waits = _waits_for_a_thread(self.frame)
        self.used = _processor_time(self.run.clock)

    def _same_place(self) -> bool:
        frame = sys._current_frames().get(self.run.thread)
        return frame is self.frame and (frame is None or frame.f_lasti == self.instruction)

    def unmoved(self) -> bool:
        """True if the thread has certainly not run since the watch began."""
        if not self._same_place():
            return False
        if self.waits:
            return True
        return self.run.clock is not None and self._idle()

    def _idle(self) -> bool:
        # Without a clock of the thread this is the time of the whole process, our looks included.
        allowed = 1e-4 if self.run.clock is not None else 0.01 * (time.monotonic() - self.since)
        return _processor_time(self.run.clock) - self.used <= allowed

    def stands_still(self) -> bool:
        """True once the thread has stood still for so long that it cannot be expected to go on."""
        if self.frame is None:
            return True  # no such thread any more
        if not self._same_place():
            self._look()
            return False
        elapsed = time.monotonic() - self.since
        if self.waits:
            known = self.run.trusted or _descent.get() in _stack
            return elapsed >= (_KNOWN if known else _SEEN)
        if self._idle():
            return elapsed >= _STILL
        if self.run.clock is None:
            return elapsed >= _UNCLOCKED
        self._look()
        return False


def _waits_for_a_thread(frame: types.FrameType | None) -> bool:
    """Whether the standard library's code is waiting there: a join, a future, a queue, a loop."""
    if frame is None:
        return False
    name = str(frame.f_globals.get("__name__", ""))
    if name in ("threading", "queue") or name.startswith("concurrent.futures."):
        return True
    if name == "selectors":  # of an event loop; that of a subprocess waits for no thread
        back = frame.f_back
        name = "" if back is None else str(back.f_globals.get("__name__", ""))
    return name.startswith(("asyncio.", "trio."))


def _clock(thread: int) -> int | None:
    """The system's clock of the processor time of a thread; None on macOS and Windows."""
    function: Callable[[int], int] | None = getattr(time, "pthread_getcpuclockid", None)
    return None if function is None else function(thread)


def _processor_time(clock: int | None) -> float:
    if clock is None or sys.platform == "win32":
        return time.process_time()
    try:
        return time.clock_gettime(clock)
    except OSError:  # the thread has ended
        return 0.0


def _same_states(left: _Saved | None, right: _Saved) -> bool:
    return left is not None and all(
        source in right and _equal(state, right[source][1]) for source, (_, state) in left.items()
    )


def _equal(left: Any, right: Any) -> bool:
    """Whether two states are equal for certain: what cannot be looked into counts as different."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_equal(left[k], right[k]) for k in left)
    if isinstance(left, (tuple, list)):
        return len(left) == len(right) and all(map(_equal, left, right))
    if left is None or isinstance(left, (bool, int, float, str, bytes)):
        return bool(left == right)
    if type(left).__module__ in ("numpy", "torch"):
        with suppress(Exception):
            return bool((left == right).all())
        return False
    # A seed that waits for its device, or numpy's bit generator, whose content is compared too.
    return left is right and type(left).__module__.startswith(("builtins", "numpy.random"))


def _after_fork_in_child() -> None:
    """Drops the runs of threads that don't exist in the child."""
    _changed.__init__()  # type: ignore[misc]  # the old lock may be held by a thread that is gone
    me = threading.get_ident()
    for run in [run for run in reversed(_stack) if run.thread != me]:
        # A thread that is gone may have held a generator's lock for ever: put back what is safe.
        run.outer = {s: saved for s, saved in run.outer.items() if _is_free(s.module, saved[0])}
        _take_out(run)
    for run in _stack:
        run.clock = _clock(me)
        run.watch = None


def _is_free(name: str, module: Module) -> bool:
    if name == "random":
        return True
    if name == "numpy" and hasattr(module.random, "get_bit_generator"):
        lock = module.random.get_bit_generator().lock
        if lock.acquire(blocking=False):
            lock.release()
            return True
    return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


# --- Running --------------------------------------------------------------------------------------


def _report(run: _Run, unsound: Callable[[str], None] | None) -> None:
    if run.trouble and unsound is not None:
        unsound(run.trouble)
    elif run.trouble:
        _warn.warn(f"a seeded call may not be reproducible: {run.trouble}")


def run_seeded(
    seed: int | None,
    modules: frozenset[str],
    function: Callable[..., T],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    unsound: Callable[[str], None] | None = None,
) -> T:
    """Calls `function(*args, **kwargs)` with every global random generator seeded.

    The generators of `random`, numpy, torch, TensorFlow and CuPy count, if the process has them
    loaded or `modules` names them. Their states are put back afterwards, also if the function
    raises. Seeded runs of several threads take turns; see docs/seeds.md.

    Parameters:
        seed: what `normalise` gave: an int, or None for fresh entropy of the operating system.
        modules: names of the library modules that the function refers to. They are imported first.
        unsound: called with the reason if the numbers may be wrong: a library refused the seed, or
            another seeded run drew at the same time. Without it, a CacheWarning says so. The result
            should not be stored then.

    Returns:
        What the function returns. What it raises passes through.

    Example:
        >>> import random
        >>> run_seeded(7, frozenset(), random.randrange, (100,), {})
        41
    """
    _load(modules)
    run = _Run(seed)
    run.enter()
    try:
        result = function(*args, **kwargs)
    finally:
        run.leave(keep=False)
    _report(run, unsound)
    return result


async def run_seeded_async(
    seed: int | None,
    modules: frozenset[str],
    function: Callable[..., Awaitable[T]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    unsound: Callable[[str], None] | None = None,
) -> T:
    """Awaits `function(*args, **kwargs)` with every global random generator seeded.

    Each task has its own stream: it is put into the generators while a step of the coroutine runs,
    and taken out at every `await`, so that seeded tasks that run concurrently get the numbers they
    would get alone, and the code between sees the states it left. Works under any event loop.

    Parameters and errors are those of `run_seeded`.

    Example:
        >>> import asyncio, random
        >>> async def throw():
        ...     await asyncio.sleep(0)
        ...     return random.randrange(100)
        >>> asyncio.run(run_seeded_async(7, frozenset(), throw, (), {}))
        41
    """
    _load(modules)
    run = _Run(seed)
    step = functools.partial(_step, run)
    awaitable = step(function, *args, **kwargs)
    result = await _drive(step, awaitable)
    _report(run, unsound)
    return result


def _step(run: _Run, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    run.enter()
    try:
        return function(*args, **kwargs)
    finally:
        run.leave(keep=True)


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable


@types.coroutine
def _drive(step: Callable[..., Any], awaitable: Awaitable[T]) -> Generator[Any, Any, T]:
    """Passes everything between the event loop and the awaitable, one step at a time."""
    inner: Any = awaitable if isinstance(awaitable, types.CoroutineType) else _await(awaitable)
    method, value = inner.send, None
    while True:
        try:
            asked = step(method, value)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        try:
            method, value = inner.send, (yield asked)
        except GeneratorExit:
            step(inner.close)
            raise
        except BaseException as error:
            method, value = inner.throw, error
