"""Exceptions and warnings of funes.

::

    Exception
     └─ FunesError
         ├─ UnhashableArgumentError   (also a TypeError)
         ├─ UnpicklableResultError    (also a TypeError)
         ├─ DamagedEntryError         (also a ValueError)
         ├─ AdoptionError             (also a ValueError)
         ├─ CacheMissError            (also a LookupError)
         ├─ DefinitionMismatch        (also a RuntimeError)
         └─ SweepError                (also a RuntimeError)
             └─ WorkerDied
    UserWarning
     └─ CacheWarning

Of these errors, a memorious call raises only `DefinitionMismatch`, and `CacheMissError` in the mode ``"offline"``. If
the cache fails in another way, the call runs the function, returns its value and emits one `CacheWarning`.
`hash_value`, `hash_definition`, `f.key`, `f.adopt` and similar functions raise the other errors, since they have no
function to run instead.

This module imports nothing, since all other modules may need it.
"""

from __future__ import annotations

__all__ = [
    "AdoptionError",
    "CacheMissError",
    "CacheWarning",
    "DamagedEntryError",
    "DefinitionMismatch",
    "FunesError",
    "SweepError",
    "UnhashableArgumentError",
    "UnpicklableResultError",
    "WorkerDied",
]


class FunesError(Exception):
    """Base class of all errors of funes."""


class UnhashableArgumentError(FunesError, TypeError):
    """Raised for a value that cannot be part of a key. The message names the place of the value and what to do.

    Raised by `hash_value`, `hash_definition`, `f.key`, `f.is_cached` and `f.forget`.
    """


class UnpicklableResultError(FunesError, TypeError):
    """Raised for a result that neither pickle nor dill can write. The message names its type and the reason."""


class DamagedEntryError(FunesError, ValueError):
    """Raised for a stored file whose bytes differ from those that were written. The message names file and defect."""


class AdoptionError(FunesError, ValueError):
    """Raised for results of another version that cannot be adopted. The message names the obstacle.

    Raised by `f.adopt`.
    """


class CacheMissError(FunesError, LookupError):
    """Raised by a call whose result is not stored, in the mode ``"offline"``. The message names the reason.

    See `mode`.
    """


class DefinitionMismatch(FunesError, RuntimeError):  # noqa: N818  # the name of a state, as in the docs
    """Raised if this process has other code than the process that submitted a call. Nothing was run or stored.

    Raised by calls of memorious functions that were sent to another process, such as a worker of a
    pool or a node of a cluster. The message names what differs, the values or files of both
    processes, and the remedy. See docs/clusters.md.
    """


class SweepError(FunesError, RuntimeError):
    """A sweep that cannot go on, or an exception of a point that could not be pickled.

    Raised by a `Sweep` if its executor is broken. The message says how many points are stored; the
    same line with a new executor computes the rest.
    """


class WorkerDied(SweepError):  # noqa: N818  # the name of an event, as in the docs
    """A point whose computation ended its worker again and again. The rest of the sweep was computed."""

    def __init__(self, message: str, point: object = None, signal: int | None = None) -> None:
        super().__init__(message, point, signal)
        #: The point, as it was given to `map`.
        self.point = point
        #: The number of the signal that ended the worker, if it is known.
        self.signal = signal

    def __str__(self) -> str:
        return str(self.args[0])


class CacheWarning(UserWarning):
    """Warns that the cache could not do its work. The call returned what the undecorated function returns.

    To turn this warning into an error in tests, use ``warnings.simplefilter("error", CacheWarning)``.
    """
