"""Memorious functions, except for the call itself, which the extension and `funes._call` implement.

Few modules are imported here, so that a program that defines memorious functions starts as fast as
without them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import FunctionType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    NamedTuple,
    ParamSpec,
    TypeVar,
    overload,
)

from funes import _warnings
from funes._code import source_cache
from funes._funes import ERROR_EXTENSION, Core, Store, hooks, memo_type
from funes._memo.autoreload import register_with_autoreload
from funes._memo.bound_method import BoundMemo
from funes._memo.key import Key
from funes.errors import DamagedEntryError, UnhashableArgumentError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    from typing_extensions import Unpack

    from funes._memo.options import Options
    from funes._sweeps.make import SweepOptions
    from funes._sweeps.progress import Show
    from funes._sweeps.sweep import Sweep
    from funes._tools.adopt.result import AdoptionResult
    from funes._tools.check.comparison import Comparison
    from funes._tools.explain.explanation import Explanation

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S_co = TypeVar("S_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class CacheInfo(NamedTuple):
    """Statistics of the cache of one function in this process.

    Example:
        >>> CacheInfo(2, 1, 1, 3.5, 10.5, 456, 0, {}).saved_seconds
        10.5
    """

    #: The number of calls whose results were found in memory.
    memory_hits: int
    #: The number of calls whose results were read from disk.
    disk_hits: int
    #: The number of calls that ran the function.
    misses: int
    #: The computation time of the misses, in seconds.
    computed_seconds: float
    #: The computation time that the hits saved, in seconds.
    saved_seconds: float
    #: The approximate size of the results in memory, in bytes.
    memory_bytes: int
    #: The number of misses whose results were not stored.
    uncached: int
    #: The number of these misses by reason, such as ``{"cache_if": 3}``.
    reasons: dict[str, int]


if TYPE_CHECKING:

    class _Method(Protocol[T_contra, Q, S_co]):
        """A `Memo` whose first parameter is a T."""

        def _undecorated(self) -> Callable[Concatenate[T_contra, Q], S_co]: ...

    class _CoroutineMemo(Protocol[S_co]):
        """A `Memo` of a coroutine function that returns an S."""

        def _undecorated(self) -> Callable[..., Coroutine[Any, Any, S_co]]: ...


class _Annotations:
    """Reads the annotations of the wrapped function, which Python 3.14 computes only when they are read."""

    def __get__(self, memo: Any, owner: type) -> dict[str, Any]:
        return {} if memo is None else memo.__wrapped__.__annotations__


@memo_type
class Memo(Generic[P, R]):
    """A function with a persistent cache, made by `memorious`.

    A memo is called like the function that it wraps. This function is its attribute ``__wrapped__``.

    Example:
        >>> import tempfile
        >>> @memorious(cache_dir=tempfile.mkdtemp())
        ... def double(x):
        ...     return x * 2
        >>> double.is_cached(21)
        False
        >>> double(21)
        42
        >>> double.is_cached(21), double.key(21) == double.key(x=21)
        (True, True)
        >>> double.forget(21), double.is_cached(21)
        (True, False)
    """

    # The extension implements the call: `memo_type` derives a class of the same name from this one,
    # see rust/py/src/call/memo_type.rs.

    if not TYPE_CHECKING:
        # The extension defines the layout of instances.
        __slots__ = ()
        # Hides the annotations of this class, which an instance would show as its own.
        __annotations__ = _Annotations()
    else:
        __name__: str
        __qualname__: str
        __wrapped__: Callable[P, R]
        _core: Core
        _options: Options
        _root: str | None
        _warned: set[str]
        _described: dict[str, int]
        _extra: tuple[object, ...] | None
        _sent: dict[tuple[object, ...], Any]
        #: The arguments of `open_payload` if the function came by value, else None. The function is
        #: sent on with the same arguments.
        _arrived: tuple[Any, ...] | None
        #: The source texts of the main program of the sending process, as `source_texts.pack` made
        #: them.
        _mains: bytes

    @staticmethod
    def _make_core(function: FunctionType, options: Options) -> Core:
        """Returns the part of a memorious function that the extension implements."""
        return Core(function, options)

    def __init__(self, function: FunctionType, options: Options) -> None:
        functools.update_wrapper(self, function, updated=())
        # Copy the attributes of the function, except those that would hide attributes of this
        # class. They can be read from `__wrapped__`.
        self.__dict__.update(
            {name: value for name, value in function.__dict__.items() if not hasattr(Memo, name)}
        )
        self.__wrapped__ = function
        self._options = options
        #: The absolute cache folder of the process that submitted the function, if there is one.
        self._root = None
        self._warned = set()
        #: Maps each definition whose `definition.json` was written to `Core.reuse_count` at that
        #: time.
        self._described = {}
        #: The values of `depends_on=` when the definition was computed last.
        self._extra = None
        #: The pickled payloads, so that `sending` gives the same bytes when the function is pickled
        #: again.
        self._sent = {}
        self._arrived = None
        self._mains = b""
        if self._core.is_async:
            _mark_coroutine_function(self)
        # The file may be edited before the first call, but the code that runs is that of the
        # current text.
        source_cache.remember(function)
        register_with_autoreload(Memo)

    if TYPE_CHECKING:

        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        @overload
        def __call__(self, *args: Any, global_seed: int | None, **kwargs: Any) -> R: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

        # For `_Method`: type checkers differ in how they treat a function that is an attribute.
        def _undecorated(self) -> Callable[P, R]: ...

    # Inspection

    def key(self, /, *args: Any, **kwargs: Any) -> Key:
        """Returns the cache key of a call with these arguments, without running the function.

        Raises:
            UnhashableArgumentError: An argument cannot be part of a key.
            TypeError: The function does not take these arguments.
        """
        from pathlib import Path

        call = self._core.key(self, args, kwargs)
        path = self._store.path(self._function_name, call.definition, call.arguments)
        return Key(call.definition, call.arguments, Path(path))

    def is_cached(self, /, *args: Any, **kwargs: Any) -> bool:
        """Returns whether an undamaged entry for these arguments exists, without running the function.

        A remembered error is no such entry: a call would raise it.

        Raises:
            UnhashableArgumentError, TypeError: As for `key`.
        """
        call = self._core.key(self, args, kwargs)
        return self._is_sound(call.definition, call.arguments)

    @overload
    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def refresh(self, /, *args: Any, global_seed: int | None, **kwargs: Any) -> R: ...
    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Runs the function and replaces the stored result. Returns what the call returns.

        Readers in other processes see the former result or the new one, never a part; they notice the new one within a
        second. Of several calls that refresh the same result at the same time, one computes. Memorious functions that
        the function calls are not refreshed; ``funes.mode("refresh")`` refreshes those, too.

        Returns:
            The new result; for a coroutine function, a coroutine that returns it.

        Example:
            >>> prices = load_prices.refresh("2026-11")                                   # doctest: +SKIP
        """
        return hooks().refresh()(self, args, kwargs)

    def forget(self, /, *args: Any, **kwargs: Any) -> bool:
        """Deletes the stored result of a call with these arguments, without running the function.

        Returns:
            True if there was an entry: a result, or a remembered error.

        Raises:
            UnhashableArgumentError, TypeError: As for `key`.
            OSError: The file cannot be deleted.
        """
        call = self._core.key(self, args, kwargs)
        self._core.forget(call)
        key = self._function_name, call.definition
        has_error = self._store.remove(*key, call.arguments + ERROR_EXTENSION)
        return self._store.remove(*key, call.arguments) or has_error

    def explain(self, /, *args: Any, **kwargs: Any) -> Explanation:
        """Explains why a call with these arguments is cached or not, without running the function.

        Returns:
            An `Explanation`, which can be printed. It contains one of these:

            - the file of the result,
            - the changes of the definition since the latest other version, as a diff,
            - the differences between the arguments and those of the most similar of the hundred latest stored calls,
            - the defect of the entry.

        Raises:
            TypeError: The function does not take these arguments.

        Example:
            >>> train.explain(lr=0.01)                                                    # doctest: +SKIP
            train: not cached: it was called with other arguments only
            the nearest of all 12 stored calls is /home/me/cache/train/77b0.../1f0c....dill
              lr: 0.1 -> 0.01
        """
        explanation: Explanation = hooks().explain()(self, args, kwargs)
        return explanation

    def adopt(
        self,
        old: str,
        *,
        add: Mapping[str, Any] | None = None,
        rename: Mapping[str, str] | None = None,
        drop: str | Iterable[str] = (),
        function: str | None = None,
    ) -> AdoptionResult:
        """Copies the results of an earlier version to the current one, after an edit that changed no result.

        Nothing is computed, and the earlier version is not changed. The copies are ordinary
        entries: they stay if the earlier version is deleted. If more results are stored under the
        earlier version later, call `adopt` again to copy them. See docs/reuse-results.md.

        Args:
            old: The hash of the earlier version, or a prefix of the hash. The hash is the name of a folder beside
                `cache_path`.
            add: New parameters, each with the value that the old code used instead of the parameter.
            rename: A dict from old names of parameters to new names.
            drop: The name or names of parameters that the current version lacks or ignores.
            function: The former name of the function, if it was renamed or moved: ``"train"``, or ``"mine.train"`` if
                several functions have this name.

        Returns:
            The number of copied results, and the results that could not be copied, each with the reason.

        Raises:
            AdoptionError: The version does not exist or belongs to another function; a parameter has no counterpart;
                or two old results would become one. The message names the version, the parameter or both results.
            OSError: A result cannot be stored. The results that were copied before stay.

        Example:
            >>> train.adopt("3f2a", add={"activation": "relu"}, rename={"lr": "rate"})    # doctest: +SKIP
            copied 12 results of 3f2a9c0d1e2f to 77b0c1d2e3f4
        """
        adopted: AdoptionResult = hooks().adopt()(
            self, old, add=add, rename=rename, drop=drop, function=function
        )
        return adopted

    def check(
        self,
        version: str | None = None,
        *,
        budget: float = 60.0,
        tolerance: float = 0.0,
        all: bool = False,  # noqa: A002 -- the name of the option of the command
    ) -> Comparison:
        """Computes stored calls of an earlier version again, and compares the results with the stored ones.

        The first calls that are chosen differ in as many arguments as possible; of equally good ones, the cheapest is
        taken. Nothing is stored, except that all results were equal: `adopt` shows and records it. Memorious functions
        that the function calls use the cache as usual. See docs/check-an-edit.md.

        Args:
            version: The hash of the earlier version, or a prefix of the hash. Default: the version that was used last.
            budget: A time in seconds. No call is begun after it, or that took longer than what is left of it.
            tolerance: The largest relative difference of floating-point numbers that counts as close. With 0.0, only
                equal results count.
            all: If true, calls of the present definition are computed again, with all memorious functions that they
                call, for instance after the upgrade of a library.

        Returns:
            A `Comparison`, which can be printed.

        Raises:
            KeyError: No earlier version has results, or none or several match `version`.
            UnhashableArgumentError: The function has no definition.
            ValueError: `version` is the present definition, or is given with ``all=True``.

        Example:
            >>> print(train.check())                                                      # doctest: +SKIP
            mine.train: compared 10 of 240 stored calls of 3f2a9c0d1e2f: 10 equal
        """
        found: Comparison = hooks().check()(
            self, version, budget=budget, tolerance=tolerance, all=all
        )
        return found

    # Sweeps

    @overload
    def map(
        self: _CoroutineMemo[S_co],
        *points: Iterable[Any],
        **options: Unpack[SweepOptions],
    ) -> Sweep[S_co]: ...
    @overload
    def map(
        self,
        *points: Iterable[Any],
        **options: Unpack[SweepOptions],
    ) -> Sweep[R]: ...
    def map(
        self,
        *points: Iterable[Any],
        executor: Any = None,
        on_error: Literal["raise", "collect"] = "raise",
        retries: int = 0,
        progress: Show = None,
    ) -> Sweep[Any]:
        """Plans calls with many arguments: a `Sweep`, which computes only those that are not stored.

        Args:
            *points: A `grid`; or as for the builtin `map`, an iterable for each positional parameter. Wrap a value that
                is the same at all points in `itertools.repeat`.
            executor: Where missing points are computed: None for this process; a number of worker processes; a
                `concurrent.futures.Executor`; a ``distributed.Client``; a submitit executor; or the module ``ray``.
            on_error: "raise": iteration raises the exception of the first failed point in its turn. "collect": it
                leaves failed points out, and `Sweep.errors` has them.
            retries: How often a point is computed again after an exception, with the same arguments and seed.
            progress: A function that takes a `Progress` now and then; False for no display. Default: a bar of tqdm, if
                it is installed and the error output is a terminal or notebook; else a line a minute.

        Raises:
            UnhashableArgumentError: A point cannot be part of a key; the message has its index. Nothing was run.
            TypeError: The function does not take the arguments of a point.

        Example:
            >>> sweep = train.map(grid(lr=[0.1, 0.01], global_seed=range(5)), executor=8)   # doctest: +SKIP
            >>> print(sweep)                                                                # doctest: +SKIP
            train: 10 points, 4 cached, 6 to compute (about 3 min on 6 workers)
            >>> frame = sweep.to_pandas()                                                   # doctest: +SKIP
        """
        options = {
            "executor": executor,
            "on_error": on_error,
            "retries": retries,
            "progress": progress,
        }
        sweep: Sweep[Any] = hooks().make_map()(self, (), points, **options)
        return sweep

    @overload
    def starmap(
        self: _CoroutineMemo[S_co],
        points: Iterable[Any],
        **options: Unpack[SweepOptions],
    ) -> Sweep[S_co]: ...
    @overload
    def starmap(
        self,
        points: Iterable[Any],
        **options: Unpack[SweepOptions],
    ) -> Sweep[R]: ...
    def starmap(
        self,
        points: Iterable[Any],
        *,
        executor: Any = None,
        on_error: Literal["raise", "collect"] = "raise",
        retries: int = 0,
        progress: Show = None,
    ) -> Sweep[Any]:
        """Plans calls as `map` does, from whole points: tuples become ``*args``, mappings ``**kwargs``.

        Args:
            points: The points, such as ``frame.to_dict("records")``.
            executor: As for `map`, like the other options and errors.
            on_error: As for `map`.
            retries: As for `map`.
            progress: As for `map`.
        """
        options = {
            "executor": executor,
            "on_error": on_error,
            "retries": retries,
            "progress": progress,
        }
        sweep: Sweep[Any] = hooks().make_starmap()(self, (), points, **options)
        return sweep

    # Statistics

    def cache_info(self) -> CacheInfo:
        """Returns statistics of this function in this process since its start or the last `cache_clear`."""
        reasons = self._core.uncached()
        return CacheInfo(*self._core.statistics(), sum(reasons.values()), reasons)

    def cache_clear(self) -> None:
        """Drops the results in memory, and the statistics. Results on disk stay; `forget` deletes them."""
        self._core.clear()

    @property
    def cache_path(self) -> Path:
        """The folder of the results of the current definition. It may not exist yet."""
        from pathlib import Path

        return Path(self._store.folder(self._function_name, self.definition))

    @property
    def definition(self) -> str:
        """The definition digest of the function: 40 hexadecimal characters, which change with each edit."""
        return self._core.definition(self)

    # Callbacks of the extension

    def _extras(self) -> tuple[object, ...]:
        self._extra = ()
        if self._options.depends_on:
            from funes._code import depends_on

            self._extra = depends_on.resolve(self._options.depends_on)
        return self._extra

    def _warn_of_opaque(self, text: str) -> None:
        text = f"{text}; it counts by its type only"
        self._degrade(text, text, UnhashableArgumentError(text))

    def _warn_of_unseen(self, counts_files: bool) -> None:
        """Warns of inputs of which no event tells, once. `counts_files`: also of those that stand for files."""
        from funes._call.unseen_inputs import SHOWN_ONLY, Input, unseen_inputs

        is_told = {
            Input.READERS: counts_files,
            Input.ENVIRONMENT: not self._options.depends_on,
        }
        for kind, uses in unseen_inputs(self._core.code(self), self._core.graph(self)).items():
            if kind not in SHOWN_ONLY and is_told.get(kind, True):
                self._warn_once(kind.name, kind.report(uses))

    # Entries

    @property
    def _store(self) -> Store:
        return self._core.store(self)

    def _open(self) -> Store:
        from funes._results import usage

        usage.register()
        return self._options.open(self._root)

    def _close(self) -> None:
        """Drops the open store, and the results from it that are in memory."""
        self._core.close()

    def _move(self, root: str) -> None:
        """Changes the cache folder."""
        self._root = root
        self._close()

    @property
    def _cache_root(self) -> str:
        """The absolute path of the cache folder, also if its store cannot be opened."""
        return self._core.root() or self._root or self._options.root()

    @property
    def _root_to_send(self) -> str:
        """The absolute cache folder for other processes.

        If the folder is relative to a working directory that was deleted, it is one that cannot exist: calls are
        computed and not stored there, as here.
        """
        try:
            return self._cache_root
        except OSError:
            return os.path.join(os.devnull, "no working directory")

    @property
    def _function_name(self) -> str:
        return self.__wrapped__.__name__

    @property
    def _identity(self) -> str:
        """The module and qualified name of the function. Functions with equal ``__name__`` share a folder."""
        from funes._entries.function_identity import identity_of

        return identity_of(self.__wrapped__)  # type: ignore[arg-type]

    def _degrade(self, kind: str, text: str, error: Exception) -> None:
        """Reports that the cache could not do its work: raises if the function is strict, else warns.

        Each kind is reported once per function, so that a loop over a full disk warns once. So is an error of the
        system that keeps a result from being read, and then from being stored.
        """
        if self._options.strict:
            raise error
        what = _warnings.one_line(error)
        if kind not in self._warned and what not in self._warned:
            self._warn_once(kind, text)
            self._warned.add(what)

    def _warn_once(self, kind: str, text: str) -> None:
        """Warns of a kind of event once per function."""
        if kind not in self._warned:
            self._warned.add(kind)
            _warnings.warn(f"{self.__qualname__}: {text}")

    def _is_sound(self, definition: str, arguments: str) -> bool:
        key = self._function_name, definition, arguments
        try:
            if self._options.max_age is not None:
                from funes._entries.age import is_entry_expired

                if is_entry_expired(self._store, key, self._options.max_age):
                    return False
            return self._core.read(self, definition, arguments, True) is not None
        except (DamagedEntryError, OSError):
            return False

    # As an object

    # Type checkers use `__get__` for a `@classmethod` and a `@staticmethod` as for methods.
    # Therefore the type of the result accepts all arguments if the memo is accessed on a class, or
    # on an instance that cannot be the first argument.
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Memo[..., R]: ...
    @overload
    def __get__(
        self: _Method[T_contra, Q, S_co], instance: T_contra, owner: type | None = None
    ) -> BoundMemo[Q, S_co]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> BoundMemo[..., R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else BoundMemo(self, instance)

    def __reduce__(self) -> Any:
        return hooks().reduce()(self)

    def __dask_tokenize__(self) -> object:
        # Dask treats tasks with equal tokens as the same task.
        return hooks().dask_token()(self)

    def __copy__(self) -> Memo[P, R]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Memo[P, R]:
        return self

    def __repr__(self) -> str:
        return f"<memorious {self.__wrapped__!r}>"

    def _repr_html_(self) -> str:
        from funes._memo.as_html import as_html

        return as_html(self)


def _mark_coroutine_function(memo: Any) -> None:
    """Lets `inspect` and `asyncio` recognize a memo as a coroutine function, as far as Python allows."""
    import inspect

    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(memo)
        return
    from asyncio import coroutines

    memo._is_coroutine = coroutines._is_coroutine  # type: ignore[attr-defined]
