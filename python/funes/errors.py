"""What funes raises and warns of.

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

A memorious call raises none of the errors but `DefinitionMismatch`: it runs the function, returns its value and gives
one `CacheWarning`. The others come out of `hash_value`, `hash_definition`, `f.key`, `f.adopt` and the like, whose only
work is what failed.

This module imports nothing, since every other one may need it.
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
    """Parent of every error of funes."""


class UnhashableArgumentError(FunesError, TypeError):
    """A value that cannot be part of a key; the message says where in the argument it sits and what to do.

    Raised by `hash_value`, `hash_definition`, `f.key`, `f.is_cached` and `f.forget`.
    """


class UnpicklableResultError(FunesError, TypeError):
    """A result that neither pickle nor dill can write; the message names its type and the reason."""


class DamagedEntryError(FunesError, ValueError):
    """A stored file whose bytes are not those that were written; the message names the file and what is wrong."""


class AdoptionError(FunesError, ValueError):
    """Results of another version cannot be adopted; the message names what stands in the way.

    Raised by `f.adopt`.
    """


class DefinitionMismatch(FunesError, RuntimeError):  # noqa: N818  # it names a state, as the documents do
    """This process has other code than the one that submitted the call, so nothing was run and nothing was stored.

    Raised by calls of memorious functions that were sent to another process: a pool's worker, a cluster's node. The
    message names what differs, the values or files of both processes, and the remedy. docs/clusters.md tells more.
    """


class CacheWarning(UserWarning):
    """The cache could not do its work; the call returned what the plain function returns.

    Turn it into an error while testing with ``warnings.simplefilter("error", CacheWarning)``.
    """
