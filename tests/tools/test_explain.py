"""Explanations of hits and misses."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import platform
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest

from funes import CacheWarning, memorious
from funes._tools.explain.argument_diff import differences
from funes.types import Explanation

Python = Callable[..., "subprocess.CompletedProcess[str]"]


def made(text: str, **options: Any) -> Any:
    """Define the memorious function `f` from its source."""
    namespace: dict[str, Any] = {"__name__": "mine"}
    exec(text, namespace)
    return memorious(**options)(namespace["f"])


# Hits


@pytest.fixture
def f(cache: Path) -> Any:
    return made("def f(x, config=None): return x")


def test_hit_names_memory_or_file(f: Any) -> None:
    f(1)
    before = f.cache_info()
    found = f.explain(1)
    assert (found.is_hit, found.why) == (True, "memory")
    made_by = f"computed with {found.run.with_libraries(())}"
    assert made_by.startswith(f"computed with Python {platform.python_version()}, ")
    assert made_by.endswith(f"on {platform.node()}")
    assert str(found) == f"f: cached, in memory\n{made_by}"
    assert repr(found) == str(found)
    f.cache_clear()
    found = f.explain(1)
    assert (found.why, found.path) == ("disk", f.key(1).path)
    assert str(found) == f"f: cached, in {f.key(1).path}\n{made_by}"
    assert before.misses == 1
    assert f.cache_info()[:3] == (0, 0, 0)


def test_function_is_never_run(f: Any) -> None:
    assert not f.explain(5).is_hit
    assert f.cache_info().misses == 0
    assert not f.is_cached(5)


def test_wrong_arguments_raise_like_a_call(f: Any) -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        f.explain()


# Misses


def test_function_without_results(f: Any, cache: Path) -> None:
    found = f.explain(1)
    assert (found.is_hit, found.why) == (False, "never called")
    assert (found.definition, found.arguments) == f.key(1)[:2]
    assert str(found) == "f: not cached: nothing is stored of this function"
    assert not cache.exists()


def test_arguments_are_compared_with_the_nearest_call(f: Any) -> None:
    f(1, {"lr": 0.1, "layers": [8, 8]})
    f(1, {"lr": 0.1, "layers": [8, 4]})
    f(2, {"lr": 0.5, "layers": [1]})
    found = f.explain(1, {"lr": 0.01, "layers": [8, 4]})
    assert found.why == "arguments"
    assert found.path == f.key(1, {"lr": 0.1, "layers": [8, 4]}).path
    assert (found.looked_at, found.entries) == (3, 3)
    assert str(found) == (
        "f: not cached: it was called with other arguments only\n"
        f"the nearest of all 3 stored calls is {found.path}\n"
        "  config['lr']: 0.1 -> 0.01"
    )
    assert found.line() == "other arguments: config['lr']: 0.1 -> 0.01"


def test_only_stored_call_is_named_so(f: Any) -> None:
    f(1, {"lr": 0.1})
    found = f.explain(1, {"lr": 0.2})
    assert str(found).splitlines()[1] == f"the only stored call is {found.path}"


def test_newest_hundred_calls_are_compared(f: Any) -> None:
    for x in range(120):
        f(x)
        os.utime(f.key(x).path, (x, x))
    found = f.explain(-1)
    assert (found.looked_at, found.entries) == (100, 120)
    assert "the newest 100 of 120 stored calls" in str(found)
    assert found.path == f.key(119).path


def test_large_arguments_are_compared(cache: Path) -> None:
    f = made("def f(data, lr): return lr", large_argument=100)
    data = np.arange(1000.0)
    f(data, 0.1)
    assert f.explain(data, 0.2).line() == "other arguments: lr: 0.1 -> 0.2"
    other = data.copy()
    other[7] = -1
    assert f.explain(other, 0.1).line() == "other arguments: data[7]: 7.0 -> -1.0"


def test_unreadable_calls_are_not_compared(f: Any) -> None:
    f(1)
    f.key(1).path.write_bytes(b"")
    found = f.explain(2)
    assert found.why == "arguments"
    assert "none of the stored calls can be read" in str(found)


TEXT = """\
import sys
from funes import memorious

