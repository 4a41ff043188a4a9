"""Workers use the remote cache by its URL. A forked child does not, since obstore does not work after a fork."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_s3
import pytest

import funes

Make = Callable[..., Any]
RunPython = Callable[..., str]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def test_a_forked_child_goes_on_locally_with_one_warning(
    server: fake_s3.FakeS3, machine: Make, tmp_path: Path
) -> None:
    here = machine("here")
    here(1)
    assert funes.flush()
    requests = len(server.requests)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            results = [here(x) for x in (1, 2, 3)]
        text = f"{results} {len(found)} {found[0].message} {funes.flush()}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert text.startswith("[3, 6, 9] 1 the remote cache is not used in this process")
    assert text.endswith("True")
    assert len(server.requests) == requests
    assert here(4) == 12  # the parent uses it as before
    assert funes.flush()
    assert len(server.requests) > requests


def test_a_child_that_was_forked_before_the_first_use_uses_the_remote_cache(
    server: fake_s3.FakeS3, run_python: RunPython, tmp_path: Path
) -> None:
    script = """
import multiprocessing
from funes import memorious

@memorious(remote="s3://bucket")
def triple(x):
    return 3 * x

with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(triple, range(4)))
    pool.close()
    pool.join()
"""
    assert run_python(script, FUNES_CACHE_DIR=str(tmp_path / "cache")) == "[0, 3, 6, 9]\n"
    assert server.entries() == 4


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_use_the_remote_cache(
    method: str, server: fake_s3.FakeS3, run_python: RunPython, tmp_path: Path
) -> None:
    script = f"""
import multiprocessing
import funes
from funes import memorious

@memorious(remote="s3://bucket")
def triple(x):
    return 3 * x

if __name__ == "__main__":
    triple(9)
    funes.flush()
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        print(pool.map(triple, range(4)))
        pool.close()
        pool.join()
"""
    assert run_python(script, FUNES_CACHE_DIR=str(tmp_path / "cache")) == "[0, 3, 6, 9]\n"
    assert server.entries() == 5


@pytest.mark.slow
def test_loky_workers_use_the_remote_cache_that_the_driver_names(
    server: fake_s3.FakeS3, machine: Make, tmp_path: Path
) -> None:
    from loky import ProcessPoolExecutor

    here = machine("here")
    here(1)
    assert funes.flush()
    with ProcessPoolExecutor(2) as pool:
        there = machine("there")
        assert list(pool.map(there, [1, 2])) == [3, 6]
    assert there.is_cached(1)
    stored = server.entries()
    assert stored == 2


def test_a_pickled_function_carries_the_url_only(
    server: fake_s3.FakeS3, machine: Make, secrets: tuple[str, str]
) -> None:
    import cloudpickle

    data = cloudpickle.dumps(machine("here"))
    assert b"s3://bucket/team" in data
    assert not any(secret.encode() in data for secret in secrets)
    assert cloudpickle.loads(data)(2) == 6


def test_a_sweep_whose_remote_cache_fails_computes_with_one_warning(
    server: fake_s3.FakeS3, machine: Make, printed: Callable[[], list[str]]
) -> None:
    here, there = machine("here"), machine("there")
    for x in range(40):
        here(x)
    assert funes.flush()
    server.fault = lambda handler: (
        handler.name.endswith(".dill") and handler.refuse(503, "SlowDown")
    )
    with pytest.warns(funes.CacheWarning, match="503 Service Unavailable SlowDown") as found:
        assert list(there.map(range(40), progress=False)) == [3 * x for x in range(40)]
    assert len(found) == 1


@pytest.mark.slow
def test_sweeps_take_results_from_the_remote_cache(
    server: fake_s3.FakeS3, machine: Make, printed: Callable[[], list[str]]
) -> None:
    here, there = machine("here"), machine("there")
    assert list(here.map(range(20), progress=False)) == [3 * x for x in range(20)]
    assert funes.flush()
    printed()
    sweep = there.map(range(25), progress=False)
    assert str(sweep.status()) == "20 of 25 points are stored, 5 are missing"
    assert list(sweep) == [3 * x for x in range(25)]
    assert printed() == [f"computing {x}" for x in range(20, 25)]
    assert funes.flush()
    server.requests.clear()
    with funes.mode("refresh"):
        assert list(there.map([1, 2], progress=False)) == [3, 6]
    assert server.counted("GET") == []
