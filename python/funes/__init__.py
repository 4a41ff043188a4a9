"""Remembers what a Python function computed, for ever, on disk.

    >>> from funes import memorious
    >>> @memorious
    ... def double(x):
    ...     return x * 2

See `memorious` for the decorator, `load_cached_results` for the results as data,
`open_cache` for a cache whose functions are not at hand.
"""

# Each name is imported when it is asked for, since `import funes` stands at the top of programs that
# may not need it, and `typing` alone takes longer to import than a hundred thousand hits.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from funes._calls.memo import CacheInfo, Key, Memo
    from funes._calls.memorious import memorious
    from funes._definitions.difference import Change
    from funes._definitions.graph import explain_definition
    from funes._definitions.origin import declare_own
    from funes._entries.cache import Cache, StoredObject, open_cache
    from funes._entries.entry import StoredEntry
    from funes._entries.files import Removed, StoredFile, Verdict
    from funes._entries.function import StoredFunction
    from funes._entries.results import (
        Results,
        load_cached_results,
        load_cached_results_as_pandas,
    )
    from funes._entries.version import StoredVersion, Summary
    from funes._funes import __version__, hash_definition, hash_value
    from funes._values.rules import register
    from funes._versions.adopt import Adopted
    from funes._versions.arguments import Difference
    from funes._versions.explanation import Explanation
    from funes.errors import (
        AdoptionError,
        CacheWarning,
        DamagedEntryError,
        DefinitionMismatch,
        FunesError,
        UnhashableArgumentError,
        UnpicklableResultError,
    )

__all__ = [
    "Adopted",
    "AdoptionError",
    "Cache",
    "CacheInfo",
    "CacheWarning",
    "Change",
    "DamagedEntryError",
    "DefinitionMismatch",
    "Difference",
    "Explanation",
    "FunesError",
    "Key",
    "Memo",
    "Removed",
    "Results",
    "StoredEntry",
    "StoredFile",
    "StoredFunction",
    "StoredObject",
    "StoredVersion",
    "Summary",
    "UnhashableArgumentError",
    "UnpicklableResultError",
    "Verdict",
    "__version__",
    "declare_own",
    "explain_definition",
    "hash_definition",
    "hash_value",
    "load_cached_results",
    "load_cached_results_as_pandas",
    "memorious",
    "open_cache",
    "register",
]

#: Module -> what it has for `funes`.
_HOMES = {
    "_funes": ("__version__", "hash_definition", "hash_value"),
    "_definitions.difference": ("Change",),
    "_definitions.graph": ("explain_definition",),
    "_definitions.origin": ("declare_own",),
    "_calls.memo": ("CacheInfo", "Key", "Memo"),
    "_calls.memorious": ("memorious",),
    "_entries.cache": ("Cache", "StoredObject", "open_cache"),
    "_entries.entry": ("StoredEntry",),
    "_entries.files": ("Removed", "StoredFile", "Verdict"),
    "_entries.function": ("StoredFunction",),
    "_entries.version": ("StoredVersion", "Summary"),
    "_entries.results": ("Results", "load_cached_results", "load_cached_results_as_pandas"),
    "_values.rules": ("register",),
    "_versions.adopt": ("Adopted",),
    "_versions.arguments": ("Difference",),
    "_versions.explanation": ("Explanation",),
    "errors": (
        "AdoptionError",
        "CacheWarning",
        "DamagedEntryError",
        "DefinitionMismatch",
        "FunesError",
        "UnhashableArgumentError",
        "UnpicklableResultError",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        module = _HOME_OF.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
