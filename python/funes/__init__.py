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
    from funes._code.definition_diff import Change
    from funes._code.definition_tree import explain_definition
    from funes._code.user_code import track_package
    from funes._funes import __version__, hash_definition, hash_value
    from funes._memo.decorator import memorious
    from funes._memo.memo import CacheInfo, Key, Memo
    from funes._results.cache import Cache, StoredObject, open_cache
    from funes._results.results import (
        Results,
        load_cached_results,
        load_cached_results_as_pandas,
    )
    from funes._results.stored_entry import StoredEntry
    from funes._results.stored_files import CheckResult, DeletedFiles, StoredFile
    from funes._results.stored_function import StoredFunction
    from funes._results.stored_version import StoredVersion, Summary
    from funes._tools.adopt.adopt import AdoptionResult
    from funes._tools.explain.argument_diff import Difference
    from funes._tools.explain.explanation import Explanation
    from funes._values.rules import register
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
    "AdoptionError",
    "AdoptionResult",
    "Cache",
    "CacheInfo",
    "CacheWarning",
    "Change",
    "CheckResult",
    "DamagedEntryError",
    "DefinitionMismatch",
    "DeletedFiles",
    "Difference",
    "Explanation",
    "FunesError",
    "Key",
    "Memo",
    "Results",
    "StoredEntry",
    "StoredFile",
    "StoredFunction",
    "StoredObject",
    "StoredVersion",
    "Summary",
    "UnhashableArgumentError",
    "UnpicklableResultError",
    "__version__",
    "explain_definition",
    "hash_definition",
    "hash_value",
    "load_cached_results",
    "load_cached_results_as_pandas",
    "memorious",
    "open_cache",
    "register",
    "track_package",
]

#: Module -> what it has for `funes`.
_HOMES = {
    "_funes": ("__version__", "hash_definition", "hash_value"),
    "_code.definition_diff": ("Change",),
    "_code.definition_tree": ("explain_definition",),
    "_code.user_code": ("track_package",),
    "_memo.memo": ("CacheInfo", "Key", "Memo"),
    "_memo.decorator": ("memorious",),
    "_results.cache": ("Cache", "StoredObject", "open_cache"),
    "_results.stored_entry": ("StoredEntry",),
    "_results.stored_files": ("DeletedFiles", "StoredFile", "CheckResult"),
    "_results.stored_function": ("StoredFunction",),
    "_results.stored_version": ("StoredVersion", "Summary"),
    "_results.results": ("Results", "load_cached_results", "load_cached_results_as_pandas"),
    "_values.rules": ("register",),
    "_tools.adopt.adopt": ("AdoptionResult",),
    "_tools.explain.argument_diff": ("Difference",),
    "_tools.explain.explanation": ("Explanation",),
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
