"""Tests which edits change the definition hash, in new processes and in a running one."""

from __future__ import annotations

import importlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import textwrap
import time
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from definition_cases import CASES, Case
from definition_table import run_table

from funes import CacheWarning, hash_definition, hash_value, memorious

Python = Callable[..., "subprocess.CompletedProcess[str]"]
Load = Callable[..., types.ModuleType]

HERE = [case for case in CASES if case.since <= sys.version_info[:2]]
PROMISED = Path(__file__).parents[1] / "vectors" / "definitions.json"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")


@pytest.fixture(scope="module")
def hashes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """The definition hashes of both versions of each case, each computed in a separate process."""
    folder = tmp_path_factory.mktemp("table")
    return run_table(sys.executable, sys.version_info[:2], "hash", folder)


@pytest.mark.parametrize("case", HERE, ids=[case.name for case in HERE])
@pytest.mark.slow
def test_definition_differs_if_result_may_differ(
    case: Case, hashes: dict[str, tuple[str, str]]
) -> None:
    first, second = hashes[case.name]
    assert not first.startswith("error"), first
    assert not second.startswith("error"), second
    assert (first == second) is case.is_same


@pytest.mark.slow
def test_definitions_are_equal_on_all_python_versions(
    hashes: dict[str, tuple[str, str]],
) -> None:
    promised = json.loads(PROMISED.read_text(encoding="utf-8"))
    assert promised.keys() == {case.name for case in CASES if case.has_source}
    wanted = {case.name: tuple(promised[case.name]) for case in HERE if case.has_source}
    assert {name: pair for name, pair in hashes.items() if name in wanted} == wanted


# The location of the code, and how it is run

PROJECT = {
    "main.py": """
        import logging
        from dataclasses import dataclass
        from enum import Enum
        import helpers
        log = logging.getLogger(__name__)
        class Mode(Enum):
            FAST = "fast"
        @dataclass
        class Point:
            x: int
            mode: Mode = Mode.FAST
        def f(x, words=frozenset({"a", "b", "c"})):
            log.info(x)
            p = Point(helpers.g(x))
            return [p, words, x in {"d", "e", "f"}, lambda: f(x)]
        if __name__ == "__main__":
            from funes import hash_definition
            print(hash_definition(f))
        """,
    "helpers.py": "TABLE = {1: {'a', 'b'}, 'x': 2}\ndef g(x): return TABLE.get(x, x)\n",
}
SHOW = "import sys; sys.path.insert(0, {!r}); from main import f; import funes; print(funes.hash_definition(f))"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    write(folder, PROJECT)
    return folder


