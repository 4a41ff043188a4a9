"""Imports modules, and finds the memorious functions in them."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from importlib.util import find_spec
from types import FunctionType, ModuleType
from typing import Any

from funes._memo.bound_method import BoundMemo
from funes._memo.memo import Memo
from funes._results.cache import Cache
from funes._warnings import one_line


def imported(names: Iterable[str], report: Callable[[str, str], None]) -> list[ModuleType]:
    """Imports modules; a package stands for all its modules, except `__main__`.

    Args:
        names: The names of the modules.
        report: A function that is called with the name of a module that cannot be imported, and the reason.
    """
    found: dict[str, ModuleType] = {}

    def add(name: str) -> None:
        if name in found:
            return
        try:
            found[name] = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # importing runs the module
            report(name, one_line(error))
            return
        for each in pkgutil.iter_modules(getattr(found[name], "__path__", ()), f"{name}."):
            if not each.name.endswith(".__main__"):
                add(each.name)

    for name in names:
        add(name)
    return list(found.values())


def modules_of(cache: Cache) -> list[str]:
    """Returns the names of the modules whose functions have results in a cache, as far as they can be found.

    For a program, it is the name under which its file can be imported.
    """
    modules = dict.fromkeys(function.module for function in cache.functions())
    names = dict.fromkeys(filter(None, map(_importable, modules)))
    return list(names)


def _importable(module: str) -> str | None:
    """Returns the name under which a module, or the file of a program, can be imported; None if there is none."""
    if "/" not in module:
        with suppress(ImportError, ValueError, AttributeError):
            return module if find_spec(module) is not None else None
        return None
    parts = os.path.splitext(module)[0].strip("/").split("/")
    for start in range(len(parts)):
        name = ".".join(parts[start:])
        with suppress(ImportError, ValueError, AttributeError):
            spec = find_spec(name)
            if spec is not None and _is_at(spec.origin, module):
                return name
    return None


def _is_at(origin: str | None, program: str) -> bool:
    path = (origin or "").replace(os.sep, "/")
    return f"/{path}".endswith(f"/{program.strip('/')}")


def memos_in(modules: Sequence[ModuleType]) -> list[Memo[..., Any]]:
    """Finds the memorious functions that modules define, also as methods, each once and in the order of the modules."""
    names = {module.__name__ for module in modules}
    found: dict[int, Memo[..., Any]] = {}
    for module in modules:
        for memo in _memos_of(vars(module), names, set()):
            found.setdefault(id(memo), memo)
    return list(found.values())


def _memos_of(namespace: Any, modules: set[str], seen: set[type]) -> Iterator[Memo[..., Any]]:
    for value in list(namespace.values()):
        memo = _memo_in(value)
        if memo is not None:
            if memo.__module__ in modules:
                yield memo
        elif isinstance(value, type) and value not in seen and value.__module__ in modules:
            seen.add(value)
            yield from _memos_of(vars(value), modules, seen)


def _memo_in(value: Any) -> Memo[..., Any] | None:
    """Returns the memorious function that an attribute of a module or class is, or wraps."""
    kind = type(value)
    if issubclass(kind, (staticmethod, classmethod, BoundMemo)):
        value = value.__func__
    elif issubclass(kind, property):
        value = value.fget
    elif issubclass(kind, cached_property):
        value = value.func
    while type(value) is FunctionType and "__wrapped__" in vars(value):  # of `functools.wraps`
        value = vars(value)["__wrapped__"]
    return value if issubclass(type(value), Memo) else None
