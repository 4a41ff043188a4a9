"""Memorious functions in a mode, in this process and on the way to another one."""

from __future__ import annotations

import functools
import inspect
import sys
from types import FrameType, MethodType
from typing import Any

from funes._memo import code_by_value
from funes._memo.bound_method import BoundMemo
from funes._memo.memo import Memo
from funes._memo.mode import current_mode, entered, in_mode, mode
from funes._memo.receiving import open_payload

#: The prefixes of the modules of this package, and of all modules of funes.
_MEMO = f"{__name__.rpartition('.')[0]}."
_OWN = f"{__name__.partition('.')[0]}."

#: Modules that pickle.
_PICKLERS = frozenset({"cloudpickle.cloudpickle", "copyreg", "dill", "dill._dill", "pickle"})

#: Functions of pools that pickle calls in a thread of their own.
_PICKLING_THREADS = frozenset({"_feed", "_handle_tasks"})


def decorate_in_mode(how: mode, function: Any) -> Any:
    """Returns a function that runs in a mode."""
    if isinstance(function, (Memo, BoundMemo, InMode)):
        return InMode(how.name, function)
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(decorate_in_mode(how, function.__func__))
    if not callable(function):
        raise TypeError(f"mode decorates a function, not {function!r}")

    def run(*args: Any, **kwargs: Any) -> Any:
        with how:
            return function(*args, **kwargs)

    async def run_coroutine(*args: Any, **kwargs: Any) -> Any:
        with how:
            return await function(*args, **kwargs)

    def run_generator(*args: Any, **kwargs: Any) -> Any:
        # The mode holds during the steps, and not for the code between them.
        steps = function(*args, **kwargs)
        step, value = steps.send, None
        while True:
            try:
                with how:
                    yielded = step(value)
            except StopIteration as stop:
                return stop.value
            try:
                step, value = steps.send, (yield yielded)
            except GeneratorExit:
                with how:
                    steps.close()
                raise
            except BaseException as error:
                step, value = steps.throw, error

    async def run_async_generator(*args: Any, **kwargs: Any) -> Any:
        steps = function(*args, **kwargs)
        step, value = steps.asend, None
        while True:
            try:
                with how:
                    yielded = await step(value)
            except StopAsyncIteration:
                return
            try:
                step, value = steps.asend, (yield yielded)
            except GeneratorExit:
                with how:
                    await steps.aclose()
                raise
            except BaseException as error:
                step, value = steps.athrow, error

    runner: Any = run
    if inspect.iscoroutinefunction(function):
        runner = run_coroutine
    elif inspect.isasyncgenfunction(function):
        runner = run_async_generator
    elif inspect.isgeneratorfunction(function):
        runner = run_generator
    return functools.wraps(function)(runner)


class InMode:
    """A memorious function whose calls run in a mode. It can be pickled, so that the mode travels with it."""

    def __init__(self, name: str, function: Any) -> None:
        #: The name of the mode.
        self._name = name
        self._function: Any = function._function if isinstance(function, InMode) else function

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        with in_mode(self._name):
            returned = self._function(*args, **kwargs)
        return self._awaited(returned) if inspect.iscoroutine(returned) else returned

    async def _awaited(self, coroutine: Any) -> Any:
        with in_mode(self._name):
            return await coroutine

    def __getattr__(self, name: str) -> Any:
        if name in ("_name", "_function") or (name.startswith("__") and name != "__wrapped__"):
            raise AttributeError(name)
        found = getattr(self._function, name)
        return decorate_in_mode(in_mode(self._name), found) if name in _CALLING else found

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        return InMode, (self._name, self._function)

    def __repr__(self) -> str:
        return f"<{self._function!r} in mode {self._name}>"


#: Methods of a memorious function that call it.
_CALLING = ("map", "refresh", "starmap")


# Sending.


def open_in_mode(name: str, *payload: Any) -> InMode:
    """Opens a memorious function that was sent from code in a mode."""
    return InMode(name, open_payload(*payload))


def mode_to_send() -> str | None:
    """Returns the mode that travels with a function that is being pickled.

    None travels with what funes itself pickles: entries, arguments and tasks of sweeps.
    """
    name = current_mode()
    if name is None and not entered:
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_of_pickler(_module_of(frame)):
        frame = frame.f_back
    if frame is not None and _module_of(frame).startswith(_OWN):
        return None
    if name is None and _is_pickling_thread(frame):
        # The thread of a pool does not have the context of the code that submitted the call.
        name = next((name for name in reversed(entered) if name), None)
    return None if name is None else str(name)


def _is_pickling_thread(frame: FrameType | None) -> bool:
    while frame is not None:
        module = _module_of(frame)
        if frame.f_code.co_name in _PICKLING_THREADS and module.endswith((".queues", ".pool")):
            return True
        frame = frame.f_back
    return False


def _is_of_pickler(module: str) -> bool:
    """Returns whether frames of a module may be between the code that pickles and the reduction of a function."""
    is_memo = module.startswith(_MEMO) and module != code_by_value.__name__
    return is_memo or module in _PICKLERS


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
