"""Measures sweeps: hits and misses compared to joblib and to a plain loop, planning, memory, the start of workers.

The functions do almost nothing, so that the measured time is that of the sweep.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import Figure, machine, refuse_debug_build, write_json
from peers import work

from funes import memorious

POINTS = 10_000
MANY = 1_000_000
WORKERS = 2
ROUNDS = 5

mapped = memorious(work)
looped = memorious(work)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def fresh_folders(root: Path) -> Callable[[], Path]:
    numbers = itertools.count()
    return lambda: root / str(next(numbers))


def by_joblib(folder: Path) -> Callable[[], object]:
    import joblib

    cached = joblib.Memory(folder, verbose=0).cache(work)

    def run() -> object:
        return joblib.Parallel(WORKERS)(joblib.delayed(cached)(x) for x in range(POINTS))

    return run


def hits(root: Path) -> list[Figure]:
    """All results are stored and none is in memory."""
    for memo in (mapped, looped):
        memo._move(str(root / "hits"))
    list(mapped.map(range(POINTS)))
    rival = by_joblib(root / "joblib-hits")
    rival()
    ours, loops, rivals = [], [], []
    for _ in range(ROUNDS):
        mapped.cache_clear()
        looped.cache_clear()
        ours.append(seconds(lambda: list(mapped.map(range(POINTS)))))
        loops.append(seconds(lambda: [looped(x) for x in range(POINTS)]))
        rivals.append(seconds(rival))
    note = " and ".join(
        f"{1e6 * statistics.median(times) / POINTS:.1f} us" for times in (ours, loops)
    )
    return [
        Figure("hits: map / a loop of disk hits", ratio(ours, loops), "x", 1.5, note),
        Figure("hits: map / joblib.Parallel + Memory", ratio(ours, rivals), "x", 0.15),
    ]


def misses(root: Path) -> list[Figure]:
    """No result is stored; the workers are started."""
    folder = fresh_folders(root)
    ours, loops, rivals = [], [], []
    for _ in range(ROUNDS):
        for memo in (mapped, looped):
            memo._move(str(folder()))
        list(mapped.map([-1, -2], executor=WORKERS))
        ours.append(seconds(lambda: list(mapped.map(range(POINTS), executor=WORKERS))))
        loops.append(seconds(lambda: [looped(x) for x in range(POINTS)]))
        rivals.append(seconds(by_joblib(folder())))
    note = " and ".join(
        f"{1e6 * statistics.median(times) / POINTS:.0f} us" for times in (ours, loops)
    )
    halves = [time / WORKERS for time in loops]
    return [
        Figure(
            f"misses: map, executor={WORKERS} / half a loop", ratio(ours, halves), "x", 1.6, note
        ),
        Figure("misses: map / joblib.Parallel + Memory", ratio(ours, rivals), "x", 0.3),
    ]


def ratio(own: list[float], rival: list[float]) -> float:
    return statistics.median(mine / other for mine, other in zip(own, rival, strict=True))


def planning(root: Path) -> list[Figure]:
    mapped._move(str(root / "planning"))
    mapped(0)
    points = list(range(MANY // 4))
    times = [seconds(lambda: mapped.map(points)) for _ in range(ROUNDS)]
    value = 1e6 * statistics.median(times) / len(points)
    return [Figure("planning a list of numbers, a point", value, "us", 2.0)]


MEMORY = """
import sys
from pathlib import Path
sys.path.insert(0, {benches!r})
from funes import memorious
from peers import work

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

f = memorious(work)
f(0)
points = list(range({many}))
f.map(points[:1000])
before = resident()
sweep = f.map(points)
print((resident() - before) / len(points))
"""


def memory(root: Path) -> list[Figure]:
    if not sys.platform.startswith("linux"):
        return []
    script = MEMORY.format(benches=str(Path(__file__).parent), many=MANY)
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    value = float(found.stdout)
    return [Figure(f"memory of {MANY:,} points, a point", value, "bytes", 100.0)]


#: Starts own workers and lets each run a task with `points` points.
START = """
import pickle, threading, time
from funes._sweeps.executors.engine import Event
from funes._sweeps.executors.own_workers import OwnWorkers
from funes._sweeps.task import Task, loads_answers
import points_of_user

f = points_of_user.f
def task(number):
    numbers = [number] * {points}
    digests = bytes.fromhex(f.key(number).arguments) * {points}
    args = [(number,)] * {points}
    return Task(pickle.dumps(f), f.definition, "", 0, True, numbers, digests, args, [], True).dumps()

tasks = [(number, task(number)) for number in range({workers})]
reports = []
ended = threading.Semaphore(0)
def report(report):
    reports.append(report)
    if report.event is Event.END:
        ended.release()
start = time.perf_counter()
engine = OwnWorkers({workers}, report, {workers})
engine.submit(tasks)
for _ in range({workers}):
    ended.acquire()
seconds = time.perf_counter() - start
answers = [loads_answers(report.value) for report in reports]
assert sum(len(each.plain.numbers) for each in answers) == {workers} * {points}, reports
print(seconds)
"""


def start(root: Path) -> list[Figure]:
    """The workers start at the same time, and are compared with interpreters that do.

    The bar is for workers that have imported funes and the user's module. The second figure adds the first call, for
    which both compute the definition.
    """
    (root / "points_of_user.py").write_text(
        "from funes import memorious\n\n\n@memorious\ndef f(x):\n    return x\n"
    )
    paths = os.pathsep.join([str(root), str(Path(__file__).parent)])
    env = {**os.environ, "PYTHONPATH": paths, "FUNES_CACHE_DIR": str(root / "cache")}
    # As after an installation: else the modules are compiled at each start.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    name = f"start of {WORKERS} workers / of {WORKERS} interpreters"
    return [
        started(name, env, 0, "import points_of_user", 2.0),
        started(f"{name}, with a call", env, 1, "import points_of_user as p; p.f({number})", None),
    ]


def started(name: str, env: dict[str, str], points: int, code: str, bar: float | None) -> Figure:
    starts, plains = [], []
    command = [sys.executable, "-c"]
    for round_ in range(2 * ROUNDS + 1):
        env["FUNES_CACHE_DIR"] = str(
            Path(env["FUNES_CACHE_DIR"]).with_name(f"cache-{points}-{round_}")
        )
        run = [*command, START.format(workers=WORKERS, points=points)]
        output = subprocess.run(run, env=env, capture_output=True, text=True, check=True).stdout
        starts.append(float(output))
        runs = [[*command, code.format(number=10 + number)] for number in range(WORKERS)]
        begin = time.perf_counter()
        for process in [subprocess.Popen(run, env=env) for run in runs]:
            process.wait()
        plains.append(time.perf_counter() - begin)
    # The first round compiles the modules.
    del starts[0], plains[0]
    note = f"{1e3 * statistics.median(starts):.0f} ms and {1e3 * statistics.median(plains):.0f} ms"
    return Figure(name, ratio(starts, plains), "x", bar, note)


PARTS = {"hits": hits, "misses": misses, "planning": planning, "memory": memory, "start": start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    refuse_debug_build()
    print(machine())
    figures = []
    for name in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            for figure in PARTS[name](Path(folder)):
                print(figure, flush=True)
                figures.append(figure)
    if options.json:
        write_json(options.json, figures)


if __name__ == "__main__":
    main()
