"""What `memorious` can be told about a function."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
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

    @classmethod
    def of(
        cls,
        cache_dir: str | os.PathLike[str] | None,
        ignore: str | Iterable[str],
        depends_on: Any,
        strict: bool,
        once: bool,
    ) -> Options:
        """Options from what a user may reasonably write: one name for a tuple of one, a path of any kind."""
        return cls(
            cache_dir=None if cache_dir is None else os.fspath(cache_dir),
            ignore=frozenset((ignore,) if isinstance(ignore, str) else ignore),
            depends_on=tuple(depends_on)
            if isinstance(depends_on, (tuple, list))
            else (depends_on,),
            strict=bool(strict),
            once=bool(once),
        )

    def root(self) -> str:
        """The absolute path of the cache folder, as things stand now."""
        folder = self.cache_dir or os.environ.get("FUNES_CACHE_DIR") or "cache"
        return os.path.abspath(os.path.expanduser(folder))
