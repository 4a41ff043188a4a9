"""A memorious function in another process: the same folder and the same key, whatever the working directory there."""

from __future__ import annotations

import pickle
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import dill
import pytest

from funes import Memo, memorious

pytestmark = pytest.mark.usefixtures("cache")

PICKLERS = [pickle, dill, cloudpickle]


@memorious
def double(x: int) -> int:
    return x * 2


class Model:
    @memorious
    def scale(self, x: int) -> int:
        return x * 3

    @memorious
    @classmethod
    def name(cls, x: int) -> str:
        return f"{cls.__name__} {x}"


@pytest.mark.parametrize("pickler", PICKLERS)
def test_a_round_trip_at_home_gives_the_same_object(pickler: Any) -> None:
    assert pickler.loads(pickler.dumps(double)) is double
    assert pickler.loads(pickler.dumps(Model.scale)) is Model.scale
    bound = pickler.loads(pickler.dumps(Model().scale))
    assert bound(2) == 6
    assert pickler.loads(pickler.dumps(Model.name))(1) == "Model 1"


def make(weight: int) -> Memo[[int], int]:
    @memorious
    def scale(x: int) -> int:
        return x if x <= 0 else weight + scale(x - 1)

    return scale


@pytest.mark.parametrize("pickler", PICKLERS)
def test_a_local_function_travels_by_value(pickler: Any) -> None:
    scale = make(5)
    copy = pickler.loads(pickler.dumps(scale))
    assert copy is not scale
    assert copy(3) == scale(3) == 15
    assert copy.key(3) == scale.key(3)
    again = pickler.loads(pickler.dumps(copy))
    assert again(3) == 15


def test_a_function_that_is_gone_says_so() -> None:
    there = pickle.dumps(double)
    elsewhere = there.replace(b"double", b"treble")
    with pytest.raises(AttributeError, match="no memorious function treble"):
        pickle.loads(elsewhere)


HOME = """
import json, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
{imports}

{function}

def go(initial):
    os.chdir(initial)

if __name__ == "__main__":
    elsewhere = str(Path("elsewhere").resolve())
    os.makedirs(elsewhere, exist_ok=True)
    {run}
    assert results == [20, 22, 24], results
    assert all(f.is_cached(x) for x in (10, 11, 12))
    assert os.listdir(elsewhere) == [], os.listdir(elsewhere)
    print(len(list(Path("cache").rglob("*.dill"))), "entries")
"""

FUNCTION = """
FACTOR = 2

def helper(x):
    return x * FACTOR

@memorious
def f(x):
    return helper(x)
"""

RUNS = {
    **{
        method: f"""
    context = multiprocessing.get_context("{method}")
    with context.Pool(2, go, (elsewhere,)) as pool:
        results = pool.map(f, [10, 11, 12])
"""
        for method in ("spawn", "fork", "forkserver")
    },
    "futures": """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, go, (elsewhere,)) as pool:
        results = list(pool.map(f, [10, 11, 12]))
""",
    "loky": """
    from joblib.externals.loky import get_reusable_executor
    executor = get_reusable_executor(2, initializer=go, initargs=(elsewhere,))
    results = list(executor.map(f, [10, 11, 12]))
    executor.shutdown()
""",
}

WORKERS = [
    pytest.param(
        name,
        run,
        marks=pytest.mark.skipif(
            sys.platform == "win32" and "fork" in name, reason="Windows cannot fork"
        ),
    )
    for name, run in RUNS.items()
]


@pytest.mark.parametrize(("name", "run"), WORKERS)
@pytest.mark.parametrize("where", ["main", "module"])
def test_workers_in_another_folder_store_in_the_same_place(
    name: str, run: str, where: str, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    imports, function = "from funes import memorious", FUNCTION
    if where == "module":
        (tmp_path / "mine.py").write_text(f"{imports}\n{FUNCTION}")
        imports, function = "from mine import f", ""
    script = HOME.format(
        imports=imports, function=function, run=textwrap.dedent(run).strip().replace("\n", "\n    ")
    )
    printed = run_python(script, FUNES_CACHE_DIR=None, PYTHONPATH=str(tmp_path))
    assert printed.split() == ["3", "entries"]


def test_by_value_the_hash_travels_so_the_worker_need_not_find_it_again(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    run_python(
        """
import dill
from funes import memorious
WEIGHTS = {"a": 1}
def helper(x):
    return x + WEIGHTS["a"]
@memorious
def f(x):
    return helper(x)
f(1)
with open("f.dill", "wb") as file:
    dill.dump(f, file)
with open("key", "w") as file:
    file.write(f.key(2).arguments + f.key(2).definition)
""",
        FUNES_CACHE_DIR=None,
    )
    printed = run_python(
        f"""
import dill, os
os.makedirs("there")
os.chdir("there")
with open({str(tmp_path / "f.dill")!r}, "rb") as file:
    f = dill.load(file)
print(f.is_cached(1), f(2))
key = f.key(2)
print(key.arguments + key.definition == open({str(tmp_path / "key")!r}).read())
""",
        FUNES_CACHE_DIR=None,
    )
    assert printed.split() == ["True", "3", "True"]


def test_a_worker_with_other_code_under_the_name_does_not_store_under_the_old_hash(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    module = tmp_path / "mine.py"
    module.write_text("from funes import memorious\n@memorious\ndef f(x):\n    return x + 1\n")
    script = "import pickle, mine\n"
    run_python(
        script + "mine.f(1); pickle.dump(mine.f, open('f.pickle', 'wb'))",
        PYTHONPATH=str(tmp_path),
        PYTHONDONTWRITEBYTECODE="1",
    )
    module.write_text("from funes import memorious\n@memorious\ndef f(x):\n    return x + 2\n")
    printed = run_python(
        script + "f = pickle.load(open('f.pickle', 'rb')); print(f(1), f.is_cached(1))",
        PYTHONPATH=str(tmp_path),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert printed.split() == ["3", "True"]
