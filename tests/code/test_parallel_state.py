"""Tests that the next process finds the results of parallel first calls that change state."""

from __future__ import annotations

import linecache
import sys
import textwrap
import threading
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

THREADS = 6

CHANGES = {
    "a global number": """
        counter = 0
        def change(x):
            global counter
            counter += 1
    """,
    "a dict": """
        CACHE = {}
        def change(x): CACHE[x] = x * 2
    """,
    "a dict and a number, again and again": """
        counter, TABLE = 0, {}
        def change(x):
            global counter
            for i in range(100):
                counter += 1
                TABLE[x, i] = counter
    """,
    "a default, an attribute of a class, a list": """
        LOG = []
        class Config:
            n = 0
            def run(self, x): Config.n += 1
        def change(x, memo={}):
            memo[x] = len(memo)
            LOG.append(x)
            Config().run(x)
    """,
    "a list, a dict, an attribute, a nested list": """
        LOG, TABLE, BOX = [], {}, {"a": [[]]}
        class Own:
            def __init__(self): self.seen = []
            def add(self, x): self.seen.append(x)
        OWN = Own()
        def change(x):
            LOG.append(x)
            TABLE[x] = len(LOG)
            BOX["a"][0].append(x)
            OWN.add(x)
    """,
}


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def load(text: str, folder: Path) -> Any:
    """Loads a module as a new process would, with its initial state."""
    text = f"from funes import memorious\n{textwrap.dedent(text)}\n" + textwrap.dedent(f"""
        @memorious(cache_dir={str(folder)!r})
        def f(x):
            change(x)
            return x * 2
        """)
    module = types.ModuleType("changing")
    filename = str(folder.parent / "changing.py")
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec", dont_inherit=True), vars(module))
    return module


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_results_of_parallel_first_calls_are_found(change: str, tmp_path: Path, full: bool) -> None:
    lost = 0
    repetitions = 200 if full else 25
    for number in range(repetitions):
        folder = tmp_path / str(number) / "cache"
        module, start = load(CHANGES[change], folder), threading.Barrier(THREADS)
        results: dict[int, int] = {}

        def call(x: int, module: Any = module, start: Any = start, results: Any = results) -> None:
            start.wait(10)
            results[x] = module.f(x)

        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            threads = [threading.Thread(target=call, args=(x,)) for x in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert results == {x: x * 2 for x in range(THREADS)}
        again = load(CHANGES[change], folder)
        missing = [x for x in range(THREADS) if not again.f.is_cached(x)]
        if missing:
            assert any("not stored" in str(warning.message) for warning in said)
            lost += 1
    assert lost <= repetitions // 20
