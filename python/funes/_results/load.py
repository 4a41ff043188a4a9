"""Loads the stored results of a function."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from funes._results.columns import Shape
from funes._results.filters import Where, make_filter
from funes._results.results import Folder, Results
from funes._results.stored import StoredFunction

if TYPE_CHECKING:
    import pandas as pd


def load_cached_results(
    fn: Callable[..., Any],
    where: Where | None = None,
    versions: str | Iterable[str] = "current",
    inputs_only: bool = False,
    errors: bool = False,
) -> Results:
    """Returns the stored results of a memorious function as data, see `Results`.

    Args:
        fn: A memorious function. It is not run.
        where: The condition for the results to return: a mapping from names of arguments to values,
            or a function that takes the dict of the arguments and returns whether to keep the
            result. A name with dots is a part of an argument: ``{"cfg.lr": 0.1}`` selects by a field of
            a dataclass or attrs object, a key of a dict or ``DictConfig``, or an attribute of a
            namespace. Values are compared as in cache keys (by `hash_value`): 1, 1.0 and True differ,
            and arrays are equal if their elements are. Only the outputs of matching results are loaded.
        versions: The definitions of the function whose results are returned: ``"current"``;
            ``"all"`` definitions that have results; or a list of definition hashes or of their first
            digits. With anything but ``"current"``, each result has its definition hash under
            ``'definition'``. After an edit of the function or of code that it uses, earlier results
            stay on disk under their own definition. Results of other functions with the same name
            are never included.
        inputs_only: If true, outputs are not loaded, and the dicts have no ``'output'``.
        errors: If true, the exceptions that ``remember_errors=`` has stored are included. Their dicts have ``'error'``,
            the exception, in place of ``'output'``.

    Raises:
        TypeError: `fn` is not memorious, or `where` is neither a mapping nor a function.
        KeyError: `where` names an argument that the function does not have (checked for
            ``"current"`` only), or a hash in `versions` matches no version or several versions.
        UnhashableArgumentError: A value in `where` cannot be part of a key.

    Example:
        >>> list(load_cached_results(double))                         # doctest: +SKIP
        [{'input': {'x': 21}, 'output': 42, 'time': 1.2e-06}]
        >>> len(load_cached_results(train, where={"lr": 0.1}))        # doctest: +SKIP
        12
    """
    return _of_memo(fn, "load_cached_results", where, versions, inputs_only, errors=errors)


def load_cached_results_as_pandas(
    fn: Callable[..., Any],
    exclude: str | Iterable[str] | None = None,
    index: str | Iterable[str] | None = None,
    flatten: bool = False,
) -> pd.DataFrame:
    """Returns the stored results of a memorious function as a `pandas.DataFrame`.

    This is a short form of ``load_cached_results(fn).to_pandas(exclude, index, flatten)``.
    `Results.to_pandas` describes the columns.

    Args:
        fn: A memorious function. It is not run.
        exclude: The name or names of columns to leave out.
        index: The name or names of columns that become the index.
        flatten: If true, parts of configurations have columns of their own (``cfg.lr``), see `Results.to_pandas`.

    Raises:
        KeyError: `exclude` or `index` names a column that does not exist.
        TypeError: `fn` is not memorious.
        ImportError: pandas is not installed.

    Warns:
        CacheWarning: A result cannot be read, and is left out.

    Example:
        >>> load_cached_results_as_pandas(train, index="lr")          # doctest: +SKIP
              epochs  accuracy   time
        lr
        0.1       10      0.93   12.1
        0.01      10      0.97   12.3
    """
    caller = "load_cached_results_as_pandas"
    return _of_memo(fn, caller)._to_pandas(caller, exclude, index, flatten=flatten)


def _of_memo(
    fn: Any,
    caller: str,
    where: Where | None = None,
    versions: str | Iterable[str] = "current",
    inputs_only: bool = False,
    *,
    errors: bool = False,
) -> Results:
    memo = getattr(fn, "__func__", fn)  # `fn` may be a method of an instance
    if not all(hasattr(memo, name) for name in ("_store", "_function_name", "definition")):
        name = getattr(fn, "__qualname__", None) or f"an object of type {type(fn).__name__}"
        raise TypeError(
            f"{caller} takes a function that is decorated with @memorious, and {name} is not"
        )
    store, function = memo._store, memo._function_name
    shape = Shape.of(memo, is_mixed=versions != "current", has_errors=errors)
    if versions == "current":
        definitions = [memo.definition]
        names = [*(shape.parameters or ()), "global_seed"]
    else:
        definitions = _definitions(memo, versions)
        names = None
    matches = make_filter(store, where, names, shape.keywords)
    folders = [Folder(function, definition) for definition in definitions]
    return Results(
        store,
        folders,
        function=_stored(memo),
        name=memo.__name__,
        shape=shape,
        matches=matches,
        inputs_only=inputs_only,
        max_age=memo._options.max_age if hasattr(memo, "_options") else None,
    )


def _definitions(memo: Any, versions: str | Iterable[str]) -> list[str]:
    stored = _stored(memo)
    if versions == "all":
        # On file systems that ignore case, versions of `F` are in the folder of `f`.
        own = (None, memo._function_name)
        found = [each.definition for each in stored._versions() if each._true_name in own]
        # Another function with the same code may have stored results under the current definition.
        return list(dict.fromkeys((*found, memo.definition)))
    wanted = [versions] if isinstance(versions, str) else versions
    return list(dict.fromkeys(stored.version(prefix).definition for prefix in wanted))


def _stored(memo: Any) -> StoredFunction:
    folder = os.path.dirname(memo._store.folder(memo._function_name, memo.definition))
    return StoredFunction(memo._store, folder, memo._identity)
