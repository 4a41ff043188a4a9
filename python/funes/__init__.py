"""Caches what Python functions computed, on disk and permanently.

    >>> from funes import memorious
    >>> @memorious
    ... def double(x):
    ...     return x * 2

- `memorious` is the decorator.
- `grid` makes the points of a sweep, which a function computes with its method `map`.
- `mode` turns the cache off, or lets calls only read it, for a part of a program.
- `flush` waits until results were sent to a remote cache.
- `load_cached_results` returns the stored results of a function as data.
- `open_cache` reads a cache without its functions.
- `funes.types` has the types of the objects that these return.
"""

try:
    from funes import _hooks as _hooks  # registers the callbacks of the extension
except ImportError as error:
    if "subinterpreter" not in str(error):
        raise
    # The extension has one state for the whole process, and PyO3 loads it into the main interpreter only.
    raise ImportError(
        "funes cannot be imported in a subinterpreter, so a memorious function does not run there: use threads "
        "(ThreadPoolExecutor) or processes (ProcessPoolExecutor) instead of InterpreterPoolExecutor"
    ) from error
from funes._funes import __version__, hash_definition, hash_value
from funes.errors import (
    AdoptionError,
    CacheMissError,
    CacheWarning,
    DamagedEntryError,
    DefinitionMismatch,
    FunesError,
    SweepError,
    UnhashableArgumentError,
    UnpicklableResultError,
    WorkerDied,
)

# The public names are imported at their first use. Many programs import funes at their top without
# needing all of it, and importing `typing` alone takes longer than a hundred thousand hits.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from funes._code.definition_tree import explain_definition
    from funes._code.user_code import track_package
    from funes._memo.decorator import memorious
    from funes._memo.mode import mode
    from funes._remote.outbox import flush
    from funes._results.cache import open_cache
    from funes._results.load import load_cached_results, load_cached_results_as_pandas
    from funes._sweeps.grid import grid
    from funes._values.rules import register

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
    "__version__",
    "explain_definition",
    "flush",
    "grid",
    "hash_definition",
    "hash_value",
    "load_cached_results",
    "load_cached_results_as_pandas",
    "memorious",
    "mode",
    "open_cache",
    "register",
    "track_package",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        found: object
        if name == "memorious":
            from funes._memo.decorator import memorious as found
        elif name == "mode":
            from funes._memo.mode import mode as found
        elif name == "load_cached_results":
            from funes._results.load import load_cached_results as found
        elif name == "load_cached_results_as_pandas":
            from funes._results.load import load_cached_results_as_pandas as found
        elif name == "open_cache":
            from funes._results.cache import open_cache as found
        elif name == "explain_definition":
            from funes._code.definition_tree import explain_definition as found
        elif name == "flush":
            from funes._remote.outbox import flush as found
        elif name == "grid":
            from funes._sweeps.grid import grid as found
        elif name == "track_package":
            from funes._code.user_code import track_package as found
        elif name == "register":
            from funes._values.rules import register as found
        elif name == "types":
            from funes import types as found
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return [*__all__, "errors", "types"]
