"""Takes nested configurations apart: ``cfg.lr`` names the field `lr` of the argument `cfg`."""

from __future__ import annotations

import argparse
import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any

#: The length of a path from which nested values stay whole.
_MAX_DEPTH = 16


def parts_of(value: object) -> dict[str, Any] | None:
    """Returns the named parts of a configuration; None for any other value.

    A configuration is a mapping with strings as keys, such as a dict or a ``DictConfig`` of OmegaConf; an object of a
    dataclass or an attrs class; an `argparse.Namespace` or a `types.SimpleNamespace`.

    >>> parts_of({"lr": 0.1}), parts_of(types.SimpleNamespace(depth=3)), parts_of([1])
    ({'lr': 0.1}, {'depth': 3}, None)
    """
    try:
        if isinstance(value, Mapping):
            parts = {key: value[key] for key in value}
            return parts if all(isinstance(key, str) for key in parts) else None
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        attributes: Any = getattr(type(value), "__attrs_attrs__", None)
        if attributes is not None:
            return {each.name: getattr(value, each.name) for each in attributes}
    except Exception:  # a field is not set, or an interpolation of OmegaConf cannot be resolved
        return None
    if isinstance(value, (argparse.Namespace, types.SimpleNamespace)):
        return dict(vars(value))
    return None


def flattened(value: object, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yields the paths and values of the parts of a value, and of their parts; the value itself if it has none.

    >>> for path, part in flattened({"lr": 0.1, "opt": {"beta": 0.9}, "sizes": [8, 8], "rest": {}}, ("cfg",)):
    ...     print(path, part)
    ('cfg', 'lr') 0.1
    ('cfg', 'opt', 'beta') 0.9
    ('cfg', 'sizes') [8, 8]
    ('cfg', 'rest') {}
    """
    parts = parts_of(value) if len(path) < _MAX_DEPTH else None
    if not parts:
        yield path, value
        return
    for key, part in parts.items():
        yield from flattened(part, (*path, key))


def at_path(parts: Mapping[str, Any], path: str) -> tuple[Any] | None:
    """Returns the value at a path of names with dots, in a tuple; None if there is none. Names may contain dots.

    >>> at_path({"cfg": {"lr": 0.1, "a.b": 2}}, "cfg.a.b")
    (2,)
    """
    if path in parts:
        return (parts[path],)
    for end in (at for at, letter in enumerate(path) if letter == "."):
        inner = parts_of(parts[path[:end]]) if path[:end] in parts else None
        found = None if inner is None else at_path(inner, path[end + 1 :])
        if found is not None:
            return found
    return None
