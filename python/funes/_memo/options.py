"""The options of `memorious`, checked and normalized."""

from __future__ import annotations

import difflib
import errno
import operator
import os
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from funes._entries import signing
from funes._entries.at_exit import at_exit
from funes._entries.cache_folder import absolute, is_url
from funes._entries.remote_url import checked_url
from funes._entries.settings import setting
from funes._entries.sizes import parse_size
from funes._funes import Store, close_segments
from funes.errors import CacheWarning, FunesError

if TYPE_CHECKING:
    from funes._funes import Growth

#: The computation time in seconds from which ``durability="auto"`` syncs a result. A sync takes
#: milliseconds, on slow disks tenths of a second.
SYNC_AFTER_SECONDS = 1.0

#: The default of ``wait=``: after the computing process has used no processor time for so many
#: seconds, a waiting call computes the result itself.
WAIT_SECONDS = 300.0

_DURABILITY_SECONDS: dict[str, float] = {
    "always": 0.0,
    "auto": SYNC_AFTER_SECONDS,
    "never": float("inf"),
}


class _Fields(NamedTuple):
    #: The cache folder. None: `FUNES_CACHE_DIR`, or `cache` in the working directory.
    cache_dir: str | None = None
    #: The names of the parameters that are not part of the key.
    ignore: frozenset[str] = frozenset()
    #: Values that the definition depends on, in addition to those that the code shows.
    depends_on: tuple[Any, ...] = ()
    #: True if a failure of the cache raises an error.
    strict: bool = False
    #: True if a call waits for another call that computes the same key in any thread, task or
    #: process.
    single_flight: bool = True
    #: The number of seconds after which a call stops waiting for a process that uses no processor
    #: time.
    wait: float = WAIT_SECONDS
    #: The secret that signs entries. None: `FUNES_SIGNING_KEY`, if it is set.
    signing_key: signing.Secret | None = None
    #: How often a large entry is compared with its checksum: "always", "once" or "never".
    verify: str = "once"
    #: The computation time in seconds from which a result survives a power cut.
    durability: float = SYNC_AFTER_SECONDS
    #: True if the owner's group can access created files and folders.
    shared: bool = False
    #: A size in bytes. An argument with a larger pickle is stored once for all calls that have it.
    large_argument: int = 1 << 20
    #: "track" if the files that the function reads count, "ignore" if they do not.
    files: str = "track"
    #: The maximum size in bytes of the results in memory. None: the function shares the limit of
    #: the process.
    memory: int | None = None
    #: The age in seconds from which an entry is expired. None: never.
    max_age: float | None = None
    #: A predicate on a result and its run time in seconds; a result is stored only if it is true.
    cache_if: Callable[[Any, float], object] | None = None
    #: The types of the exceptions that are stored. None in a payload, which has their names.
    remember_errors: tuple[type[Exception], ...] | None = ()
    #: True if small results are stored in segments. None: `FUNES_PACKED`, if it is set.
    packed: bool | None = None
    #: The maximum size in bytes of the cache folder. None: `FUNES_MAX_BYTES`, if it is set.
    max_bytes: int | None = None
    #: The URL of the remote cache; "" for none. None: `FUNES_REMOTE`, if it is set.
    remote: str | None = None


class Options(_Fields):
    """The options of one memorious function.

    The constructor accepts several forms of a value, such as one name in place of a tuple of names,
    or a path of any type. Options that are not given have their defaults.

    Raises:
        TypeError: The value of an option has a wrong type. The message names the option.
        ValueError: The value of an option is not allowed. The message names the option.

    Example:
        >>> options = Options(ignore="verbose", durability="never")
        >>> options.ignore, options.durability
        (frozenset({'verbose'}), inf)
    """

    __slots__ = ()

    def __new__(cls, **given: Any) -> Options:
        values = {name: _CHECKS[name](name, value) for name, value in given.items()}
        return super().__new__(cls, **values)

    def __reduce__(self) -> Any:
        # `_restore` does not check the values again. It is a function, since dill pickles the code
        # of methods.
        return _restore, tuple(self)

    def open(self, root: str | None = None) -> Store:
        """Opens the store in the cache folder.

        Args:
            root: The absolute cache folder of the process that submitted the call; None in that process itself.

        Raises:
            OSError: The folder is a URL.
        """
        root = root or self.root()
        if is_url(root):
            raise NotADirectoryError(
                errno.ENOTDIR,
                f"FUNES_CACHE_DIR must be a folder, not the URL {root!r}: FUNES_REMOTE shares results in a bucket",
            )
        key = (
            self.signing_key.reveal()
            if self.signing_key is not None
            else signing.from_environment()
        )
        packed = self.packed
        if packed is None:
            packed = bool(setting("FUNES_PACKED"))
        if packed:
            at_exit(close_segments)
        remote = setting("FUNES_REMOTE") if self.remote is None else self.remote
        return Store(
            root,
            key=key,
            shared=self.shared,
            verify=self.verify,
            packed=packed,
            growth=self._growth(root, key),
            remote=remote or None,
        )

    def _growth(self, root: str, key: bytes | None) -> Growth | None:
        bound = self.max_bytes or setting("FUNES_MAX_BYTES")
        if not bound:
            return None
        from funes._results import size_bound

        return size_bound.growth_below(root, bound, key=key, shared=self.shared)

    def is_durable(self, seconds: float) -> bool:
        """Returns whether a result that took so many seconds to compute must survive a power cut."""
        return seconds >= self.durability

    def root(self) -> str:
        """Returns the absolute cache folder, or the URL that `FUNES_CACHE_DIR` holds."""
        return absolute(self.cache_dir)