RATE = 0.1

def step(x):
    return x * RATE

@memorious
def f(x):
    return step(x) + 1

if len(sys.argv) > 1:
    for x in map(int, sys.argv[1:]):
        f(x)
else:
    print(f.explain(3))
"""


@pytest.fixture
def edited(cache: Path, tmp_path: Path, python: Python) -> Callable[..., str]:
    """``edited(before, after, *calls)`` edits the program that made the calls, and explains `f(3)`."""

    def run(before: str, after: str, *calls: int) -> str:
        script = tmp_path / "script.py"
        script.write_text(TEXT, encoding="utf-8")
        assert python(script, *map(str, calls)).returncode == 0
        script.write_text(TEXT.replace(before, after), encoding="utf-8")
        done = python(script)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_changed_value_is_named(edited: Callable[..., str]) -> None:
    lines = edited("RATE = 0.1", "RATE = 0.2", 4).splitlines()
    assert lines[0].startswith("f: not cached: the definition has changed since version ")
    assert lines[1:] == ["  RATE: 0.1 -> 0.2"]


def test_changed_helper_is_shown_as_a_diff(edited: Callable[..., str]) -> None:
    lines = edited("x * RATE", "x - RATE", 3).splitlines()
    assert lines[1] == "  __main__.step (function) changed: 1 line added, 1 line removed"
    assert lines[-3:-1] == ["    -    return x * RATE", "    +    return x - RATE"]
    assert lines[-1].startswith("that version has a result of this call: f.adopt('")


def test_version_with_the_call_is_preferred_to_the_latest(cache: Path) -> None:
    first = made("def f(x): return x")
    second = made("def f(x): return x + 0")
    third = made("def f(x): return 0 + x")
    first(1)
    second(2)
    third(3)
    for date, memo in enumerate((first, second, third)):
        os.utime(memo.cache_path, (date, date))
    found = third.explain(1)
    assert (found.why, found.version.definition) == ("definition", first.definition)
    assert found.is_cached_there
    # The current definition has entries, and no version has this call.
    assert third.explain(4).line() == "other arguments: x: 3 -> 4"
    third.forget(3)
    found = third.explain(4)
    assert (found.why, found.version.definition) == ("definition", second.definition)
    assert not found.is_cached_there


def test_unrecorded_code_is_reported(cache: Path) -> None:
    first, second = made("def f(x): return x"), made("def f(x): return x + 0")
    first(1)
    (first.cache_path / "definition.json").unlink()
    assert "the changes are not known: the code was not recorded" in str(second.explain(1))
    (first.cache_path / "definition.json").write_text("{", encoding="utf-8")
    assert "the changes are not known: ValueError" in second.explain(1).line()


def test_unusable_entry_is_named(f: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    f(1)
    f.cache_clear()
    path = f.key(1).path
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + b"x")
    found = f.explain(1)
    assert (found.why, found.path) == ("damaged", path)
    with pytest.warns(CacheWarning, match="damaged"):
        f(1)
    f.forget(1)
    found = f.explain(1)
    assert (found.why, found.path) == ("damaged", f.cache_path / "damaged" / path.name)
    assert "an earlier call found it damaged, and moved it there" in str(found)
    path.write_bytes(sound[:-16] + b"\x03\0\0\0\xfc\xff\xff\xff" + sound[-8:])
    assert f.explain(1).why == "format"
    path.write_bytes(sound)
    assert f.explain(1).why == "disk"
    monkeypatch.setenv("FUNES_SIGNING_KEY", "secret")
    signed = made("def f(x, config=None): return x")
    assert signed.explain(1).why == "foreign"
    assert "is not signed with the key in use" in str(signed.explain(1))


def test_result_with_missing_class_is_unreadable(
    cache: Path, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    script = """\
import importlib
from funes import memorious

@memorious
def f(module, name):
    return getattr(importlib.import_module(module), name)()

print(f.explain("mine", "A").line())
if not f.explain("mine", "A").path:
    f("mine", "A")
