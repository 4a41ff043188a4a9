"""Runs a function with every global random generator seeded, and puts their states back.

The generators are in `generators`; runs of several threads take turns, see `turns`.

A coroutine gives the turn away at each `await`: every step of it runs with its own stream swapped
in, and the code between the steps sees the states that it left.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, TypeVar

from funes import _warnings
from funes._call.generator_lock import SeededRun
from funes._call.generators import load

T = TypeVar("T")


def normalise(seed: object) -> int | None:
    """Gives the seed as a plain int, or None for 'fresh entropy at each run'.

    Args:
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


def _report(run: SeededRun, unsound: Callable[[str], None] | None) -> None:
    if run.trouble and unsound is not None:
        unsound(run.trouble)
    elif run.trouble:
        _warnings.warn(f"a seeded call may not be reproducible: {run.trouble}")


def run_seeded(
    seed: int | None,
    modules: frozenset[str],
    function: Callable[..., T],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    unsound: Callable[[str], None] | None = None,
    waited: Callable[[], None] | None = None,
) -> T:
    """Calls `function(*args, **kwargs)` with every global random generator seeded.

    The generators of `random`, numpy, torch, TensorFlow and CuPy count, if the process has them
    loaded or `modules` names them. Their states are put back afterwards, also if the function
    raises. Seeded runs of several threads take turns; see docs/seeds.md.

    Args:
        seed: what `normalise` gave: an int, or None for fresh entropy of the operating system.
        modules: names of the library modules that the function refers to. They are imported first.
        function: what to call.
        args: its positional arguments.
        kwargs: its keyword arguments.
        unsound: called with the reason if the numbers may be wrong: a library refused the seed, or
            another seeded run drew at the same time. Without it, a CacheWarning says so. The result
            should not be stored then.
        waited: called before the function if the run had to wait for its turn.

    Returns:
        What the function returns. What it raises passes through.

    Example:
        >>> import random
        >>> run_seeded(7, frozenset(), random.randrange, (100,), {})
        41
    """
    load(modules)
    run = SeededRun(seed)
    try:
        run.enter()
        if run.has_waited and waited is not None:
            waited()
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

    Arguments and errors are those of `run_seeded`.

    Example:
        >>> import asyncio, random
        >>> async def throw():
        ...     await asyncio.sleep(0)
        ...     return random.randrange(100)
        >>> asyncio.run(run_seeded_async(7, frozenset(), throw, (), {}))
        41
    """
    load(modules)
    run = SeededRun(seed)
    step = functools.partial(_step, run)
    awaitable = step(function, *args, **kwargs)
    result = await _drive(step, awaitable)
    _report(run, unsound)
    return result


def _step(run: SeededRun, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    try:
        run.enter()
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
