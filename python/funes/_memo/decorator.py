"""The decorator `memorious`."""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, Literal, ParamSpec, TypeVar, overload

from funes._code.user_code import is_user_code, track_package
from funes._memo import fork
from funes._memo.bound_method import MemoClassMethod
from funes._memo.memo import Memo
from funes._memo.options import WAIT_SECONDS, Options

P = ParamSpec("P")
R = TypeVar("R")


@overload
def memorious(function: property, /) -> property: ...


@overload
def memorious(function: Callable[P, R], /) -> Memo[P, R]: ...


@overload
def memorious(
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    ignore: str | Iterable[str] = (),
    depends_on: Any = (),
    strict: bool = False,
    single_flight: bool = True,
    wait: float = WAIT_SECONDS,
    signing_key: str | bytes | None = None,
    verify: Literal["always", "once", "never"] = "once",
    durability: Literal["auto", "always", "never"] | float = "auto",
    shared: bool = False,
    large_argument: int = 1 << 20,
    memory: int | None = None,
) -> Callable[[Callable[P, R]], Memo[P, R]]: ...


def memorious(
    function: Any = None,
    /,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    ignore: str | Iterable[str] = (),
    depends_on: Any = (),
    strict: bool = False,
    single_flight: bool = True,
    wait: float = WAIT_SECONDS,
    signing_key: str | bytes | None = None,
    verify: Literal["always", "once", "never"] = "once",
    durability: Literal["auto", "always", "never"] | float = "auto",
    shared: bool = False,
    large_argument: int = 1 << 20,
    memory: int | None = None,
) -> Any:
    """Caches what a function computed, on disk and permanently.

    A call with the arguments and the definition of an earlier call returns the result of that call,
    without running the function. The definition is the function's code and all user code and values
    behind it: helpers, classes, globals, defaults, captured variables. Each call returns a fresh
    copy, which the caller may change.

    Use it bare (``@memorious``) or with options (``@memorious(ignore="verbose")``), on functions,
    methods, classmethods, staticmethods and properties (above or below their decorators), lambdas
    and ``async def``.

    Every memorious function also accepts ``global_seed=``, declared or not. It seeds the random
    generators of ``random``, numpy, torch, tensorflow and cupy before the function runs, and
    restores them afterwards. The seed is part of the key.

    Args:
        function: The function.
        cache_dir: The folder that keeps the results. A relative path is resolved against the working directory at the
            first call. Default: the environment variable ``FUNES_CACHE_DIR``, or else ``cache``.
        ignore: Names of parameters that do not change the result, such as ``verbose``. They are not part of the key and
            are not stored.
        depends_on: What the result depends on besides arguments and code: a module or an
            ``importlib.metadata.distribution`` (by its version), a ``pathlib.Path`` (by the content of the file or
            folder), or any value; several in a tuple. A file, or a value that changes in place, is checked at each
            call.
        strict: Raise an error where the cache cannot do its work, instead of a `CacheWarning`: before the function runs
            if an argument cannot be hashed, after it if the result cannot be stored.
        single_flight: Of calls that need the same result at the same time, in any threads, asyncio tasks and processes,
            let one compute it while the other calls wait.
        wait: Seconds without any processor time of the computing process and its children after which a waiting call
            computes itself. A process that works is waited for without limit. Where its processor time cannot be read
            (on another host, or not on Linux), the limit is 12 times as long.
        signing_key: The secret that signs results, as text or bytes. Results without its signature are not read.
            Default: the environment variable ``FUNES_SIGNING_KEY``; without both, nothing is signed.
        verify: When to compare stored results with their checksums: "always", "never", or "once": large results at
            their first use in a process, small ones always.
        durability: Which results survive a power cut once the call has returned: "always", "never", "auto" (those that
            took a second to compute), or the number of seconds. Syncing takes milliseconds, on slow disks more.
        shared: Give the owner's group access to what is created (0770 and 0660), not the owner alone.
        large_argument: Size in bytes from which on an argument is stored once for all calls that have it, in
            ``objects`` in the cache folder.
        memory: Bytes that the results of this function may take in memory, where they are found fastest; 0 for none.
            Default: all functions share 256 MiB, or the size in the environment variable ``FUNES_MEMORY`` (``"64M"``,
            ``"2G"``, ``"0"``).

    Returns:
        A `Memo`, which is called like the function, and has ``key``, ``is_cached``, ``forget``, ``cache_path``,
        ``cache_info`` and ``cache_clear``.

    Raises:
        TypeError: `function` is a generator function, whose values could be consumed only once, or is not a Python
            function.
        ValueError: `ignore` names no parameter of the function.

    Example:
        >>> import tempfile
        >>> @memorious(cache_dir=tempfile.mkdtemp())
        ... def double(x):
        ...     print("doubling", x)
        ...     return x * 2
        >>> double(21)
        doubling 21
        42
        >>> double(x=21)
        42
    """
    # Read before any other local variable exists: every parameter but the first is an option.
    given = {name: value for name, value in locals().items() if name != "function"}
    options = Options(**given)
    if function is None:
        return functools.partial(_decorated, options=options)
    return _decorated(function, options)


