"""Exceptions and warnings of funes.

::

    Exception
     └─ FunesError
         ├─ UnhashableArgumentError   (also a TypeError)
         ├─ UnpicklableResultError    (also a TypeError)
         ├─ DamagedEntryError         (also a ValueError)
         ├─ AdoptionError             (also a ValueError)
         └─ DefinitionMismatch        (also a RuntimeError)
    UserWarning
     └─ CacheWarning

Of these errors, a memorious call raises only `DefinitionMismatch`. Otherwise it runs the function, returns its value
and gives one `CacheWarning`. `hash_value`, `hash_definition`, `f.key`, `f.adopt` and similar functions raise the other
errors, since they have no other work than what failed.

This module imports nothing, since all other modules may need it.
"""

from __future__ import annotations

__all__ = [
    "AdoptionError",
    "CacheWarning",
    "DamagedEntryError",
    "DefinitionMismatch",
    "FunesError",
    "UnhashableArgumentError",
    "UnpicklableResultError",
]


class FunesError(Exception):
    """Base class of all errors of funes."""


class UnhashableArgumentError(FunesError, TypeError):
    """A value that cannot be part of a key. The message names its path in the argument and what to do.

    Raised by `hash_value`, `hash_definition`, `f.key`, `f.is_cached` and `f.forget`.
    """


class UnpicklableResultError(FunesError, TypeError):
    """A result that neither pickle nor dill can write. The message names its type and the reason."""


class DamagedEntryError(FunesError, ValueError):
    """A stored file whose bytes differ from those that were written. The message names the file and the defect."""


class AdoptionError(FunesError, ValueError):
    """Results of another version that cannot be adopted. The message names the obstacle.

    Raised by `f.adopt`.
    """


class DefinitionMismatch(FunesError, RuntimeError):  # noqa: N818  # the name of a state, as in the docs
    """This process has other code than the process that submitted the call, so nothing was run or stored.

    Raised by calls of memorious functions that were sent to another process, such as a worker of a
    pool or a node of a cluster. The message names what differs, the values or files of both
    processes, and the remedy. See docs/clusters.md.
    """


class CacheWarning(UserWarning):
    """The cache could not do its work. The call returned what the undecorated function returns.

    Turn it into an error while testing with ``warnings.simplefilter("error", CacheWarning)``.
    """
