"""What `memorious` can be told about a function."""

from __future__ import annotations

import errno
import operator
import os
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from funes._entries import signing
from funes._entries.cache_folder import absolute, is_url
from funes._funes import Store

#: Seconds of computing that are worth the milliseconds of a sync, or the tenths of one on a slow disk.
SYNC_AFTER_SECONDS = 1.0

#: Seconds without any processor time of the process that computes, after which a call that waits for it computes.
WAIT_SECONDS = 300.0

_DURABILITY: dict[str, float] = {
    "always": 0.0,
    "auto": SYNC_AFTER_SECONDS,
    "never": float("inf"),
}


class Options(NamedTuple):
    """The options of one memorious function, checked."""

    #: Where the results are kept; None: `FUNES_CACHE_DIR`, or `cache` in the working directory.
    cache_dir: str | None = None
    #: Names of parameters that are not part of the key.
    ignore: frozenset[str] = frozenset()
    #: Values that the definition depends on besides what its code shows.
    depends_on: tuple[Any, ...] = ()
    #: Whether to raise an error where the cache cannot do its work.
    strict: bool = False
    #: Whether a call waits for another one, wherever it runs, that computes the same.
    single_flight: bool = True
    #: After how many seconds without processor time of the holder a call no longer waits for it.
    wait: float = WAIT_SECONDS
    #: What entries are signed with; None: `FUNES_SIGNING_KEY`, if it is set.
    signing_key: signing.Secret | None = None
    #: How often a large entry is compared with its checksum: "always", "once" or "never".
    verify: str = "once"
    #: Results that took so many seconds to compute survive a power cut.
    durable_after: float = SYNC_AFTER_SECONDS
    #: Whether the group of the owner has access to what is created.
    shared: bool = False
    #: From how many bytes on an argument is stored once for all calls that have it.
    large_argument: int = 1 << 20
    #: How many bytes its results may take in memory; None: it shares the bound of the process.
    memory: int | None = None

    @classmethod
    def of(
        cls,
        *,
        cache_dir: str | os.PathLike[str] | None,
        ignore: str | Iterable[str],
        depends_on: Any,
        strict: bool,
        single_flight: bool,
        wait: float,
        signing_key: object,
        verify: str,
        durability: str | float,
        shared: bool,
        large_argument: int,
        memory: int | None,
    ) -> Options:
        """Options from what a user may reasonably write: one name for a tuple of one, a path of any kind.

        Raises:
            TypeError: An option has a value of a wrong type; the message names the option.
            ValueError: An option has a value that it cannot have.
        """
        if verify not in ("always", "once", "never"):
            raise ValueError(f'verify must be "always", "once" or "never", not {verify!r}')
        seconds: object = wait
        if type(seconds) not in (int, float) or not wait >= 0:
            raise ValueError(f"wait must be a number of seconds, 0 or more, not {wait!r}")
        return cls(
            cache_dir=None if cache_dir is None else _folder("cache_dir", cache_dir),
            ignore=_names("ignore", ignore),
            depends_on=_dependencies(depends_on),
            strict=_switch("strict", strict),
            single_flight=_switch("single_flight", single_flight),
            wait=float(wait),
            signing_key=None if signing_key is None else signing.checked(signing_key),
            verify=verify,
            durable_after=_durable_after(durability),
            shared=_switch("shared", shared),
            large_argument=_bytes("large_argument", large_argument),
            memory=None if memory is None else _bytes("memory", memory),
        )

    def open(self, root: str | None = None) -> Store:
        """The store in the cache folder, or in the folder that another process had for it.

        Raises:
            OSError: It is a URL.
        """
        root = root or self.root()
        if is_url(root):
            raise NotADirectoryError(
                errno.ENOTDIR, "FUNES_CACHE_DIR must be a folder, not a URL", root
            )
        key = (
            self.signing_key.reveal()
            if self.signing_key is not None
            else signing.from_environment()
        )
        return Store(root, key=key, shared=self.shared, verify=self.verify)

    def is_durable(self, seconds: float) -> bool:
        """Whether a result that took so long to compute must survive a power cut."""
        return seconds >= self.durable_after

    def root(self) -> str:
        """The absolute path of the cache folder, as things stand now; a URL if `FUNES_CACHE_DIR` holds one."""
        return absolute(self.cache_dir)


def _folder(option: str, value: Any) -> str:
    folder = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(folder, str):
        raise TypeError(f"{option} must be a folder, a str or a path, not {value!r}")
    if is_url(folder):
        raise ValueError(f"{option} must be a folder, and {folder!r} is a URL")
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
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{option} must be a number of bytes, not {value!r}")
    return min(max(0, operator.index(value)), sys.maxsize)


def _durable_after(value: Any) -> float:
    if isinstance(value, str) and value in _DURABILITY:
        return _DURABILITY[value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
        return float(value)
    raise ValueError(f'durability must be "auto", "always", "never" or seconds, not {value!r}')


def _dependencies(depends_on: Any) -> tuple[Any, ...]:
    several = tuple(depends_on) if isinstance(depends_on, (tuple, list)) else (depends_on,)
    if not several:
        return ()
    from funes._code.depends_on import taken

    return taken(several)
