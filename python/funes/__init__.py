"""Remembers what a Python function computed, for ever, on disk.

    >>> from funes import memorious
    >>> @memorious
    ... def double(x):
    ...     return x * 2

See `memorious` for the decorator, `load_cached_results` for the results as data.
"""

from funes._funes import __version__, hash_definition, hash_value
from funes._graph import explain_definition
from funes._memo import CacheInfo, Key, Memo
from funes._memorious import memorious
from funes._results import load_cached_results, load_cached_results_as_pandas
from funes._rules import register
from funes.errors import (
    CacheWarning,
    DamagedEntryError,
    FunesError,
    UnhashableArgumentError,
    UnpicklableResultError,
)

__all__ = [
    "CacheInfo",
    "CacheWarning",
    "DamagedEntryError",
    "FunesError",
    "Key",
    "Memo",
    "UnhashableArgumentError",
    "UnpicklableResultError",
    "__version__",
    "explain_definition",
    "hash_definition",
    "hash_value",
    "load_cached_results",
    "load_cached_results_as_pandas",
    "memorious",
    "register",
]