"""
    (tmp_path / "mine.py").write_text("class A: pass\n", encoding="utf-8")
    assert run_python(script) == "not cached: nothing is stored of this function\n"
    assert run_python(script).startswith("cached, in ")
    (tmp_path / "mine.py").write_text("class Other: pass\n", encoding="utf-8")
    told = run_python(script)
    assert told.startswith("not cached: the entry ")
    assert " cannot be read: AttributeError: " in told


def test_unhashable_argument_is_named(f: Any) -> None:
    found = f.explain(1, {"lock": threading.Lock()})
    assert (found.why, found.definition) == ("unhashable", "")
    assert "argument 'config' -> ['lock']: a lock cannot be part of a key" in str(found)


def test_methods_and_coroutine_functions_are_explained(cache: Path) -> None:
    class Model:
        @memorious
        def run(self, x: int) -> int:
            return x

    Model().run(1)
    assert Model().run.explain(1).is_hit
    assert Model().run.explain(2).line() == "other arguments: x: 1 -> 2"
    later = made("async def f(x): return x")
    asyncio.run(later(1))
    assert later.explain(1).why == "memory"
    assert later.explain(2).line() == "other arguments: x: 1 -> 2"


def test_long_explanation_is_cut() -> None:
    many = tuple(differences({"x": [0] * 50}, {"x": [1] * 50}))
    found = Explanation("f", "arguments", path=Path("p"), differences=many)
    assert str(found).endswith("  x[19]: 0 -> 1\n  and more")
    assert found.line() == "other arguments: x[0]: 0 -> 1; x[1]: 0 -> 1; x[2]: 0 -> 1; and 47 more"


# Differences between arguments


@dataclasses.dataclass
class Config:
    lr: float
    layers: list[int]


@attrs.define
class Slotted:
    lr: float


class Plain:
    def __init__(self, lr: float) -> None:
        self.lr = lr


def one() -> int:
    return 1


def two() -> int:
    return 2


CYCLE: list[Any] = []
CYCLE.append(CYCLE)
TEXT_OF_MANY_LETTERS = "a" * 100


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (1, 1, []),
        (float("nan"), float("nan"), []),
        (1, 1.0, ["x: 1 -> 1.0"]),
        (1, True, ["x: 1 -> True"]),
        ({1: 2}, {True: 2}, ["x: <dict> -> another <dict>"]),
        ("a", "b", ["x: 'a' -> 'b'"]),
        (
            TEXT_OF_MANY_LETTERS + "b",
            TEXT_OF_MANY_LETTERS + "c",
            ["x[100:]: 'b' -> 'c'"],
        ),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["x['a']['b']: 1 -> 2"]),
        ({"a": 1}, {"b": 1}, ["x['b']: nothing -> 1", "x['a']: 1 -> nothing"]),
        ([1, 2], [1, 3, 4], ["len(x): 2 -> 3", "x[1]: 2 -> 3"]),
        ([1], (1,), ["x: <list> -> (1,)"]),
        ({1, 2}, {1, 3}, ["2 in x: True -> False", "3 in x: False -> True"]),
        (Config(0.1, [1]), Config(0.1, [2]), ["x.layers[0]: 1 -> 2"]),
        (Slotted(0.1), Slotted(0.2), ["x.lr: 0.1 -> 0.2"]),
        (Plain(0.1), Plain(0.2), ["x.lr: 0.1 -> 0.2"]),
        (one, two, ["x: one -> two"]),
        (CYCLE, [[1]], ["x[0][0]: <list> -> 1"]),
        (np.zeros(3), np.zeros(4), ["x.shape: (3,) -> (4,)"]),
        (np.zeros(3), np.zeros(3, int), ["x.dtype: float64 -> int64"]),
        (
            np.arange(6).reshape(2, 3),
            np.array([[0, 1, 2], [3, 9, 9]]),
            ["x[1, 1]: 4 -> 9 (the first of 2)"],
        ),
        (np.array([np.nan, 1.0]), np.array([np.nan, 2.0]), ["x[1]: 1.0 -> 2.0"]),
        (np.array(1.0), np.array(2.0), ["x: 1.0 -> 2.0"]),
        (np.array([0.0]), np.array([-0.0]), ["x: <ndarray> -> another <ndarray>"]),
        (
            np.array(["a", {"b": 1}], object),
            np.array(["a", {"b": 2}], object),
            ["x.flat[1]['b']: 1 -> 2"],
        ),
        (
            pd.DataFrame({"a": [1, 2], "b": [3, 4]}),
            pd.DataFrame({"a": [1, 2], "c": [3, 4]}),
            ["x['c']: nothing -> <Series>", "x['b']: <Series> -> nothing"],
        ),
        (
            pd.DataFrame({"a": [1, 2]}),
            pd.DataFrame({"a": [1, 3]}),
            ["x['a'][1]: 2 -> 3"],
        ),
        (pd.Series([1], [5]), pd.Series([1], [6]), ["x.index[0]: 5 -> 6"]),
    ],
    ids=lambda it: it if isinstance(it, str) else type(it).__name__,
)
def test_path_of_a_difference(before: Any, after: Any, expected: list[str]) -> None:
    assert [str(found) for found in differences({"x": before}, {"x": after})] == expected


def test_order_of_differences_is_stable() -> None:
    found = list(differences({"x": {1, 2, 3}}, {"x": {4, 5, 6}}))
    assert found == list(differences({"x": {3, 2, 1}}, {"x": {6, 5, 4}}))


# Log lines of misses


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """``lines()`` returns what was logged since the last call."""
    caplog.set_level(logging.INFO, "funes")

    def logged() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name == "funes"]
        caplog.clear()
        return found

    return logged


def test_each_miss_logs_its_reason(cache: Path, lines: Callable[[], list[str]]) -> None:
    f = made("def f(x, config=None): return x")
    f(1)
    f(1)
    assert lines() == ["f is computed: not cached: nothing is stored of this function"]
    f(2)
    f(2, {"lr": 0.1})
    assert lines() == [
        "f is computed: other arguments: x: 1 -> 2",
        "f is computed: other arguments: config: None -> <dict>",
    ]
    again = made("def f(x, config=None): return x")
    again(3)
    asyncio_f = made("async def f(x, config=None): return x")
    asyncio.run(asyncio_f(3))
    first, second = lines()
    assert first == "f is computed: other arguments: x: 2 -> 3"
    assert second.startswith(
        f"f is computed: the definition has changed since version {again.definition[:12]} ("
    )


def test_call_without_a_key_is_logged(f: Any, lines: Callable[[], list[str]]) -> None:
    with pytest.warns(CacheWarning):
        f(threading.Lock())
    [line] = lines()
    assert line.startswith("f is computed: argument 'x': a lock")


def test_failing_explanation_does_not_fail_the_call(
    f: Any, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from funes._tools.explain import explain

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(explain, "explain_miss", fail)
    assert f(1) == 1
    assert lines() == ["f is computed: the reason is not known (RuntimeError: a mistake)"]


def test_log_lists_the_folder_once_and_reads_few_entries(
    f: Any, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from funes._call import log

    listed = []
    listing = log._listed
    monkeypatch.setattr(log, "_listed", lambda folder: listed.append(folder) or listing(folder))
    for x in range(50):
        f(x)
    assert len(listed) == 1
    assert lines()[-1] == "f is computed: other arguments: x: 48 -> 49"
    assert all(len(recent) <= 20 for recent in log._recent.values())


SILENT = """\
from funes import memorious

@memorious
def f(x):
    return x

f(1)
"""


def test_environment_variable_logs_to_standard_error(
    cache: Path, tmp_path: Path, python: Python
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SILENT, encoding="utf-8")
    silent = python(script)
    assert (silent.returncode, silent.stderr) == (0, "")
    script.write_text(SILENT.replace("f(1)", "f(2)"), encoding="utf-8")
    told = python(script, FUNES_LOG="info")
    assert told.stderr == "funes: f is computed: other arguments: x: 1 -> 2\n"
    wrong = python(script, FUNES_LOG="loud", FUNES_CACHE_DIR=str(tmp_path / "other"))
    assert wrong.stderr.startswith(f"{script}:")  # the line of the user
    assert "FUNES_LOG is ignored: it must be a level of logging, such as info" in wrong.stderr