@pytest.fixture
def shown(python: Python) -> Callable[..., str]:
    """Returns ``shown(*arguments)``, which runs Python and returns the word that it prints."""

    def run(*arguments: str | Path, **options: Any) -> str:
        done = python(*arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.slow
def test_location_and_way_of_running_do_not_count(
    project: Path, tmp_path: Path, shown: Callable[..., str]
) -> None:
    imported = shown("-c", SHOW.format(str(project)))
    assert len(imported) == 40
    assert shown(project / "main.py") == imported
    assert shown("-m", "main", cwd=project) == imported
    assert shown("main.py", cwd=project) == imported
    for first in ("helpers", "logging, enum, helpers", "numpy, funes, main"):
        assert shown("-c", f"import {first}; {SHOW.format(str(project))}", cwd=project) == imported
    for seed in ("1", "2", "3"):
        assert shown("-c", SHOW.format(str(project)), PYTHONHASHSEED=seed) == imported
    moved = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(project, moved)
    assert shown("-c", SHOW.format(str(moved))) == imported
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in PROJECT:
            file.write(project / name, name)
    assert shown("-c", SHOW.format(str(archive))) == imported
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("__main__.py", (project / "main.py").read_text())
    assert shown(archive) == imported
    assert shown("-X", "no_debug_ranges", "-c", SHOW.format(str(project))) == imported
    # `f` has no assertion and no docstring, which `-O` and `-OO` would remove.
    assert shown("-OO", "-c", SHOW.format(str(project))) == imported


def test_byte_code_hash_is_stable_and_distinguishes_code(
    project: Path, tmp_path: Path, shown: Callable[..., str]
) -> None:
    compiled = []
    for edit in ("x in", "x not in"):
        folder = tmp_path / edit.replace(" ", "-")
        folder.mkdir()
        for name, text in PROJECT.items():
            source = tmp_path / name
            source.write_text(textwrap.dedent(text).replace("x in", edit))
            py_compile.compile(str(source), cfile=str(folder / f"{name}c"))
        compiled.append(
            [shown("-c", SHOW.format(str(folder)), PYTHONHASHSEED=seed) for seed in ("1", "2")]
        )
    assert compiled[0][0] == compiled[0][1]
    assert compiled[1][0] == compiled[1][1]
    assert compiled[0] != compiled[1]


@pytest.mark.parametrize("edit", ["1", "2"])
def test_code_typed_at_a_prompt_has_a_definition(edit: str, python: Python, tmp_path: Path) -> None:
    text = f"def f(x): return x + {edit}\nimport funes; print(funes.hash_definition(f))"
    by_option = python("-c", text).stdout.strip()
    assert len(by_option) == 40
    assert python("-c", text.replace(edit, "3")).stdout.strip() != by_option
    command = [sys.executable, "-"]
    by_input = subprocess.run(command, input=text, capture_output=True, text=True, cwd=tmp_path)
    assert len(by_input.stdout.strip()) == 40


# In a running process


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Returns ``load(text, name="mod")``, which writes a module into the test's folder and imports it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = set()

    def write_and_import(text: str, name: str = "mod") -> types.ModuleType:
        write(tmp_path, {f"{name}.py": text})
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        loaded.add(name)
        return importlib.import_module(name)

    yield write_and_import
    for name in loaded:
        sys.modules.pop(name, None)


def test_edit_on_disk_after_import_is_ignored(load: Load, cache: Path) -> None:
    text = """
        from funes import memorious
        def helper(x): return x + 1
        @memorious
        def f(x): return helper(x)
        """
    untouched = load(text, "one").f.definition
    edited = load(text, "two")
    path = Path(str(edited.__file__))
    path.write_text(path.read_text().replace("1", "2") + "\n# longer\n")
    assert edited.f.definition == untouched
    assert hash_definition(edited.helper) == hash_definition(sys.modules["one"].helper)


def test_reverted_edit_restores_definition(load: Load) -> None:
    texts = [f"def f(x):\n    return x + {number}{' ' * number}\n" for number in (1, 2)]
    hashes = [hash_definition(load(texts[number]).f) for number in (0, 1, 0, 1)]
    assert hashes[:2] == hashes[2:]
    assert hashes[0] != hashes[1]


def test_redefinition_changes_definition(load: Load, cache: Path) -> None:
    module = load(
        """
        from funes import memorious
        import functools
        N = 1
        TABLE = {"n": 1}
        def helper(x): return x
        def other(x): return -x
        @memorious
        def remembered(x): return x
        class Thing:
            n = 1
            def method(self): return self.n
        @memorious
        def f(x): return helper(x) + N + TABLE["n"] + remembered(x) + Thing().method() + len("a")
        """
    )
    seen = [module.f.definition]

    def changes(what: str, value: Any, owner: Any = module) -> None:
        old = getattr(owner, what, None)
        setattr(owner, what, value)
        assert module.f.definition not in seen, what
        seen.append(module.f.definition)
        if old is None:
            delattr(owner, what)
        else:
            setattr(owner, what, old)
        assert module.f.definition == seen[0], what

    changes("N", 2)
    changes("helper", module.other)
    changes("__code__", module.other.__code__.replace(co_consts=(None, 5)), module.helper)
    changes("__code__", (lambda x: x * 7).__code__, module.helper)
    changes("__defaults__", (5,), module.helper)
    changes("__code__", (lambda x: x * 8).__code__, module.remembered.__wrapped__)
    changes("method", lambda self: 5, module.Thing)
    changes("n", 2, module.Thing)
    changes("len", lambda x: 5)
    module.TABLE["n"] = 2
    assert module.f.definition not in seen


def test_recursive_definitions_do_not_depend_on_order(load: Load) -> None:
    text = """
        def f(x): return g(x) + 1
        def g(x): return h(x) + 2
        def h(x): return f(x) + A().m(x) if x else 3
        class A:
            def m(self, x): return B().m(x)
        class B(A):
            def m(self, x): return f(x) or super().m(x) or A
        """
    names = ["f", "g", "h", "A", "B"]
    one, two = load(text, "one"), load(text, "two")
    forwards = {name: hash_definition(getattr(one, name)) for name in names}
    backwards = {name: hash_definition(getattr(two, name)) for name in reversed(names)}
    assert forwards == backwards
    assert len(set(forwards.values())) == len(names)


def test_memorious_helper_counts_as_wrapped_function(load: Load, cache: Path) -> None:
    text = """
        from funes import memorious
        def keep(f): return f
        @keep
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        def f(n): return fib(n)
        """
    plain = load(text, "plain")
    remembered = load(text.replace("@keep", "@memorious"), "remembered")
    assert remembered.fib.definition == hash_definition(plain.fib)
    assert hash_definition(remembered.fib) == hash_definition(plain.fib)
    assert hash_definition(remembered.f) == hash_definition(plain.f)


def test_depends_on_of_memorious_helper_counts(load: Load, cache: Path) -> None:
    text = """
        from funes import memorious
        @memorious(depends_on=[VALUE])
        def helper(x): return x
        TABLE = {"helper": helper}
        def f(x): return helper(x)
        def g(x): return TABLE["helper"](x)
        """
    one, two = (load(text.replace("VALUE", value), f"m{value}") for value in "12")
    assert hash_definition(one.f) != hash_definition(two.f)
    assert hash_definition(one.g) != hash_definition(two.g)


def test_memorious_methods_are_followed(load: Load, cache: Path) -> None:
    text = """
        from funes import memorious
        class A:
            def __init__(self, n=0): self.n = n
            @memorious
            def method(self): return 1
            @classmethod
            @memorious
            def of_class(cls): return 2
            @memorious
            @classmethod
            def of_class_outside(cls): return 3
            @memorious
            @staticmethod
            def static(): return 4
            @staticmethod
            @memorious
            def static_inside(): return 5
        bound = A(6).method
        def f(): return A().method()
        def g(): return bound()
        """
    names = iter("abcdefg")
    first = load(text, next(names))
    for number in "12345":
        edited = load(text.replace(f"return {number}", "return 0"), next(names))
        assert hash_definition(edited.f) != hash_definition(first.f), number
    edited = load(text.replace("A(6)", "A(7)"), next(names))
    assert hash_definition(edited.f) == hash_definition(first.f)
    assert hash_definition(edited.g) != hash_definition(first.g)


def test_unhashable_global_counts_by_type(load: Load, cache: Path) -> None:
    text = """
        import socket
        from funes import memorious
        def lines(n):
            yield from range(n)
        stream = lines(3)
        @memorious
        def f(x): return x, stream
        """
    with pytest.warns(CacheWarning, match="stream"):
        one = load(text, "one").f.definition
    with pytest.warns(CacheWarning, match="stream"):
        assert load(text.replace("3", "4"), "two").f.definition == one


def test_instances_of_different_classes_with_one_name_differ(load: Load) -> None:
    text = "class A:\n    def m(self): return 1\n"
    one, two, three = (load(text.replace("1", number), f"m{n}") for n, number in enumerate("121"))
    assert hash_value(one.A()) != hash_value(two.A())
    assert hash_value(one.A()) == hash_value(three.A())


def test_functions_in_values_count_by_definition(load: Load) -> None:
    text = """
        from functools import partial
        def make(n): return lambda x: x + n
        class A:
            def __init__(self, n): self.n = n
            def m(self): return self.n
        pair = (lambda: 1), (lambda: 2)
        values = [*pair, make(1), make(2), partial(make, 1), partial(make, 2), A(1).m, A(2).m, len]
        """
    one, two = (list(map(hash_value, load(text, name).values)) for name in ("one", "two"))
    assert one == two
    assert len(set(one)) == len(one)


# Size


def test_long_chains_and_large_modules_are_fast(load: Load) -> None:
    text = "".join(f"def f{i}(x): return f{i + 1}(x) + {i}\n" for i in range(1000))
    module = load(text + "def f1000(x): return x\n")
    start = time.process_time()
    chain = hash_definition(module.f0)
    assert time.process_time() - start < 3  # it takes 0.3 s on an idle machine
    assert hash_definition(module.f1) != chain
    edited = load(text + "def f1000(x): return -x\n", "edited")
    assert hash_definition(edited.f0) != chain


def test_library_code_is_not_followed(load: Load) -> None:
    module = load(
        """
        import numpy as np
        import pandas as pd
        from numpy.linalg import norm
        class Frame(pd.DataFrame): pass
        def f(x): return norm(np.asarray(pd.DataFrame(x))), Frame, np.float64(1), pd.concat
        """
    )
    hash_definition(module.f)
    module.f.__defaults__ = (1,)
    start = time.process_time()
    hash_definition(module.f)
    assert time.process_time() - start < 0.05


def test_forks_and_threads_compute_the_same_definition(load: Load, tmp_path: Path) -> None:
    module = load("def g(x): return x\ndef f(x): return g(x)\n")
    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    wanted = hash_definition(module.f)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, hash_definition(module.f).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(reader, 100).decode() == wanted
    os.close(reader)
    os.close(writer)


def test_decoration_with_memorious_does_not_count(load: Load, cache: Path) -> None:
    text = "from funes import memorious\n{}\ndef f(x, verbose=False): return x\n"
    options = ["@memorious", "@memorious(ignore='verbose')", "@memorious(cache_dir='other')"]
    definitions = {
        load(text.format(option), f"m{number}").f.definition
        for number, option in enumerate(options)
    }
    assert len(definitions) == 1


def test_local_functions_of_equal_definition_share_results(cache: Path) -> None:
    def make(n: int) -> Any:
        @memorious
        def f(x: int) -> int:
            return x + n

        return f

    assert make(1).definition == make(1).definition != make(2).definition
