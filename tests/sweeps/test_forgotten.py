"""A point without an entry is computed and stored, also if a worker has the result in memory."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from sweep_functions import later, square

HERE = Path(__file__).parent

EXECUTORS: dict[str, Callable[[], Any]] = {
    "none": nullcontext,
    "number": lambda: nullcontext(1),
    "threads": lambda: ThreadPoolExecutor(1),
    "spawn": lambda: ProcessPoolExecutor(1, multiprocessing.get_context("spawn")),
}


def forget(memo: Any, x: int) -> None:
    memo.forget(x)


def delete_entry(memo: Any, x: int) -> None:
    os.unlink(memo.key(x).path)


def delete_folder(memo: Any, x: int) -> None:
    shutil.rmtree(memo.cache_path)


def delete_cache(memo: Any, x: int) -> None:
    shutil.rmtree(memo.cache_path.parent)


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    with EXECUTORS[request.param]() as executor:
        yield executor


@pytest.mark.parametrize("memo", [square, later], ids=["plain", "async"])
def test_point_without_entry_is_stored_again(memo: Any, executor: Any) -> None:
    results = list(memo.map(range(3), executor=executor))
    for remove in (forget, delete_entry, delete_folder, delete_cache):
        remove(memo, 1)
        sweep = memo.map(range(3), executor=executor)
        assert sweep.status().missing >= 1, remove
        assert list(sweep) == results
        assert sweep.status().stored == 3, remove


def test_entry_that_goes_after_planning_is_stored_again(executor: Any) -> None:
    list(square.map(range(3), executor=executor))
    sweep = square.map(range(3), executor=executor)
    delete_folder(square, 1)
    assert list(sweep) == [0, 1, 4]
    assert sweep.status().stored == 3
