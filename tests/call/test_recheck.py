"""`FUNES_RECHECK` computes hits again and reports differences."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, random, sys, warnings
from funes import memorious, mode

runs = sys.modules["runs"] = type(sys)("runs")
runs.count = 0
runs.number = 1

def note():
    m = sys.modules["runs"]
    m.count += 1
    return m.number

@memorious
def f(x):
    return {"a": [x, note()], "b": x}

@memorious
def scalar(x):
    note()
    return x

@memorious
def inner(x):
    note()
    return x

@memorious
def fib(n):
    note()
    return n if n < 2 else fib(n - 1) + fib(n - 2)

@memorious
async def later(x):
    await asyncio.sleep(0)
    return [x, note()]

@memorious
def fails(x):
    if note() > 1:
        raise ValueError("not any more")
    return x

@memorious
def draw():
    note()
    return random.random()
"""


def run(code: str, share: str | None, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + code)
    environment = {**os.environ, **({} if share is None else {"FUNES_RECHECK": share})}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.usefixtures("cache")
def test_share_of_one_repeats_every_hit(tmp_path: Path) -> None:
    code = """
for _ in range(10):
    scalar(1)
assert runs.count == 10, runs.count
assert scalar.cache_info().memory_hits == 9, scalar.cache_info()
scalar.cache_clear()
scalar(1)
assert runs.count == 11
"""
    assert not run(code, "1", tmp_path).stderr


@pytest.mark.usefixtures("cache")
def test_share_is_exact_on_average(tmp_path: Path) -> None:
    code = """
scalar(1); scalar(2)
runs.count = 0
for _ in range(10000):
    scalar(1); scalar(2)
assert 195 <= runs.count <= 205, runs.count
"""
    assert not run(code, "0.01", tmp_path).stderr


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("share", [None, "", "0", "0.0"])
def test_no_hit_is_repeated_without_a_share(tmp_path: Path, share: str | None) -> None:
    code = """
for _ in range(1000):
    scalar(1)
assert runs.count == 1
"""
    assert not run(code, share, tmp_path).stderr


@pytest.mark.usefixtures("cache")
def test_difference_is_a_warning_with_its_place(tmp_path: Path) -> None:
    code = """
f(3)
runs.number = 2
assert f(3) == {"a": [3, 1], "b": 3}
assert f(x=3) == {"a": [3, 1], "b": 3}
f.refresh(3)
assert f(3) == {"a": [3, 2], "b": 3}
"""
    warning = run(code, "1", tmp_path).stderr
    assert warning.count("CacheWarning") == 2
    assert "f(3) gives another value of result['a'][1] when it is computed again" in warning
    assert "f(x=3) gives another value" in warning
    assert "program.py:" in warning


@pytest.mark.usefixtures("cache")
def test_exception_is_a_difference(tmp_path: Path) -> None:
    warning = run("fails(1); runs.number = 2; assert fails(1) == 1", "1", tmp_path).stderr
    assert "fails(1) raises ValueError: not any more when it is computed again" in warning


@pytest.mark.usefixtures("cache")
def test_coroutines_are_repeated(tmp_path: Path) -> None:
    code = """
async def main():
    await later(1)
    assert await later(1) == [1, 1]
    runs.number = 2
    assert await later(1) == [1, 1]
asyncio.run(main())
assert runs.count == 3
"""
    assert "later(1) gives another value of result[1]" in run(code, "1", tmp_path).stderr


@pytest.mark.usefixtures("cache")
def test_hits_within_a_recheck_are_not_repeated(tmp_path: Path) -> None:
    code = """
with mode("off"):
    pass
fib(25)
runs.count = 0
assert fib(25) == 75025
assert runs.count == 1
"""
    assert not run(code, "1", tmp_path).stderr


@pytest.mark.usefixtures("cache")
def test_seeded_draws_agree_and_generators_stay(tmp_path: Path) -> None:
    code = """
first = draw(global_seed=7)
state = random.getstate()
assert draw(global_seed=7) == first
assert random.getstate() == state
assert runs.count == 2
"""
    assert not run(code, "1", tmp_path).stderr


@pytest.mark.usefixtures("cache")
def test_modes_without_computation_are_not_repeated(tmp_path: Path) -> None:
    code = """
scalar(1)
with mode("offline"):
    scalar(1)
assert runs.count == 1
with mode("readonly"):
    scalar(1)
assert runs.count == 2
"""
    assert not run(code, "1", tmp_path).stderr


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("share", ["2", "-1", "often", "nan"])
def test_wrong_share_warns_once(tmp_path: Path, share: str) -> None:
    warning = run("scalar(1); scalar(1); assert runs.count == 1", share, tmp_path).stderr
    assert warning.count("CacheWarning") == 1
    assert "FUNES_RECHECK is ignored: it must be the share of hits to compute again" in warning
