"""A memorious function: all of it but the call, which is the extension's, see `miss` for where that leads.

Little is imported here, so that a program which defines memorious functions starts as fast as without them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    NamedTuple,
    ParamSpec,
    TypeVar,
    overload,
)

from funes import _warnings
from funes._code import source_cache
from funes._funes import Core, Store, hooks, memo_type
from funes._memo.autoreload import register_with_autoreload
from funes._memo.bound_method import BoundMemo
from funes._memo.key import Key
from funes.errors import DamagedEntryError, UnhashableArgumentError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    from funes._memo.options import Options
    from funes._tools.adopt.result import AdoptionResult
    from funes._tools.explain.explanation import Explanation

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S_co = TypeVar("S_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class CacheInfo(NamedTuple):
    """What the cache of a function has done in this process.

    Example:
        >>> CacheInfo(2, 1, 1, 3.5, 10.5, 456).saved_seconds
        10.5
    """

    #: Calls whose results were found in memory.
    memory_hits: int
    #: Calls whose results were read from disk.
    disk_hits: int
    #: Calls that ran the function.
    misses: int
    #: How long those took, in seconds.
    computed_seconds: float
    #: How long the function would have taken for the hits, as it once did.
    saved_seconds: float
    #: About how much memory the results take, in bytes.
    memory_bytes: int


if TYPE_CHECKING:

    class _Method(Protocol[T_contra, Q, S_co]):
        """A `Memo` whose first parameter is a T."""

        def _plain(self) -> Callable[Concatenate[T_contra, Q], S_co]: ...


@memo_type
class Memo(Generic[P, R]):
    """A function that remembers; made by `memorious`.

    It is called like the function it wraps, which is ``__wrapped__``.

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

    # The call itself is the extension's: `memo_type` derives the class of that name from this one, see
    # rust/py/src/memo_type.rs.

    if not TYPE_CHECKING:
        # What an instance has is for the extension to say.
        __slots__ = ()
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
        #: Of code that came by value: what it came as, and is sent on as.
        _arrived: tuple[Any, ...] | None
        #: The texts of the main program of the process that sent the function.
        _mains: bytes

    @staticmethod
    def _make_core(function: FunctionType, options: Options) -> Core:
        """What the extension needs to know about a function."""
        return Core(function, options)

    def __init__(self, function: FunctionType, options: Options) -> None:
        functools.update_wrapper(self, function, updated=())
        # The function's own attributes, but for those that would hide what this class has: see them at `__wrapped__`.
        self.__dict__.update(
            {name: value for name, value in function.__dict__.items() if not hasattr(Memo, name)}
        )
        self.__wrapped__ = function
        self._options = options
        #: The cache folder, where another process has settled it.
        self._root = None
        self._warned = set()
        #: Definitions that were described beside their entries.
        self._described = {}
        #: What `depends_on=` came to when the definition was last found.
        self._extra = None
        #: What pickle stored of it, for `travel` alone: the next pickle is the same.
        self._sent = {}
        self._arrived = None
        self._mains = b""
        if self._core.is_async:
            _mark_coroutine_function(self)
        # The file may be edited before the first call; the text that is running is the one of now.
        source_cache.remember(function)
        register_with_autoreload(Memo)

    if TYPE_CHECKING:

        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        @overload
        def __call__(self, *args: Any, global_seed: int | None, **kwargs: Any) -> R: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

        # For `_Method`: checkers make different things of a function that is an attribute.
        def _plain(self) -> Callable[P, R]: ...

    # Beside the call

    def key(self, /, *args: Any, **kwargs: Any) -> Key:
        """What a call with these arguments is remembered by. The function is not run.

        Raises:
            UnhashableArgumentError: An argument cannot be part of a key.
            TypeError: The function does not take these arguments.
        """
        from pathlib import Path

        call = self._core.key(self, args, kwargs)
        path = self._store.path(self._function_name, call.definition, call.arguments)
        return Key(call.definition, call.arguments, Path(path))

    def is_cached(self, /, *args: Any, **kwargs: Any) -> bool:
        """Whether a call with these arguments is remembered: there is a sound entry. The function is not run.

        Raises:
            UnhashableArgumentError, TypeError: As `key`.
        """
        call = self._core.key(self, args, kwargs)
        return self._is_sound(call.definition, call.arguments)

    def forget(self, /, *args: Any, **kwargs: Any) -> bool:
        """Delete what is remembered of a call with these arguments. The function is not run.

        Returns:
            Whether there was anything to delete.

        Raises:
            UnhashableArgumentError, TypeError: As `key`.
            OSError: The file cannot be deleted.
        """
        call = self._core.key(self, args, kwargs)
        self._core.forget(call)
        return self._store.remove(self._function_name, call.definition, call.arguments)

    def explain(self, /, *args: Any, **kwargs: Any) -> Explanation:
        """Why a call with these arguments is remembered, or is not. The function is not run.

        Returns:
            An `Explanation`. It prints well: where the result is; or what changed in the definition since the latest
            other version, as a diff; or where the arguments differ from the nearest of the hundred calls that were
            stored last; or what is the matter with the entry.

        Raises:
            TypeError: The function does not take these arguments.

        Example:
            >>> train.explain(lr=0.01)                                                    # doctest: +SKIP
            train: not remembered: it was called with other arguments only
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
        """Copy the results of an earlier version to the present one, after an edit that changed no result.

        Nothing is computed, and nothing of the earlier version is changed. The copies are entries like any others: they
        stay when the earlier version is deleted. What is stored under it later needs another `adopt`. docs/reuse-results.md
        tells more.

        Args:
            old: The hash of the earlier version, or its beginning: the name of a folder beside `cache_path`.
            add: Parameters that are new, and the value that each of them had, so to say, before there was one.
            rename: Old name of a parameter -> new name.
            drop: Parameters, or the one, that the present version has no more, or ignores.
            function: The name that the function had, if it was renamed or moved: ``"train"``, or ``"mine.train"`` if
                several have it.

        Returns:
            How many results were copied, and which could not be, with the reason: those whose input was not stored.

        Raises:
            AdoptionError: There is no such version, or it is another function's; a parameter is unaccounted for; two
                old results would be one (the message names both).
            OSError: A result cannot be stored; those before it stay.

        Example:
            >>> train.adopt("3f2a", add={"activation": "relu"}, rename={"lr": "rate"})    # doctest: +SKIP
            copied 12 results of 3f2a9c0d1e2f to 77b0c1d2e3f4
        """
        adopted: AdoptionResult = hooks().adopt()(
            self, old, add=add, rename=rename, drop=drop, function=function
        )
        return adopted

    def cache_info(self) -> CacheInfo:
        """What the cache has done for this function in this process, since its start or the last `cache_clear`."""
        return CacheInfo(*self._core.numbers())

    def cache_clear(self) -> None:
        """Drop the results that are kept in memory, and the numbers. Those on disk stay: see `forget`."""
        self._core.clear()

    @property
    def cache_path(self) -> Path:
        """The folder of the results of the present definition, whether it exists or not."""
        from pathlib import Path

        return Path(self._store.folder(self._function_name, self.definition))

    @property
    def definition(self) -> str:
        """What stands for the definition of the function, 40 hexadecimal characters: another one after each edit."""
        return self._core.definition(self)

    # What the extension asks for

    def _extras(self) -> tuple[object, ...]:
        self._extra = ()
        if self._options.depends_on:
            from funes._code import depends_on

            self._extra = depends_on.resolve(self._options.depends_on)
        return self._extra

    def _doubt(self, text: str) -> None:
        text = f"{text}; it counts by its type only"
        self._degrade(text, text, UnhashableArgumentError(text))

    # Entries

    @property
    def _store(self) -> Store:
        return self._core.store(self)

    def _open(self) -> Store:
        from funes._results import usage

        usage.register()
        return self._options.open(self._root)

    def _close(self) -> None:
        """Let go of the store, and of the results of it that are in memory."""
        self._core.close()

    def _move(self, root: str) -> None:
        """Take another cache folder."""
        self._root = root
        self._close()

    @property
    def _cache_root(self) -> str:
        """The cache folder, whether its store can be opened or not."""
        return self._core.root() or self._root or self._options.root()

    @property
    def _function_name(self) -> str:
        return self.__wrapped__.__name__

    @property
    def _identity(self) -> str:
        """Module and qualified name: functions of one ``__name__`` share a folder."""
        from funes._entries.function_identity import identity_of

        return identity_of(self.__wrapped__)  # type: ignore[arg-type]

    def _degrade(self, kind: str, text: str, error: Exception) -> None:
        """Say that the cache could not do its work: by an error if the function is strict, else by a warning.

        One warning of each kind for a function: a loop over a full disk says so once.
        """
        if self._options.strict:
            raise error
        self._say(kind, text)

    def _say(self, kind: str, text: str) -> None:
        """Warn of what the cache does, once for a function."""
        if kind not in self._warned:
            self._warned.add(kind)
            _warnings.warn(f"{self.__qualname__}: {text}")

    def _is_sound(self, definition: str, arguments: str) -> bool:
        try:
            return self._store.read(self._function_name, definition, arguments) is not None
        except (DamagedEntryError, OSError):
            return False

    # As an object

    # Type checkers ask this of a `@classmethod` and a `@staticmethod` too, as of methods. So whatever is found
    # on a class, or on an instance that cannot be the first argument, is taken to accept all arguments.
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
        # Dask takes tasks of equal tokens for one.
        return hooks().dask_token()(self)

    def __copy__(self) -> Memo[P, R]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Memo[P, R]:
        return self

    def __repr__(self) -> str:
        return f"<memorious {self.__wrapped__!r}>"


def _mark_coroutine_function(memo: Any) -> None:
    """Let `inspect` and `asyncio` see a coroutine function, as far as this Python version can be told."""
    import inspect

    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(memo)
        return
    from asyncio import coroutines

    memo._is_coroutine = coroutines._is_coroutine  # type: ignore[attr-defined]
