"""Computes the definition of `main.f` for several projects, each in a separate process.

    python definition_runner.py outline|hash FOLDER...

Prints one line for each folder: the result, or ``error: ...``. ``outline`` needs only the interpreter
and the folder of the package in DEFINITION_RUNNER_PACKAGE, so that it also works on interpreters
without the extension of funes.
"""

from __future__ import annotations

import copyreg
import functools
import hashlib
import os
import subprocess
import sys
import types
from typing import Any

WRAPPER_NAMES = ("__annotate__", "__type_params__", *functools.WRAPPER_ASSIGNMENTS)


def load_funes() -> None:
    """Makes the Python part of funes importable, even if its extension is not built."""
    try:
        import funes  # noqa: F401
    except ImportError:
        package = types.ModuleType("funes")
        package.__path__ = [os.environ["DEFINITION_RUNNER_PACKAGE"]]
        sys.modules["funes"] = package
        extension = types.ModuleType("funes._funes")
        extension.counted = lambda holder, key, now: now  # type: ignore[attr-defined]
        extension.is_memo_type = lambda kind: False  # type: ignore[attr-defined]
        extension.count_attributes = lambda holder, attributes: None  # type: ignore[attr-defined]
        extension.class_version = lambda cls: 0  # type: ignore[attr-defined]
        sys.modules["funes._funes"] = extension


def outline(thing: object, read_parts: int = 0) -> str:
    """Returns a digest of all descriptions of a definition graph, with nodes numbered in walk order.

    It is simple and slow, and works without the extension. It differs if the descriptions differ, but
    is only as canonical as these tests need.
    """
    from funes._code import lazy_imports
    from funes._code.annotations import parts_of_type_variable
    from funes._code.describe import describe, is_code

    numbers: dict[int, int] = {}
    nodes: list[object] = []

    def written(value: Any) -> str:
        if is_code(value):
            if id(value) not in numbers:
                numbers[id(value)] = len(nodes)
                nodes.append(value)
            return f"node {numbers[id(value)]}"
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__}({', '.join(map(written, value))})"
        if type(value) in (dict, types.MappingProxyType):
            items = sorted(value.items(), key=lambda item: repr(item[0]))
            return f"dict({', '.join(f'{written(key)}: {written(item)}' for key, item in items)})"
        if isinstance(value, (set, frozenset)):
            return f"set({', '.join(sorted(map(written, value)))})"
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, types.UnionType):  # has no reduction before 3.14
            return f"union({written(value.__args__)})"
        if type(value).__name__ in ("ParamSpec", "TypeAliasType", "TypeVar", "TypeVarTuple"):
            parts = parts_of_type_variable(value), getattr(value, "__value__", None)
            return f"{type(value).__name__} {value.__name__} {written(parts)}"
        reduce = copyreg.dispatch_table.get(type(value))
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(reduced, str):
            return f"name {reduced}"
        assert isinstance(reduced, tuple)
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if isinstance(state, dict) and "__wrapped__" in state:  # by `functools.update_wrapper`
            state = {name: part for name, part in state.items() if name not in WRAPPER_NAMES}
        parts = (arguments, state, list(items or ()), dict(pairs or ()))
        return f"object({written(type(value))}, {written(make)}, {written(parts)})"

    written(thing)
    lines: list[str] = []
    for node in nodes:  # grows while it is walked
        lazy_imports.resolve(node)
        one = describe(node, read_parts)
        if one.read_parts & ~read_parts:
            return outline(thing, read_parts | one.read_parts)
        references = [
            f"{label} -> {written(value)}" for label, value in sorted(one.references.items())
        ]
        lines.append(f"{one.kind} {one.name} {written(one.content)} {references}")
    if "OUTLINE" in os.environ:
        print("\n".join(lines), file=sys.stderr)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def definition_hash(thing: Any) -> str:
    """Returns the definition hash."""
    from funes import hash_definition

    return str(hash_definition(thing))


def run(measure: str, folder: str) -> str:
    """Returns the measure of `main.f` in the project in a folder."""
    sys.path.insert(0, folder)
    try:
        import main

        return (outline if measure == "outline" else definition_hash)(main.f)
    except Exception as error:
        return f"error: {error!r}"


def run_apart(measure: str, folder: str) -> str:
    """Calls `run` in a separate process: forked where possible, which takes a tenth of the time."""
    if not hasattr(os, "fork"):
        command = [sys.executable, __file__, measure, folder]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, run(measure, folder).encode()[:4000])
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return result or "error: the process died"


def warm_up() -> None:
    """Imports the modules that the projects use, once for all forked processes."""
    import collections
    import contextlib
    import dataclasses
    import enum
    import logging
    import textwrap
    import typing

    from funes._code.describe import describe

    del collections, contextlib, dataclasses, enum, logging, textwrap, typing
    describe(run)


if __name__ == "__main__":
    load_funes()
    measure, *folders = sys.argv[1:]
    if len(folders) == 1:
        print(run(measure, folders[0]))
    else:
        warm_up()
        for folder in folders:
            print(run_apart(measure, folder), flush=True)
