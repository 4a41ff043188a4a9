"""What `memorious` can be told about a function."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from funes._entries import secret
from funes._funes import Store

__all__ = ["Options"]

#: Seconds of computing that are worth the milliseconds of a sync, or the tenths of one on a slow disk.
WORTH_SYNCING = 1.0

#: Seconds without any processor time of the process that computes, after which a call that waits for it computes.
WAIT = 300.0

_DURABILITY: dict[object, float] = {
    "always": 0.0,
    "auto": WORTH_SYNCING,
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
    once: bool = True
    #: After how many seconds without processor time of the holder a call no longer waits for it.
    wait: float = WAIT
    #: What entries are signed with; None: `FUNES_KEY`, if it is set.
    key: secret.Secret | None = None
    #: How often a large entry is compared with its checksum: "always", "once" or "never".
    verify: str = "once"
    #: Results that took so many seconds to compute survive a power cut.
    durable_after: float = WORTH_SYNCING
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
        once: bool,
        wait: float,
        key: object,
        verify: str,
        durability: str | float,
        shared: bool,
        large_argument: int,
        memory: int | None,
    ) -> Options:
        """Options from what a user may reasonably write: one name for a tuple of one, a path of any kind."""
        if verify not in ("always", "once", "never"):
            raise ValueError(f'verify must be "always", "once" or "never", not {verify!r}')
        durable_after = _DURABILITY.get(durability, durability)
        if not isinstance(durable_after, (int, float)):
            raise ValueError(
                f'durability must be "auto", "always", "never" or seconds, not {durability!r}'
            )
        seconds: object = wait
        if type(seconds) not in (int, float) or not wait >= 0:
            raise ValueError(f"wait must be a number of seconds, 0 or more, not {wait!r}")
        return cls(
            cache_dir=None if cache_dir is None else os.fspath(cache_dir),
            ignore=frozenset((ignore,) if isinstance(ignore, str) else ignore),
            depends_on=_dependencies(depends_on),
            strict=bool(strict),
            once=bool(once),
            wait=float(wait),
            key=None if key is None else secret.checked(key),
            verify=verify,
            durable_after=durable_after,
            shared=bool(shared),
            large_argument=min(max(0, int(large_argument)), sys.maxsize),
            memory=None if memory is None else min(max(0, int(memory)), sys.maxsize),
        )

    def open(self, root: str | None = None) -> Store:
        """The store in the cache folder, or in the folder that another process had for it."""
        key = self.key.reveal() if self.key is not None else secret.from_environment()
        return Store(root or self.root(), key=key, shared=self.shared, verify=self.verify)

    def is_durable(self, seconds: float) -> bool:
        """Whether a result that took so long to compute must survive a power cut."""
        return seconds >= self.durable_after

    def root(self) -> str:
        """The absolute path of the cache folder, as things stand now."""
        folder = self.cache_dir or os.environ.get("FUNES_CACHE_DIR") or "cache"
        return os.path.abspath(os.path.expanduser(folder))


def _dependencies(depends_on: Any) -> tuple[Any, ...]:
    several = tuple(depends_on) if isinstance(depends_on, (tuple, list)) else (depends_on,)
    if not several:
        return ()
    from funes._definitions import depends

    return depends.taken(several)
