"""Runs each driver program once, two at a time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import texts

from engines import ENGINES

HERE = Path(__file__).parent
SECONDS = 600


class Case(NamedTuple):
    """One line of a report."""

    claim: str
    case: str
    kept: bool | None
    detail: str


def environment(home: Path, engine: str, place: str) -> dict[str, str]:
    """Returns the environment of a driver program; its cache folder is `cache` in its working directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FUNES_")}
    return {
        **kept,
        "DRIVER_ENGINE": engine,
        "DRIVER_PLACE": place,
        "DRIVER_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(home), str(HERE)]),
        # Python would use stale bytecode for a file that is edited twice in a second.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_btl": "self,vader",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
    }


def run(command: list[str], home: Path, engine: str, place: str) -> str:
    """Runs a program; returns the reason of a failure, or an empty string."""
    output = home / f"output-{engine}"
    # Not a pipe: a worker that outlives the program would keep it open.
    with output.open("w") as out:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=environment(home, engine, place),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: object = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = f"none after {SECONDS} s"
        finally:
            end(process)
    return "" if code == 0 else f"exit code {code}\n{output.read_text(errors='replace')[-3000:]}"


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the program and its remaining processes."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def report(home: Path, engine: str, place: str) -> list[Case]:
    """Runs the driver program of an engine and a place, then a fresh process; returns their reports."""
    program = texts.prepare(home, place)
    failed = run(ENGINES[engine].command(program), home, engine, place)
    cases = [Case("runs", "the driver program", not failed, failed)]
    failed = run([sys.executable, str(program)], home, "none", place)
    cases.append(Case("fresh", "the fresh program", not failed, failed))
    lines = (home / "report").read_text(encoding="utf-8").splitlines()
    return cases + [Case(**json.loads(line)) for line in lines]


@pytest.fixture(scope="session")
def reports(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Any, Future[list[Case]]]]:
    """Returns the reports that the selected tests need, by engine and place."""
    needed: dict[Any, None] = {}
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if {"engine", "place", "claim"} <= parameters.keys():
            needed[parameters["engine"], parameters["place"]] = None
    root = tmp_path_factory.mktemp("engines")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            (engine, place): pool.submit(report, root / f"{engine}-{place}", engine, place)
            for engine, place in needed
            if ENGINES[engine].missing() is None
        }