def _restore(*values: Any) -> Options:
    return Options._make(values)


def _folder(option: str, value: Any) -> str:
    folder = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(folder, str):
        raise TypeError(f"{option} must be a folder, a str or a path, not {value!r}")
    if is_url(folder):
        raise ValueError(
            f"{option} must be a folder, and {folder!r} is a URL: use remote= for a bucket, beside a cache folder"
        )
    return folder


def _names(option: str, value: Any) -> frozenset[str]:
    names = (value,) if isinstance(value, str) else value
    if isinstance(names, Iterable):
        names = tuple(names)
        if all(isinstance(name, str) for name in names):
            return frozenset(names)
    raise TypeError(f"{option} must be the name of a parameter, or several, not {value!r}")


def _switch(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{option} must be True or False, not {value!r}")
    return value


def _bytes(option: str, value: Any) -> int:
    if isinstance(value, str):
        try:
            return parse_size(value)
        except ValueError as error:
            raise ValueError(f"{option}: {error}") from error
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{option} must be a size such as 64M or a number of bytes, not {value!r}")
    return min(max(0, operator.index(value)), sys.maxsize)


def _size(option: str, value: Any) -> int:
    size = _bytes(option, value)
    if size < 1:
        raise ValueError(f"{option} must be at least one byte, not {value!r}")
    return size


def _seconds(option: str, value: Any) -> float:
    if type(value) not in (int, float) or not value >= 0:
        raise ValueError(f"{option} must be a number of seconds, 0 or more, not {value!r}")
    return float(value)


def _age(option: str, value: Any) -> float:
    return _seconds(option, value.total_seconds() if isinstance(value, timedelta) else value)


def _predicate(option: str, value: Any) -> Any:
    if not callable(value):
        raise TypeError(
            f"{option} must be a function of a result and its run time in seconds, not {value!r}"
        )
    import inspect  # here, since few functions have a predicate

    if inspect.iscoroutinefunction(value):
        raise TypeError(
            f"{option} must be a plain function, not `async def`: a coroutine is always true"
        )
    return value


def _exceptions(option: str, value: Any) -> tuple[type[Exception], ...]:
    is_one = isinstance(value, type) or not isinstance(value, Iterable)
    several = (value,) if is_one else tuple(value)
    for each in several:
        if not isinstance(each, type) or not issubclass(each, BaseException):
            raise TypeError(f"{option} must be an exception class, or several, not {each!r}")
        if not issubclass(each, Exception):
            raise ValueError(
                f"{option} must name subclasses of Exception: a {each.__qualname__} ends the program or the task, and"
                " is no outcome of the function"
            )
        if issubclass(each, (FunesError, CacheWarning)):
            raise ValueError(
                f"{option} must not name {each.__qualname__}: errors of funes are never stored"
            )
    return tuple(dict.fromkeys(several))


def _durability(option: str, value: Any) -> float:
    if isinstance(value, str) and value in _DURABILITY_SECONDS:
        return _DURABILITY_SECONDS[value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
        return float(value)
    raise ValueError(f'{option} must be "auto", "always", "never" or seconds, not {value!r}')


def _verification(option: str, value: Any) -> str:
    if value not in ("always", "once", "never"):
        raise ValueError(f'{option} must be "always", "once" or "never", not {value!r}')
    return str(value)


def _files(option: str, value: Any) -> str:
    if value not in ("track", "ignore"):
        raise ValueError(f'{option} must be "track" or "ignore", not {value!r}')
    return str(value)


def _dependencies(_option: str, value: Any) -> tuple[Any, ...]:
    several = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if not several:
        return ()
    from funes._code.depends_on import parse

    return parse(several)


def _url(option: str, value: Any) -> str:
    url = checked_url(option, value)
    if url:
        from importlib.util import find_spec

        if find_spec("obstore") is None:
            raise ImportError(f"{option}= needs obstore: pip install 'funes[remote]'")
    return url


def _optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda option, value: None if value is None else check(option, value)


#: One function per option. It returns the normalized value, or raises.
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "cache_dir": _optional(_folder),
    "ignore": _names,
    "depends_on": _dependencies,
    "strict": _switch,
    "single_flight": _switch,
    "wait": _seconds,
    "signing_key": _optional(lambda _, value: signing.checked(value)),
    "verify": _verification,
    "durability": _durability,
    "shared": _switch,
    "large_argument": _bytes,
    "files": _files,
    "memory": _optional(_bytes),
    "max_age": _optional(_age),
    "cache_if": _optional(_predicate),
    "remember_errors": _exceptions,
    "packed": _optional(_switch),
    "max_bytes": _optional(_size),
    "remote": _optional(_url),
}

#: Options of other libraries, and what to write instead.
_FOREIGN: dict[str, str] = {
    **dict.fromkeys(
        (
            "base_dir",
            "cache",
            "cache_dir_path",
            "cache_folder",
            "cachedir",
            "directory",
            "folder",
            "location",
            "path",
        ),
        'cache_dir="..."',
    ),
    **dict.fromkeys(
        ("expire", "expire_after", "expires", "max_age_seconds", "stale_after", "timeout", "ttl"),
        "max_age=, in seconds or as a timedelta",
    ),
    **dict.fromkeys(
        ("cache_validation_callback", "condition", "should_cache", "unless"),
        "cache_if=, a function of the result and the run time in seconds",
    ),
    **dict.fromkeys(
        ("bytes_limit", "disk_limit", "size_limit"),
        'max_bytes=, the size of the cache folder in bytes or as a text such as "10G"',
    ),
    **dict.fromkeys(
        ("cache_size", "max_entries", "max_size", "maxsize"),
        "memory=, the size of the results in memory in bytes, or max_bytes=, the size of the cache folder",
    ),
    **dict.fromkeys(
        ("exclude", "ignore_args", "ignored"), 'ignore="name", the names of parameters'
    ),
    **dict.fromkeys(
        ("force", "invalidate", "overwrite", "recalculate", "recompute", "refresh", "reset"),
        'f.refresh(...) for one result, or funes.mode("refresh")',
    ),
    **dict.fromkeys(
        ("disable", "disabled", "enabled", "no_cache"), 'funes.mode("off") or FUNES_MODE=off'
    ),
    **dict.fromkeys(
        ("hash_funcs", "hasher", "key", "key_func", "key_function", "key_maker"),
        "funes.register or a method __funes_key__, which say what a value is",
    ),
    **dict.fromkeys(
        ("cache_errors", "cache_exceptions", "cached_exceptions", "exceptions"),
        "remember_errors=, the types of the exceptions that are stored",
    ),
    **dict.fromkeys(("tag", "version"), "depends_on=, which adds inputs to the key"),
    **dict.fromkeys(
        ("backend", "compress", "mmap_mode", "pickle_protocol", "pickler", "serializer"),
        "leave it out: large arrays are mapped, and the format of the files is fixed",
    ),
    "lock": "single_flight=, which is on by default",
    "logger": "FUNES_LOG=info",
    "seed": "global_seed= at the call",
    "typed": "leave it out: arguments of different types always have different keys",
    "verbose": "FUNES_LOG=info, which logs each miss",
    "wait_for_calculation_timeout": "wait=, in seconds",
}


def unknown_option(name: str) -> str:
    """Returns the message of the error for an option that does not exist."""
    text = f"memorious() got an unexpected keyword argument {name!r}"
    if name in _FOREIGN:
        advice = _FOREIGN[name]
        return f"{text}: {advice if advice.startswith('leave') else f'write {advice}'}"
    near = difflib.get_close_matches(name, _CHECKS, n=1)
    return (
        f"{text}. Did you mean {near[0]}=?"
        if near
        else f"{text}; the options are {', '.join(_CHECKS)}"
    )
