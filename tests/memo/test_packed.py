"""`memorious(packed=True)`: results in segments and packs behave like results in files."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from funes import CacheWarning, load_cached_results, memorious
from funes._funes import close_segments
from funes._results.cache import open_cache
from funes._tools.cli.commands import funes
from funes.types import Memo


def make(folder: Path, **options: Any) -> Memo[..., Any]:
    @memorious(cache_dir=folder, packed=True, memory=0, **options)
    def square(x: int) -> int:
        return x * x

    return square


def computed(memo: Memo[..., Any]) -> int:
    """Returns how often the function ran in this process."""
    return memo.cache_info().misses


def files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.rglob(pattern))


@pytest.mark.parametrize("single_flight", [True, False])
def test_results_are_appended_to_one_segment_and_found_again(
    tmp_path: Path, single_flight: bool
) -> None:
    square = make(tmp_path, single_flight=single_flight)
    for _ in range(3):
        assert [square(x) for x in range(50)] == [x * x for x in range(50)]
    assert len(files(tmp_path, "*.seg")) == 1
    assert not files(tmp_path, "*.dill")
    assert square.is_cached(7)
    assert computed(square) == 50


def test_plain_function_reads_packed_results(tmp_path: Path) -> None:
    square = make(tmp_path)
    square(3)
    plain = memorious(cache_dir=tmp_path, memory=0)(square.__wrapped__)
    assert plain(3) == 9
    assert computed(plain) == 0


def test_listings_and_data_show_packed_results(tmp_path: Path) -> None:
    square = make(tmp_path)
    for x in range(20):
        square(x)
    results = load_cached_results(square)
    assert sorted((each["input"]["x"], each["output"]) for each in results) == [
        (x, x * x) for x in range(20)
    ]
    (version,) = open_cache(tmp_path).functions()[0].versions()
    assert version.summary.entries == 20
    assert all(entry.verify().is_sound for entry in version.entries())
    assert sorted(entry.input["x"] for entry in version.entries()) == list(range(20))


def test_forget_and_refresh_replace_packed_results(tmp_path: Path) -> None:
    square = make(tmp_path)
    for x in range(5):
        square(x)
    assert square.forget(2) == 1
    assert not square.is_cached(2)
    square(2)
    square.refresh(3)
    square(3)
    ran = computed(square)
    assert ran in (6, 7)  # a refresh may count or not
    (segment,) = files(tmp_path, "*.seg")
    (version,) = open_cache(tmp_path).functions()[0].versions()
    for entry in version.entries():
        assert entry.remove()
        assert not entry.remove()
    assert [square(x) for x in range(5)] == [0, 1, 4, 9, 16]
    assert computed(square) == ran + 5
    assert files(tmp_path, "*.seg") == [segment]


def test_large_results_and_results_of_read_files_are_single_files(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("text")

    @memorious(cache_dir=tmp_path / "cache", packed=True)
    def read(name: str, times: int) -> str:
        return Path(name).read_text() * times

    @memorious(cache_dir=tmp_path / "cache", packed=True)
    def repeat(text: str, times: int) -> str:
        return text * times

    assert read(str(tmp_path / "input.txt"), 2) == "texttext"
    assert len(repeat("x", 100_000)) == 100_000
    assert repeat("x", 3) == "xxx"
    assert len(files(tmp_path, "*.dill")) == 2
    (tmp_path / "input.txt").write_text("other")
    assert read(str(tmp_path / "input.txt"), 2) == "otherother"


def test_expired_packed_results_are_computed_again(tmp_path: Path) -> None:
    square = make(tmp_path, max_age=1000)
    square(3)
    square(3)
    assert computed(square) == 1
    now = make(tmp_path, max_age=1e-9)
    assert not now.is_cached(3)
    now(3)
    assert (now.definition, computed(now)) == (square.definition, 1)


def test_commands_pack_verify_and_unpack(tmp_path: Path) -> None:
    square = make(tmp_path)
    for x in range(100):
        square(x)
    memorious(cache_dir=tmp_path, memory=0)(square.__wrapped__)(100)
    close_segments()

    def command(*arguments: str) -> Any:
        done = CliRunner().invoke(funes, [*arguments, "--cache", str(tmp_path), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert command("verify")["sound"]
    (row,) = command("pack", "square")
    assert (row["results"], row["packed"], row["files"], row["busy"]) == (101, 1, 1, 0)
    assert command("pack") == []
    assert command("verify")["sound"]
    assert len(files(tmp_path, "*.pack")) == 1
    assert not files(tmp_path, "*.dill") + files(tmp_path, "*.seg")
    assert [square(x) for x in range(101)] == [x * x for x in range(101)]
    assert computed(square) == 100
    (row,) = command("unpack")
    assert (row["results"], row["packed"]) == (101, 1)
    assert len(files(tmp_path, "*.dill")) == 101
    assert [square(x) for x in range(101)] == [x * x for x in range(101)]
    assert computed(square) == 100
    assert command("ls")[0]["entries"] == 101
    command("pack")
    assert (
        CliRunner().invoke(funes, ["rm", "square", "--yes", "--cache", str(tmp_path)]).exit_code
        == 0
    )
    assert not files(tmp_path, "*.pack")


def test_damaged_pack_costs_one_result(tmp_path: Path) -> None:
    square = make(tmp_path)
    for x in range(20):
        square(x)
    close_segments()
    (segment,) = files(tmp_path, "*.seg")
    content = bytearray(segment.read_bytes())
    content[100] ^= 1
    segment.write_bytes(content)
    done = CliRunner().invoke(funes, ["verify", "--cache", str(tmp_path)])
    assert done.exit_code == 1
    assert segment.name in done.stdout
    assert [square(x) for x in range(20)] == [x * x for x in range(20)]
    assert computed(square) == 21


SCRIPT = """
import os, sys
from funes import memorious

