"""Runs a function with all global random generators seeded, and restores their states.

The generators are in `generators`. Runs in several threads exclude each other, see
`generator_lock`.

A coroutine releases the generators at each `await`. Each step of the coroutine runs with the
coroutine's own stream, and code that runs between the steps has the states that it left itself.
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
    """Returns the seed as an int, or None for fresh entropy at each run.

    Args:
        seed: None, or a value of any type that Python accepts as an integer (int, bool, numpy.int64
            ...), of any size and sign.

    Raises:
        TypeError: The seed is a value of another type (7.0, "7", b"7", [1, 2]).

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


def _report(run: SeededRun, on_problem: Callable[[str], None] | None) -> None:
    if run.problem and on_problem is not None:
        on_problem(run.problem)
    elif run.problem:
        _warnings.warn(f"a seeded call may not be reproducible: {run.problem}")


def run_seeded(
    seed: int | None,
    modules: frozenset[str],
    function: Callable[..., T],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    on_problem: Callable[[str], None] | None = None,
    after_wait: Callable[[], None] | None = None,
) -> T:
    """Calls a function with all global random generators seeded.

    Seeds the generators of `random`, and of numpy, torch, TensorFlow and CuPy if the process has
    loaded the library or `modules` names it. Restores their states afterwards, also if the function
    raises. Seeded runs in several threads exclude each other; see docs/seeds.md.

    Args:
        seed: The result of `normalise`: an int, or None for fresh entropy from the operating system.
        modules: The names of third-party modules to which the function refers. They are imported
            first.
        function: The function to call.
        args: The positional arguments of the function.
        kwargs: The keyword arguments of the function.
        on_problem: A function that is called with the reason if the numbers may be wrong: a library
            refused the seed, or another seeded run drew at the same time. The result must not be
            stored then. By default, a CacheWarning is emitted.
        after_wait: A function that is called before `function` if the run had to wait for the
            generators.

    Returns:
        The result of the function. Exceptions of the function reach the caller.

    Example:
        >>> import random
        >>> run_seeded(7, frozenset(), random.randrange, (100,), {})
        41
    """
    load(modules)
    run = SeededRun(seed)
    try:
        run.enter()
        if run.has_waited and after_wait is not None:
            after_wait()
        result = function(*args, **kwargs)
    finally:
        run.leave(keep=False)
    _report(run, on_problem)
    return result


async def run_seeded_async(
    seed: int | None,
    modules: frozenset[str],
    function: Callable[..., Awaitable[T]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    on_problem: Callable[[str], None] | None = None,
) -> T:
    """Awaits a coroutine function with all global random generators seeded.

    Each task has its own stream. The stream is put into the generators while a step of the coroutine
    runs, and taken out at each `await`. So concurrent seeded tasks draw the same numbers as if each
    ran alone, and code that runs between the steps has the states that it left itself. This works
    with any event loop.

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
    _report(run, on_problem)
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
    """Passes values and errors between the event loop and the awaitable, one step at a time."""
    inner: Any = awaitable if isinstance(awaitable, types.CoroutineType) else _await(awaitable)
    method, value = inner.send, None
    while True:
        try:
            awaited = step(method, value)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        try:
            method, value = inner.send, (yield awaited)
        except GeneratorExit:
            step(inner.close)
            raise
        except BaseException as error:
            method, value = inner.throw, error
