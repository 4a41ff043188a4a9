"""Measures the remote cache beside bare obstore, on SeaweedFS on this machine.

Ratios are medians of paired runs. `--json FILE` stores the figures.

    make bench
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

from measure import Figure, paired, refuse_debug_build, write_json

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "remote"))

import seaweed

SECONDS = 3.0  # per pair
HITS = 3000  # results that hits read in turn
PACKED = 10_000
LARGE = 1 << 30


def result(x: int) -> dict[str, Any]:
    return {"loss": x * 0.123, "score": x * 7.77, "path": "models/run", "seed": x}


def local_hits(folder: Path, url: str) -> list[Figure]:
    """Compares hits with and without a remote cache."""
    from funes import flush, memorious

    figures = []
    for name, memory in (("disk", 0), ("memory", None)):
        options: dict[str, Any] = {} if memory is None else {"memory": memory}
        cache = str(folder / name)
        with_remote = memorious(cache_dir=cache, remote=url, **options)(result)
        without = memorious(cache_dir=cache, remote="", **options)(result)
        with_remote(1)
        flush()
        without(1)
        took, floor, ratio = paired(lambda f=with_remote: f(1), lambda f=without: f(1), SECONDS)
        note = f"{took * 1e6:.2f} and {floor * 1e6:.2f} us"
        figures.append(Figure(f"{name} hit with / without a remote cache", ratio, "x", 1.03, note))
    return figures


def remote_hits(folder: Path, url: str) -> list[Figure]:
    """Compares a remote hit with a request of obstore and the publication of a file."""
    import obstore

    from funes import flush, memorious
    from funes._funes import Store
    from funes._remote.remote import remote_of

    here = memorious(cache_dir=str(folder / "here"), remote=url)(result)
    there = memorious(cache_dir=str(folder / "there"), remote=url)(result)
    for x in range(HITS):
        here(x)
    flush()
    numbers, names = count(), count()
    remote: Any = remote_of(url)
    definition = there.definition
    remote.listing(f"result/{definition}", is_new=True)
    keys = [here.key(x).arguments for x in range(HITS)]
    other = Store(str(folder / "other"))
    entry = other.read("result", definition, keys[0])
    assert entry is None
    entry = here._store.read("result", definition, keys[0])

    def bare() -> None:
        arguments = keys[next(names)]
        obstore.get(remote.bucket._reading, f"result/{definition}/{arguments}.dill").bytes()
        other.write_again("result", definition, arguments, entry)

    there(next(numbers))
    bare()
    owns, rivals, ratios = [], [], []
    end = perf_counter() + 2 * SECONDS
    while perf_counter() < end and len(ratios) < HITS - 10:
        started = perf_counter()
        there(next(numbers))
        owns.append(perf_counter() - started)
        started = perf_counter()
        bare()
        rivals.append(perf_counter() - started)
        ratios.append(owns[-1] / rivals[-1])
    middle = len(ratios) // 2
    took, floor, ratio = (sorted(each)[middle] for each in (owns, rivals, ratios))
    assert there.cache_info().misses == 0
    note = f"{took * 1e6:.0f} and {floor * 1e6:.0f} us"
    return [Figure("remote hit / obstore get + local publication", ratio, "x", 1.5, note)]


def packed(folder: Path, url: str) -> list[Figure]:
    """Stores packed results and sends them."""
    from funes import flush, memorious
    from funes._remote.bucket import Bucket

    call = memorious(cache_dir=str(folder / "packed"), remote=url, packed=True)(result)
    started = perf_counter()
    for x in range(PACKED):
        call(x)
    computed = perf_counter()
    assert flush()
    ended = perf_counter()
    objects = len(list(Bucket(url).objects("")))
    rate = PACKED / (ended - started)
    sent = PACKED / (ended - computed)
    return [
        Figure(f"objects of {PACKED:,} packed results", objects, "", 20),
        Figure(
            "microseconds a packed result, computed and sent",
            1e6 / rate,
            "us",
            200,
            f"{rate:,.0f} results/s",
        ),
        Figure(
            "microseconds a packed result, sent", 1e6 / sent, "us", 200, f"{sent:,.0f} results/s"
        ),
    ]


#: Works with a large result, and prints seconds and the growth of memory in bytes.
PROCESS = """
import sys
from time import perf_counter
sys.path.insert(0, {benches!r})
from remote import large, peak, prepared
call, store, name = prepared({folder!r}, {url!r})
before = peak()
started = perf_counter()
{work}
print(perf_counter() - started, peak() - before)
"""

WORKS = {
    "send": """