@memorious(cache_dir=sys.argv[1], packed=True)
def square(x):
    return x * x

for x in range(int(sys.argv[2]), int(sys.argv[3])):
    square(x)
    print(x, flush=True)
if len(sys.argv) > 4:
    os.kill(os.getpid(), 9)
"""


def run_script(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), *arguments],
        check=False,
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_processes_continue_a_segment_also_of_a_killed_one(tmp_path: Path) -> None:
    for start in range(0, 40, 10):
        run_script(tmp_path, str(start), str(start + 10), *["killed"] * (start == 10))
    assert len(files(tmp_path, "*.seg")) == 1
    (version,) = open_cache(tmp_path).functions()[0].versions()
    assert version.summary.entries == 40
    assert all(not damage for _, _, damage in version.verify_packed())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_children_have_segments_of_their_own(tmp_path: Path) -> None:
    square = make(tmp_path)
    square(0)

    def child(start: int) -> None:
        for x in range(start, start + 20):
            square(x)

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=child, args=(start,)) for start in (20, 40, 60)]
    for process in processes:
        process.start()
    for x in range(1, 20):
        square(x)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert [square(x) for x in range(80)] == [x * x for x in range(80)]
    assert computed(square) == 20
    assert 2 <= len(files(tmp_path, "*.seg")) <= 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forked children")
def test_processes_compute_each_key_once(tmp_path: Path) -> None:
    square = make(tmp_path)
    context = multiprocessing.get_context("fork")
    barrier, (results, here) = context.Barrier(4), context.Pipe(duplex=False)

    def compute() -> None:
        square.cache_clear()
        barrier.wait(60)
        for x in range(3000):
            assert square(x) == x * x
        here.send(computed(square))

    children = [context.Process(target=compute, daemon=True) for _ in range(4)]
    for child in children:
        child.start()
    counts = []
    for _ in children:
        assert results.poll(120)
        counts.append(results.recv())
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert sum(counts) == 3000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forked children")
def test_processes_that_start_at_once_store_all_results(tmp_path: Path) -> None:
    square = make(tmp_path, single_flight=False)
    square(-1)
    context = multiprocessing.get_context("fork")

    barrier = context.Barrier(16)

    def store(start: int) -> None:
        warnings.simplefilter("error")
        for x in range(start, start + 20):
            barrier.wait(60)
            square(x)
            close_segments()

    starts = range(0, 320, 20)
    children = [context.Process(target=store, args=(start,), daemon=True) for start in starts]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert all(square.is_cached(x) for x in range(320))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forked children")
def test_reader_finds_within_5_ms_what_16_writers_have_stored(tmp_path: Path) -> None:
    square = make(tmp_path, single_flight=False)
    square(-1)
    context = multiprocessing.get_context("fork")
    starts, (done, here) = (
        [context.Semaphore(0) for _ in range(16)],
        context.Pipe(duplex=False),
    )

    def write(writer: int) -> None:
        for number in range(10):
            assert starts[writer].acquire(timeout=60)
            square(16 * number + writer)
            here.send(writer)

    children = [context.Process(target=write, args=(writer,), daemon=True) for writer in range(16)]
    for child in children:
        child.start()
    for number in range(10):
        arguments = range(16 * number, 16 * number + 16)
        assert not any(square.is_cached(x) for x in arguments)
        for start in starts:
            start.release()
        for _ in children:
            assert done.poll(60)
            done.recv()
        time.sleep(0.005)
        assert all(square.is_cached(x) for x in arguments)
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    (version,) = open_cache(tmp_path).functions()[0].versions()
    verified = version.verify_packed()
    assert sum(results for _, results, _ in verified) == 161
    assert not any(damage for _, _, damage in verified)


def test_threads_share_one_segment(tmp_path: Path) -> None:
    square = make(tmp_path)
    threads = [
        threading.Thread(target=lambda: [square(x) for x in range(100)], daemon=True)
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert computed(square) == 100
    assert len(files(tmp_path, "*.seg")) == 1


@pytest.mark.slow
def test_no_returned_result_is_lost_by_kills(tmp_path: Path) -> None:
    acknowledged = []
    for attempt in range(5):
        start = attempt * 100_000
        arguments = [sys.executable, "-c", SCRIPT, str(tmp_path), str(start), str(start + 100_000)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            acknowledged += [int(process.stdout.readline()) for _ in range(200)]
            process.send_signal(signal.SIGKILL)
            acknowledged += map(int, process.stdout.read().split())
    (version,) = open_cache(tmp_path).functions()[0].versions()
    stored = {entry.input["x"] for entry in version.entries()}
    assert stored.issuperset(acknowledged)
    assert len(files(tmp_path, "*.seg")) == 1


def test_environment_variable_packs_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNES_PACKED", "1")

    @memorious(cache_dir=tmp_path)
    def double(x: int) -> int:
        return 2 * x

    @memorious(cache_dir=tmp_path, packed=False)
    def triple(x: int) -> int:
        return 3 * x

    assert (double(2), triple(2)) == (4, 6)
    assert (len(files(tmp_path, "*.seg")), len(files(tmp_path, "*.dill"))) == (1, 1)


def test_sweep_finds_packed_results(tmp_path: Path) -> None:
    square = make(tmp_path)
    for x in range(5):
        square(x)
    sweep = square.map(range(8))
    assert len(sweep.missing) == 3
    assert list(sweep) == [x * x for x in range(8)]
    assert computed(square) == 8
    assert list(square.map(range(8))) == [x * x for x in range(8)]
    assert computed(square) == 8


ERRORS = """
import sys
from pathlib import Path
from funes import memorious

