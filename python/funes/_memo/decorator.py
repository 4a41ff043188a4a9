"""The decorator `memorious`."""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Literal, ParamSpec, TypeVar, overload

from funes._code.user_code import is_user_code, track_package
from funes._entries import fork
from funes._memo.bound_method import MemoClassMethod
from funes._memo.memo import Memo
from funes._memo.options import WAIT_SECONDS, Options, unknown_option

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
    large_argument: int | str = 1 << 20,
    files: Literal["track", "ignore"] = "track",
    memory: int | str | None = None,
    max_age: float | timedelta | None = None,
    cache_if: Callable[[Any, float], object] | None = None,
    remember_errors: type[Exception] | Iterable[type[Exception]] = (),
    packed: bool | None = None,
    max_bytes: int | str | None = None,
    remote: str | None = None,
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
    large_argument: int | str = 1 << 20,
    files: Literal["track", "ignore"] = "track",
    memory: int | str | None = None,
    max_age: float | timedelta | None = None,
    cache_if: Callable[[Any, float], object] | None = None,
    remember_errors: type[Exception] | Iterable[type[Exception]] = (),
    packed: bool | None = None,
    max_bytes: int | str | None = None,
    remote: str | None = None,
    **_unknown: Any,
) -> Any:
    """Caches the results of a function, on disk and permanently.

    If an earlier call had the same arguments and the same definition, a call returns the result of
    that call without running the function. The definition is the function's code, and all user code
    and values that this code uses: helpers, classes, globals, defaults, captured variables. Each
    call returns a fresh copy of the result, which the caller may change.

    Use the decorator bare (``@memorious``) or with options (``@memorious(ignore="verbose")``), on
    functions, methods, classmethods, staticmethods and properties (above or below their
    decorators), lambdas and ``async def`` functions.

    Every memorious function also accepts ``global_seed=``, whether or not the function declares it.
    A call with ``global_seed=`` seeds the random generators of ``random``, numpy, torch, tensorflow
    and cupy before the function runs, and restores them afterwards. The seed is part of the key.

    Args:
        function: The function to decorate.
        cache_dir: The cache folder. A relative path is resolved against the working directory at the first call.
            Default: the environment variable ``FUNES_CACHE_DIR``, or else ``cache``.
        ignore: The names of parameters that do not change the result, such as ``verbose``. Ignored parameters are
            neither part of the key nor stored.
        depends_on: Further inputs of the function, besides its arguments and its code: a module or an
            ``importlib.metadata.distribution`` (its version counts), a ``pathlib.Path`` (the content of the file or
            folder counts), or any value. Pass several inputs in a tuple. Files, and values that can change in place,
            are checked at each call.
        strict: If true, a failure of the cache raises an error instead of emitting a `CacheWarning`. If an argument
            cannot be hashed, the call raises before the function runs. If the result cannot be stored, the call raises
            after the function has run.
        single_flight: If several threads, asyncio tasks or processes need the same result at the same time, one of them
            computes the result and the rest wait. If false, each of them may compute the result.
        wait: The time limit of a wait in seconds. If the computing process and its children have used no processor time
            for so long, a waiting call computes the result itself. A process that uses processor time is waited for
            without limit. If processor time cannot be read (on another host, or not on Linux), the limit is 12 times
            as long.
        signing_key: The secret that signs results, as a string or bytes. Results without its signature are not read.
            Default: the environment variable ``FUNES_SIGNING_KEY``. If neither is given, results are not signed.
        verify: How often stored results are compared with their checksums: "always"; "never"; or "once", which compares
            large results at their first use since the machine started, and small results at each use.
        durability: The results that survive a power cut once the call has returned: "always" (all), "never" (none),
            "auto" (those that took a second or more to compute), or a number of seconds. A sync takes milliseconds, on
            slow disks more.
        shared: If true, the owner's group can access created folders (mode 0770) and files (mode 0660). By default,
            only the owner can.
        large_argument: A size, in bytes or as ``"1M"``. An argument whose pickle is larger is stored only once for all
            calls that have it, in ``objects`` in the cache folder.
        files: "track": the files that the function reads count. If their content has changed, the call is computed
            again. "ignore": they do not count.
        memory: The maximum size of the results of this function in the memory cache, in bytes or as ``"64M"``; 0 for no
            memory cache. By default, all functions share 256 MiB, or the size in the environment variable
            ``FUNES_MEMORY`` (``"64M"``, ``"2G"``, ``"0"``).
        max_age: An age in seconds, or a ``timedelta``. An entry that is as old or older is expired: a call computes
            again and replaces it. By default, no entry expires.
        cache_if: A function of a result and its run time in seconds. If it returns a false value, the result is not
            stored. It is neither part of the key nor of the definition.
        remember_errors: An exception class, or several. If the function raises an exception of these classes, it is
            stored, and later calls raise a copy of it without running the function. By default, no exception is stored.
        packed: If true, small results are appended to few files instead of being single files, for functions with
            very many results. Default: the environment variable ``FUNES_PACKED``, ``0`` or ``1``.
        max_bytes: The maximum size of the cache folder: a number of bytes, or a string such as ``"10G"``. If results
            of this function make the cache larger, the results of any function that save the fewest seconds per byte
            are deleted, in the background. Default: the environment variable ``FUNES_MAX_BYTES``. If neither is given,
            nothing is deleted.
        remote: The URL of a remote cache, which several machines share: ``"s3://bucket/prefix"``, ``"gs://..."``,
            ``"az://..."`` or ``"file:///folder"``. A call looks there before it computes, and results are sent there in
            the background. Credentials come from the environment. ``""``: none. Default: the environment variable
            ``FUNES_REMOTE``.

    Returns:
        A `Memo`, which is called like the function. It also has the methods ``key``, ``is_cached``, ``forget``,
        ``refresh``, ``explain``, ``check``, ``adopt``, ``cache_info`` and ``cache_clear``, and the attributes
        ``cache_path`` and ``definition``.

    Raises:
        TypeError: `function` is a generator function, whose values could be consumed only once, or is not a Python
            function.
        ValueError: `ignore` names no parameter of the function, or `remember_errors` names a class that is no subclass
            of `Exception`, or `remote` is no URL of a supported kind.
        ImportError: `remote` needs obstore, which is not installed.

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
    given = {
        name: value for name, value in locals().items() if name not in ("function", "_unknown")
    }
    if _unknown:
        raise TypeError(unknown_option(next(iter(_unknown))))
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
    """Returns a Python function that calls a partial or bound method, and has the definition of its function."""

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