from funes._remote.remote import EntryKey, remote_of
key = EntryKey("large", call.definition, call.key({size}).arguments)
assert remote_of(call._store.remote).send(call._store, key)
""",
    "bare": "import obstore\nfor chunk in obstore.get(store, name).stream(4 << 20): pass",
    # What the cache folder needs at least: the value is a map of the file.
    "file": """
import os, obstore
os.makedirs({folder!r}, exist_ok=True)
with open({folder!r} + "/file", "wb", buffering=0) as file:
    for chunk in obstore.get(store, name).stream(4 << 20): file.write(chunk)
""",
    "funes": "value = call({size})\nassert value.nbytes == {size} and call.cache_info().misses == 0",
}


def in_process(folder: Path, url: str, work: str) -> tuple[float, float]:
    """Does some work in a process of its own. Returns the seconds, and the growth of its memory in bytes."""
    script = PROCESS.format(
        benches=str(Path(__file__).parent),
        folder=str(folder),
        url=url,
        work=work.format(size=LARGE, folder=str(folder)),
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    seconds, grown = map(float, done.stdout.split())
    return seconds, grown


def large(size: int) -> Any:
    import numpy as np

    return np.arange(size // 8)


def peak() -> int:
    """Returns the maximum memory of this process in bytes. `ru_maxrss` would begin with that of the parent."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def prepared(folder: str, url: str) -> tuple[Any, Any, str]:
    import numpy  # noqa: F401 - not a part of what is measured

    from funes import memorious
    from funes._remote.remote import remote_of

    call = memorious(cache_dir=folder, remote=url)(large)
    remote: Any = remote_of(url) if url else None
    name = f"large/{call.definition}/{call.key(LARGE).arguments}.dill"
    return call, remote and remote.bucket._reading, name


def large_result(folder: Path, url: str) -> list[Figure]:
    """Sends and receives a result of 1 GiB."""
    call, _, _ = prepared(str(folder / "large"), "")
    call(LARGE)
    sent, grown = in_process(folder / "large", url, WORKS["send"])
    figures = [Figure("memory to send 1 GiB", grown / (1 << 20), "MiB", 64, f"{sent:.1f} s")]
    took: dict[str, list[float]] = {"bare": [], "file": [], "funes": []}
    memory = 0.0
    for number in range(3):
        for name, seconds_of in took.items():
            place = folder / f"there-{number}-{name}"
            seconds, grown = in_process(place, url, WORKS[name])
            seconds_of.append(seconds)
            if name == "funes":
                memory = max(memory, grown - LARGE)
            shutil.rmtree(place, ignore_errors=True)
    rates = " and ".join(f"{LARGE / sorted(each)[1] / 1e6:,.0f}" for each in took.values())
    for name, what, bar in (("file", "obstore into a file", 1.25), ("bare", "obstore alone", None)):
        pairs = zip(took["funes"], took[name], strict=True)
        ratio = sorted(funes / other for funes, other in pairs)[1]
        note = f"alone, into a file, funes: {rates} MB/s"
        figures.append(Figure(f"time to receive 1 GiB / {what}", ratio, "x", bar, note))
    figures.append(Figure("memory to receive 1 GiB, besides it", memory / (1 << 20), "MiB", 64))
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=["local", "hits", "packed", "large"])
    options = parser.parse_args()
    refuse_debug_build()
    parts = {"local": local_hits, "hits": remote_hits, "packed": packed, "large": large_result}
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "weed").mkdir()
        with seaweed.serving(folder / "weed") as endpoint:
            os.environ.update(seaweed.SETTINGS, AWS_ENDPOINT=endpoint)
            from funes._remote.bucket import Bucket

            seaweed.wait_for(Bucket("s3://team/bench"))
            for part, measure in parts.items():
                if options.only in (None, part):
                    for figure in measure(folder, f"s3://team/{part}"):
                        print(figure, flush=True)
                        figures.append(figure)
    if options.json:
        write_json(options.json, figures)
    return 0 if all(figure.is_met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