@memorious(cache_dir=sys.argv[1], packed=True, remember_errors=ValueError, files="ignore")
def root(x):
    Path(sys.argv[2]).open("a").write("x")
    if x < 0 and not Path(sys.argv[3]).exists():
        raise ValueError(f"no root of {x}")
    return x

for x in (4, -1):
    try:
        print(root(x), end=" ")
    except ValueError as error:
        print(error, end=" ")
if len(sys.argv) > 4:
    print(root.refresh(-1), root(-1))
"""


@pytest.mark.slow
def test_remembered_error_is_a_single_file_until_a_result_is_stored(tmp_path: Path) -> None:
    cache, runs, switch = (tmp_path / name for name in ("cache", "runs", "switch"))

    def run(*arguments: str) -> str:
        command = [sys.executable, "-c", ERRORS, *map(str, (cache, runs, switch)), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert [run(), run()] == ["4 no root of -1"] * 2
    assert runs.read_text() == "xx"
    assert len(files(cache, "*.error")) == len(files(cache, "*.seg")) == 1
    (version,) = open_cache(cache).functions()[0].versions()
    assert sorted(entry.is_error for entry in version.entries(errors=True)) == [False, True]
    assert all(entry.verify().is_sound for entry in version.entries(errors=True))
    assert version.pack() is not None
    assert [run(), runs.read_text()] == ["4 no root of -1", "xx"]
    switch.touch()
    assert run("refresh") == "4 no root of -1 -1 -1"
    assert not files(cache, "*.error") + files(cache, "*.dill")
    assert [run(), runs.read_text()] == ["4 -1", "xxx"]


def test_deleting_a_remembered_error_keeps_the_packed_result(tmp_path: Path) -> None:
    outcomes = iter([3, ValueError("no"), 5])

    @memorious(cache_dir=tmp_path, packed=True, memory=0, remember_errors=ValueError)
    def take(x: int) -> int:
        found = next(globals()["OUTCOMES"])
        if isinstance(found, Exception):
            raise found
        return int(found)

    globals()["OUTCOMES"] = outcomes
    assert take(1) == 3
    with pytest.raises(ValueError, match="no"):
        take.refresh(1)
    assert [entry.is_error for entry in entries_of(tmp_path)] == [True]
    # As if another process had stored a result at the same time.
    memorious(cache_dir=tmp_path, packed=True, memory=0)(take.__wrapped__).refresh(1)
    assert take(1) == 5
    (error,) = [entry for entry in entries_of(tmp_path) if entry.is_error]
    assert error.remove()
    assert [entry.load()["output"] for entry in entries_of(tmp_path)] == [5]
    assert take(1) == 5


def entries_of(folder: Path) -> list[Any]:
    (version,) = open_cache(folder).functions()[0].versions()
    return list(version.entries(errors=True))


def test_expired_packed_results_are_marked(tmp_path: Path) -> None:
    make(tmp_path, max_age=1e-9)(2)
    make(tmp_path, max_age=1000)(3)
    make(tmp_path)(4)
    close_segments()

    def expired() -> list[tuple[int, bool]]:
        return sorted((entry.input["x"], entry.is_expired) for entry in entries_of(tmp_path))

    expected = [(2, True), (3, False), (4, False)]
    assert expired() == expected
    done = CliRunner().invoke(funes, ["ls", "--cache", str(tmp_path), "--json"])
    (row,) = json.loads(done.stdout)
    assert (row["entries"], row["expired"]) == (3, 1)
    (version,) = open_cache(tmp_path).functions()[0].versions()
    for change in (version.pack, version.unpack):
        assert change() is not None
        assert expired() == expected


def test_gc_keeps_large_arguments_of_packed_results(tmp_path: Path) -> None:
    @memorious(cache_dir=tmp_path, packed=True, memory=0, large_argument=1000)
    def load(data: bytes) -> int:
        return len(data)

    load(bytes(10_000)), load(b"1" * 20_000)
    assert load.forget(bytes(10_000))
    for path in files(tmp_path / "objects", "*.dill"):
        os.utime(path, (1e9, 1e9))
    for _ in range(2):
        done = CliRunner().invoke(funes, ["gc", "--yes", "--cache", str(tmp_path)])
        assert done.exit_code == 0, done.output
        (left,) = files(tmp_path / "objects", "*.dill")
        assert left.stat().st_size > 20_000
        assert [entry.objects for entry in entries_of(tmp_path)] == [{left.stem}]
        close_segments()
        (version,) = open_cache(tmp_path).functions()[0].versions()
        version.pack()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_workers_that_cannot_store_send_results_of_packed_functions_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funes._sweeps.worker.can_store", lambda _: False)
    square = make(tmp_path)
    context = multiprocessing.get_context("fork")
    with (
        ProcessPoolExecutor(1, context) as pool,
        pytest.warns(CacheWarning, match="cannot store results"),
    ):
        assert list(square.map(range(5), executor=pool)) == [0, 1, 4, 9, 16]
    assert not square.map(range(5)).missing
    assert len(files(tmp_path, "*.seg")) == 1
