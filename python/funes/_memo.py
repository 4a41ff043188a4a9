"""A memorious function: what happens around the call that the extension does not do itself."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar, overload

from funes import _depends, _graph, _objects, _pickling, _seed, _travel, _warn
from funes._bound import BoundMemo
from funes._definition import remember_text
from funes._funes import Call, Core, Store, memo_type
from funes._once import Hold
from funes._origin import declare_own, is_own
from funes._run import Run
from funes.errors import (
    DamagedEntryError,
    FunesError,
    UnhashableArgumentError,
    UnpicklableResultError,
)

if TYPE_CHECKING:
    from funes._options import Options

__all__ = ["CacheInfo", "Key", "Memo"]

P = ParamSpec("P")
R = TypeVar("R")


class Key(NamedTuple):
    """What a call is remembered by."""

    #: 40 hexadecimal characters that stand for the function's definition.
    definition: str
    #: 40 hexadecimal characters that stand for the arguments.
    arguments: str
    #: The file of the entry, whether it exists or not.
    path: Path


class _Missing:
    """There is no entry; None would be a result like any other."""


_MISSING = _Missing()


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


@memo_type
class Memo(Generic[P, R]):
    """A function that remembers; made by `memorious`.

    It is called like the function it wraps, which is ``__wrapped__``. The call itself is the extension's: `memo_type`
    derives the class of that name from this one, see rust/py/src/memo_type.rs.
    """

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
        _described: set[str]

    @staticmethod
    def make_core(function: FunctionType, options: Options) -> Core:
        """What the extension needs to know about a function."""
        return Core(function, options.ignore, options.memory)

    def __init__(self, function: FunctionType, options: Options) -> None:
        functools.update_wrapper(self, function)
        self._options = options
        #: The cache folder, where another process has settled it.
        self._root = None
        self._warned = set()
        self._described = set()
        if inspect.iscoroutinefunction(function):
            _mark_coroutine_function(self)
        # A library that remembers its own functions means their code to count, not their names.
        if not is_own(function.__module__ or "", function.__code__.co_filename):
            declare_own((function.__module__ or "").partition(".")[0])
        # The file may be edited before the first call; the text that is running is the one of now.
        remember_text(function)

    if TYPE_CHECKING:

        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        @overload
        def __call__(self, *args: Any, global_seed: int | None, **kwargs: Any) -> R: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    # Beside the call

    def key(self, *args: Any, **kwargs: Any) -> Key:
        """What a call with these arguments is remembered by. The function is not run.

        Raises:
            UnhashableArgumentError: An argument cannot be part of a key.
            TypeError: The function does not take these arguments.
        """
        call = self._core.key(self, args, kwargs)
        path = self._store.path(self._function_name, call.definition, call.arguments)
        return Key(call.definition, call.arguments, Path(path))

    def is_cached(self, *args: Any, **kwargs: Any) -> bool:
        """Whether a call with these arguments is remembered: there is a sound entry. The function is not run.

        Raises:
            UnhashableArgumentError, TypeError: As `key`.
        """
        call = self._core.key(self, args, kwargs)
        try:
            return (
                self._store.read(self._function_name, call.definition, call.arguments) is not None
            )
        except (DamagedEntryError, OSError):
            return False

    def forget(self, *args: Any, **kwargs: Any) -> bool:
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

    def cache_info(self) -> CacheInfo:
        """What the cache has done for this function in this process, since its start or the last `cache_clear`."""
        return CacheInfo(*self._core.numbers())

    def cache_clear(self) -> None:
        """Drop the results that are kept in memory, and the numbers. Those on disk stay: see `forget`."""
        self._core.clear()

    @property
    def cache_path(self) -> Path:
        """The folder of the results of the present definition, whether it exists or not."""
        return Path(self._store.folder(self._function_name, self.definition))

    @property
    def definition(self) -> str:
        """The definition hash: 40 hexadecimal characters."""
        return self._core.definition(self)

    # What the extension calls

    def _call_missed(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None, call: Call) -> Any:
        if not call.is_absent:  # something is there that the extension leaves to us
            output = self._recall(call)
            if output is not _MISSING:
                return output
        hold = self._hold(call) if self._options.once else None
        if hold is None:
            return self._compute(args, kwargs, call)
        while True:
            with hold as ours:
                output = self._recall(call)
                if output is not _MISSING:
                    return output
                if ours:
                    return self._compute(args, kwargs, call)

    def _compute(self, args: Any, kwargs: Any, call: Call) -> Any:
        frozen, run = self._freeze(call), Run()
        output = self._run(args, kwargs, call.is_seeded, call.seed, run)
        self._keep(call, frozen, output, run)
        return output

    async def _call_async(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        try:
            call = self._core.key(self, args, kwargs)
        except FunesError as error:
            return await self._call_uncached(args, kwargs, error)
        output = self._recall(call)
        if output is not _MISSING:
            return output
        hold = self._hold(call) if self._options.once else None
        if hold is None:
            return await self._compute_async(args, kwargs, call)
        while True:
            async with hold as ours:
                output = self._recall(call)
                if output is not _MISSING:
                    return output
                if ours:
                    return await self._compute_async(args, kwargs, call)

    async def _compute_async(self, args: Any, kwargs: Any, call: Call) -> Any:
        frozen, run = self._freeze(call), Run()
        output = await self._run_async(args, kwargs, call.is_seeded, call.seed, run)
        self._keep(call, frozen, output, run)
        return output

    def _hold(self, call: Call) -> Hold | None:
        name = self._function_name
        try:
            folder = self._store.folder(name, call.definition)
        except OSError:  # there is no cache folder, as was said when it was looked for the entry
            return None
        if self._options.shared:
            # With the group's permissions, before the lock file creates it without.
            with suppress(OSError):
                self._store.prepare(name, call.definition)
        return Hold(folder, call.arguments)

    def _call_uncached(
        self, args: tuple[Any, ...], kwargs: dict[str, Any] | None, error: Exception
    ) -> Any:
        self._degrade("key", f"it ran uncached: {error}", error)
        is_seeded, seed = self._core.seed(args, kwargs)
        if is_seeded:
            seed = _seed.normalise(seed)
        run = self._run_async if inspect.iscoroutinefunction(self.__wrapped__) else self._run
        return run(args, kwargs, is_seeded, seed, Run())

    def _run(self, args: Any, kwargs: Any, is_seeded: bool, seed: int | None, run: Run) -> Any:
        self._core.count_miss()
        function = self.__wrapped__, args, self._core.plain(kwargs) or {}
        if is_seeded:
            modules = self._core.modules(self)
            output = _seed.run_seeded(seed, modules, run.call, function, {}, unsound=run.doubt)
        else:
            output = run.call(*function)
        self._core.count_seconds(run.seconds)
        return output

    async def _run_async(
        self, args: Any, kwargs: Any, is_seeded: bool, seed: int | None, run: Run
    ) -> Any:
        self._core.count_miss()
        function: Any = self.__wrapped__, args, self._core.plain(kwargs) or {}
        if is_seeded:
            modules = self._core.modules(self)
            output = await _seed.run_seeded_async(
                seed, modules, run.call_async, function, {}, unsound=run.doubt
            )
        else:
            output = await run.call_async(*function)
        self._core.count_seconds(run.seconds)
        return output

    @staticmethod
    def _normalise_seed(seed: object) -> int | None:
        return _seed.normalise(seed)

    def _extras(self) -> tuple[object, ...]:
        return _depends.resolve(self._options.depends_on)

    def _doubt(self, text: str) -> None:
        text = f"{text}; it counts by its type only"
        self._degrade(text, text, UnhashableArgumentError(text))

    # Entries

    @property
    def _store(self) -> Store:
        return self._core.store(self)

    def _open(self) -> Store:
        return self._options.open(self._root)

    def _close(self) -> None:
        """Let go of the store, and of the results of it that are in memory."""
        self._core.close()

    def _move(self, root: str) -> None:
        """Take another cache folder."""
        self._root = root
        self._close()

    def _pin(self, definition: str) -> None:
        """Take the definition hash that another process found for the same code."""
        self._core.pin(definition)

    @property
    def _cache_root(self) -> str:
        """The cache folder, whether its store can be opened or not."""
        return self._core.root() or self._root or self._options.root()

    @property
    def _function_name(self) -> str:
        return self.__wrapped__.__name__

    def _recall(self, call: Call) -> Any:
        """The stored output, or `_MISSING`. Raises nothing that the plain function would not, unless strict."""
        found = self._core.recall(self, call)
        if found is not None:
            return found[0]
        name = self._function_name
        try:
            entry = self._store.read(name, call.definition, call.arguments)
        except DamagedEntryError as error:
            self._set_aside(call, error)
            return _MISSING
        except OSError as error:
            self._degrade("read", f"{error}; it was computed again", error)
            return _MISSING
        if entry is None:
            return _MISSING
        try:
            return _pickling.load_entry(entry.body, entry.second, entry.buffers)["output"]
        except Exception as error:
            path = self._store.path(name, call.definition, call.arguments)
            reason = _warn.one_line(error)
            text = f"the result in {path} cannot be made again ({reason}); it was computed again"
            self._degrade("load", text, error)
            return _MISSING

    def _set_aside(self, call: Call, error: DamagedEntryError) -> None:
        try:
            moved = self._store.set_aside(self._function_name, call.definition, call.arguments)
            done = f"it was moved to {moved}" if moved else ""
        except OSError as refused:
            done = f"it could not be moved ({refused})"
        # Nothing is done where another process has put it right meanwhile.
        if done:
            self._degrade("damage", f"{error}; {done} and computed again", error)

    def _freeze(self, call: Call) -> _pickling.Frozen | None:
        try:
            return _pickling.freeze_inputs(call.inputs)
        except Exception as error:
            self._degrade_unstored(error)
            return None

    def _keep(self, call: Call, frozen: _pickling.Frozen | None, output: Any, run: Run) -> None:
        if run.trouble:
            error = FunesError(run.trouble)
            self._degrade("seed", f"the result was not stored: {run.trouble}", error)
            return
        if frozen is None:
            return
        try:
            store, durable = self._store, self._options.is_durable(run.seconds)
            limit = self._options.large_argument
            inputs, objects = _objects.refer(store, frozen, limit, durable)
            pickled = _pickling.dump_entry(inputs, output, run.seconds, objects)
            key = self._function_name, call.definition, call.arguments
            store.write(*key, *pickled, durable=durable)
            self._describe(call.definition)
            # What is in the store may be kept in memory too, as it is before the caller can change it.
            body = (
                pickled.body if isinstance(pickled.body, bytes) and pickled.second is None else None
            )
            self._core.remember(self, call, output, run.seconds, body)
        except Exception as error:
            self._degrade_unstored(error)

    def _describe(self, definition: str) -> None:
        """Say once what the definition consists of, beside its entries."""
        if definition in self._described or self._options.key is not None:
            return  # the text of a function whose decorator has a key may show it
        nodes = self._core.graph(self)
        if nodes:
            folder = Path(self._store.folder(self._function_name, definition))
            _graph.write_definition(folder, definition, nodes)
        self._described.add(definition)

    def _degrade_unstored(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, (FunesError, OSError)) else _warn.one_line(error)
        kind = "pickle" if isinstance(error, UnpicklableResultError) else "write"
        self._degrade(kind, f"the result was not stored: {reason}", error)

    def _degrade(self, kind: str, text: str, error: Exception) -> None:
        """Say that the cache could not do its work: by an error if the function is strict, else by a warning.

        One warning of each kind for a function: a loop over a full disk says so once.
        """
        if self._options.strict:
            raise error
        if kind not in self._warned:
            self._warned.add(kind)
            _warn.warn(f"{self.__qualname__}: {text}")

    # As an object

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else BoundMemo(self, instance)

    def __reduce__(self) -> Any:
        return _travel.reduce(self)

    def __copy__(self) -> Memo[P, R]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Memo[P, R]:
        return self

    def __repr__(self) -> str:
        return f"<memorious {self.__wrapped__!r}>"


def _mark_coroutine_function(memo: Any) -> None:
    """Let `inspect` and `asyncio` see a coroutine function, as far as this Python version can be told."""
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(memo)
        return
    from asyncio import coroutines

    memo._is_coroutine = coroutines._is_coroutine  # type: ignore[attr-defined]