def _decorated(function: Any, options: Options) -> Any:
    if isinstance(function, staticmethod):
        return staticmethod(_decorated(function.__func__, options))
    if isinstance(function, classmethod):
        return MemoClassMethod(_decorated(function.__func__, options))
    if isinstance(function, property):
        return property(
            _decorated(function.fget, options), function.fset, function.fdel, function.__doc__
        )
    if isinstance(function, Memo):
        # The options of the outer decorator replace those of the inner one; nothing is cached
        # twice.
        function = function.__wrapped__
    if isinstance(function, (functools.partial, types.MethodType)):
        function = _called(function)
    if not isinstance(function, types.FunctionType):
        raise TypeError(
            f"memorious needs a Python function, not {_described(function)}. "
            "Wrap it: def f(...): return it(...)"
        )
    if function.__code__.co_flags & _GENERATOR:
        raise TypeError(
            f"memorious cannot cache {function.__qualname__}: a generator can be consumed only "
            "once. Let it return a list"
        )
    unknown = options.ignore - _parameters(function) if options.ignore else None
    if unknown:
        raise ValueError(
            f"ignore names {', '.join(map(repr, sorted(unknown)))}, which "
            f"{function.__qualname__} has no parameter of"
        )
    _track_package(function)
    return Memo(function, options)


def _called(function: Any) -> types.FunctionType:
    """Returns a Python function that calls a partial or bound method, and whose definition is that of the latter."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    innermost = function
    while isinstance(innermost, (functools.partial, types.MethodType)):
        innermost = (
            innermost.func if isinstance(innermost, functools.partial) else innermost.__func__
        )
    code = getattr(innermost, "__code__", None)
    caller: Any = call
    if code is not None and code.co_flags & _COROUTINE:
        caller = call_async
    elif code is not None and code.co_flags & _GENERATOR:
        return innermost  # type: ignore[no-any-return]  # refused like any generator function
    functools.update_wrapper(caller, innermost, updated=())
    caller.__wrapped__ = function
    return caller  # type: ignore[no-any-return]


def _track_package(function: types.FunctionType) -> None:
    """Counts a package that caches its own functions as user code, so that their code counts instead of their names.

    Such a package calls the decorator in one of its own modules.
    """
    module = function.__globals__.get("__name__")
    if not isinstance(module, str) or is_user_code(module, function.__code__.co_filename):
        return
    package = module.partition(".")[0]
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "funes":
        frame = frame.f_back
    caller = "" if frame is None else str(frame.f_globals.get("__name__", ""))
    if package != "funes" and caller.partition(".")[0] == package:
        track_package(package)


#: ``co_flags`` of generator functions, including asynchronous ones.
_GENERATOR = 0x20 | 0x200

#: ``co_flags`` of coroutine functions, including those of `types.coroutine`.
_COROUTINE = 0x80 | 0x100


def _parameters(function: types.FunctionType) -> set[str]:
    from funes._funes import parameters_of

    return set(parameters_of(function))


def _described(thing: object) -> str:
    if isinstance(thing, type):
        return f"the class {thing.__qualname__}"
    return f"an object of type {type(thing).__qualname__}"


fork.register()
