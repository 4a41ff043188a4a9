"""A stored result belongs to the content of the files that the function read."""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning, load_cached_results, memorious
from funes.errors import FunesError

pytestmark = pytest.mark.usefixtures("cache")

RunPython = Callable[..., str]

#: The calls of `read` that ran.
RUNS: list[Any] = []


@pytest.fixture(autouse=True)
def _runs() -> None:
    RUNS.clear()


def note(value: Any) -> None:
    getattr(sys.modules[__name__], "RUNS").append(value)  # noqa: B009


def runs() -> int:
    return len(RUNS)


@pytest.fixture
def read() -> Any:
    @memorious
    def read(path: str) -> str:
        note(path)
        with open(path) as file:
            return file.read()

    return read


def settle() -> None:
    """Waits until the stamps of all files so far are older than the time resolution of a local disk."""
    time.sleep(0.03)


def rewrite(path: Path, text: str, like: os.stat_result) -> None:
    """Writes a file, and sets the times of another one."""
    path.write_text(text)
    os.utime(path, ns=(like.st_atime_ns, like.st_mtime_ns))


def fresh(function: Any) -> Any:
    """Forgets the results in memory, as another process would have none."""
    function.cache_clear()
    return function


# Computed again


def test_an_edit_is_seen_in_memory_and_on_disk(read: Any) -> None:
    path = Path("data.txt")
    path.write_text("one")
    assert read("data.txt") == read("data.txt") == "one"
    path.write_text("three")
    assert read("data.txt") == "three"
    path.write_text("four!")
    assert fresh(read)("data.txt") == "four!"
    assert runs() == 3


def test_a_write_of_equal_size_right_before_the_call_is_seen(read: Any) -> None:
    path = Path("data.txt")
    for number in range(100):
        path.write_text(f"{number:03}")
        assert read("data.txt") == f"{number:03}"
        assert fresh(read)("data.txt") == f"{number:03}"
    assert runs() == 100


@pytest.mark.parametrize("is_fresh", [False, True])
def test_a_replacement_with_equal_size_and_times_is_seen(read: Any, is_fresh: bool) -> None:
    path = Path("data.txt")
    path.write_text("one")
    settle()
    assert read("data.txt") == "one"
    other = Path("other.txt")
    rewrite(other, "two", path.stat())
    settle()
    os.replace(other, path)
    assert (fresh(read) if is_fresh else read)("data.txt") == "two"


def test_an_absent_file_that_exists_now_is_seen() -> None:
    @memorious
    def read_or_default(path: str) -> str:
        try:
            with open(path) as file:
                return file.read()
        except FileNotFoundError:
            return "default"

    assert read_or_default("settings") == "default"
    assert read_or_default("settings") == "default"
    assert read_or_default.cache_info().memory_hits == 1
    Path("settings").write_text("own")
    assert read_or_default("settings") == "own"
    Path("settings").unlink()
    assert read_or_default("settings") == "default"
    assert read_or_default.cache_info().misses == 2


def test_a_relative_path_is_that_of_the_working_directory_of_the_hit(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read.__wrapped__  # noqa: B018
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "data.txt").write_text(folder)
    for _ in range(3):
        for folder in ("a", "b"):
            with monkeypatch.context() as patch:
                patch.chdir(folder)
                assert read("data.txt") == folder
    assert runs() == 2  # the earlier result is found again


def test_equal_content_in_another_working_directory_is_a_hit(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "data.txt").write_text("same")
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            assert read("data.txt") == "same"
    assert runs() == 1


# Hits


def test_a_touch_is_a_hit(read: Any) -> None:
    path = Path("data.txt")
    path.write_text("one")
    read("data.txt")
    os.utime(path, (1, 1))
    assert read("data.txt") == fresh(read)("data.txt") == "one"
    assert runs() == 1


def test_a_file_moved_away_and_back_is_a_hit(read: Any) -> None:
    path = Path("data.txt")
    path.write_text("one")
    read("data.txt")
    path.rename("aside")
    Path("aside").rename(path)
    assert read("data.txt") == fresh(read)("data.txt") == "one"
    assert runs() == 1


def test_a_missing_file_is_a_hit_with_one_warning(read: Any) -> None:
    path = Path("data.txt")
    path.write_text("one")
    read("data.txt")
    path.unlink()
    with pytest.warns(CacheWarning, match=r"data\.txt is missing") as caught:
        assert [read("data.txt") for _ in range(3)] == ["one"] * 3
        assert fresh(read)("data.txt") == "one"
    assert len(caught) == 1
    assert runs() == 1


@pytest.mark.parametrize("forgets", [False, True])
def test_a_file_that_is_absent_again_finds_the_first_result(forgets: bool) -> None:
    @memorious
    def text(path: str) -> str | None:
        try:
            return Path(path).read_text()
        except FileNotFoundError:
            return None

    for _ in range(3):
        assert text("later") is None
        Path("later").write_text("now")
        assert text("later") == "now"
        Path("later").unlink()
        if forgets:
            text.cache_clear()
    assert text("later") is None


def test_a_missing_file_is_a_miss_of_a_strict_function() -> None:
    @memorious(strict=True)
    def read(path: str) -> str:
        with open(path) as file:
            return file.read()

    Path("data.txt").write_text("one")
    read("data.txt")
    Path("data.txt").unlink()
    assert not read.is_cached("data.txt")
    with pytest.raises(FileNotFoundError):
        read("data.txt")


def test_the_earlier_result_is_found_when_the_file_is_as_it_was(read: Any) -> None:
    path = Path("data.txt")
    for text in ("one", "two", "three", "one", "two", "three", "two"):
        path.write_text(text)
        assert read("data.txt") == text
        assert fresh(read)("data.txt") == text
        assert read.is_cached("data.txt")
    assert runs() == 3
    folder = read.cache_path
    names = sorted(len(file.name) for file in folder.glob("*.dill"))
    assert names == [45, 62, 62]
    # The earlier entries are no results of the present.
    assert len(load_cached_results(read)) == 1
    assert read.forget("data.txt")
    assert not list(folder.glob("*.dill"))


def test_other_files_may_be_read_depending_on_content() -> None:
    @memorious
    def follow(path: str) -> str:
        note(path)
        return Path(Path(path).read_text()).read_text()

    Path("a").write_text("A")
    Path("b").write_text("B")
    for name in ("a", "b", "a", "b"):
        Path("pointer").write_text(name)
        assert follow("pointer") == name.upper()
    assert runs() == 2
    Path("a").write_text("changed")  # which is not read now
    assert follow("pointer") == "B"
    assert runs() == 2


def test_a_project_in_another_folder_has_the_results(run_python: RunPython, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "data").mkdir(parents=True)
    (here / "data" / "table.txt").write_text("42")
    (here / "script.py").write_text(
        "from pathlib import Path\n"
        "from funes import memorious\n"
        "@memorious\n"
        "def table():\n"
        "    print('computed')\n"
        "    return (Path(__file__).parent / 'data' / 'table.txt').read_text()\n"
        "print(table())\n"
    )
    environment = {**os.environ, "FUNES_CACHE_DIR": str(tmp_path / "cache")}

    def run(folder: Path) -> str:
        command = [sys.executable, str(folder / "script.py")]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert run(here) == "computed\n42\n"
    shutil.copytree(here, there)
    shutil.rmtree(here)
    assert run(there) == "42\n"
    (there / "data" / "table.txt").write_text("43")
    assert run(there) == "computed\n43\n"


# What counts


def test_files_ignore(read: Any) -> None:
    ignoring = memorious(files="ignore")(read)
    Path("data.txt").write_text("one")
    assert ignoring("data.txt") == "one"
    Path("data.txt").write_text("three")
    assert ignoring("data.txt") == fresh(ignoring)("data.txt") == "one"
    assert ignoring.is_cached("data.txt")
    with pytest.raises(ValueError, match=r'files must be "track" or "ignore"'):
        memorious(files="no")(read)


def test_a_file_that_the_call_wrote_does_not_count() -> None:
    @memorious
    def through_files(value: int) -> str:
        note(value)
        Path("out.txt").write_text(str(value))
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "more").write_text(str(value))
            more = Path(folder, "more").read_text()
        Path("draft").write_text(str(value))
        os.replace("draft", "final")
        return Path("out.txt").read_text() + more + Path("final").read_text()

    assert [through_files(value) for value in (1, 2, 1, 2)] == ["111", "222", "111", "222"]
    assert runs() == 2


def test_a_cache_file_of_the_function_itself_does_not_count() -> None:
    @memorious
    def with_own_cache(value: int) -> str:
        note(value)
        try:
            return Path(f"{value}.txt").read_text()
        except FileNotFoundError:
            Path(f"{value}.txt").write_text(str(value))
            return str(value)

    assert [with_own_cache(1) for _ in range(3)] == ["1"] * 3
    assert runs() == 1


def test_a_file_that_changes_during_the_call_is_reported() -> None:
    @memorious
    def count(path: str) -> int:
        note(path)
        value = int(Path(path).read_text()) + 1
        Path(path).write_text(f"{value:04}")
        return value

    Path("counter").write_text("0")
    with pytest.warns(CacheWarning, match=r"counter changed after it was opened"):
        assert [count("counter") for _ in range(3)] == [1, 2, 3]
    strict = memorious(strict=True)(count)
    with pytest.raises(FunesError, match="counter"):
        strict("counter")


def test_libraries_byte_code_and_pseudo_files_do_not_count() -> None:
    @memorious
    def around() -> int:
        import importlib
        import linecache

        linecache.clearcache()
        linecache.getline(__file__, 1)
        importlib.reload(importlib.import_module("colorsys"))
        with open(os.__file__) as file:
            file.readline()
        return len(Path("/proc/self/stat").read_text() if Path("/proc").exists() else "x") > 0

    assert around()
    assert around()
    assert around.cache_info().memory_hits == 1
    assert (
        around._core.changed_file(around, around.key().definition, around.key().arguments) is None
    )
    assert b"read\x00" not in around.key().path.read_bytes()


def test_what_a_package_reads_while_it_is_imported_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("settings.txt").write_text("one")
    (tmp_path / "site-packages").mkdir()
    for folder, name in (("site-packages", "installed"), (".", "own_module")):
        text = "import os, pathlib\nos.listdir()\n"
        text += "text = pathlib.Path('settings.txt').read_text()\n"
        Path(folder, f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(Path(folder).absolute())

    @memorious
    def imports(name: str) -> Any:
        return importlib.import_module(name).text

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert imports("installed") == "one"
    with pytest.warns(CacheWarning, match="lists a folder"):
        assert imports("own_module") == "one"
    Path("settings.txt").write_text("two")
    assert [imports.is_cached(name) for name in ("installed", "own_module")] == [True, False]


def test_appending_is_not_reading() -> None:
    @memorious
    def log(value: int) -> int:
        with open("log.txt", "a") as file:
            file.write(f"{value}\n")
        return value

    assert [log(1), log(2), log(1), log(2)] == [1, 2, 1, 2]
    assert Path("log.txt").read_text() == "1\n2\n"


def test_a_changed_working_directory_within_the_call() -> None:
    @memorious
    def inside(folder: str) -> str:
        note(folder)
        before = os.getcwd()
        first = Path("data.txt").read_text()
        os.chdir(folder)
        try:
            return first + Path("data.txt").read_text()
        finally:
            os.chdir(before)

    Path("sub").mkdir()
    Path("data.txt").write_text("1")
    Path("sub/data.txt").write_text("2")
    assert inside("sub") == inside("sub") == "12"
    assert runs() == 1
    Path("sub/data.txt").write_text("3")
    assert inside("sub") == "13"
    Path("data.txt").write_text("4")
    assert inside("sub") == "43"


# Calls within calls, threads, tasks


def test_an_inner_call_passes_its_files_to_the_outer_one(read: Any) -> None:
    @memorious
    def outer(path: str) -> str:
        return str(read(path)) + "!"

    path = Path("data.txt")
    for text, prepare in (("one", False), ("two", True), ("three", False)):
        path.write_text(text)
        if prepare:
            read("data.txt")  # so that it is a hit within the outer call
        assert outer("data.txt") == outer("data.txt") == text + "!"
        assert fresh(outer)("data.txt") == text + "!"
    path.write_text("four")
    fresh(read)
    read("data.txt")
    fresh(read)  # a hit on disk
    assert outer("data.txt") == "four!"


def test_the_files_of_an_inner_call_that_ignores_them_do_not_count(read: Any) -> None:
    inner = memorious(files="ignore")(read)

    @memorious
    def outer(path: str) -> str:
        note("outer")
        return str(inner(path))

    Path("data.txt").write_text("one")
    assert outer("data.txt") == "one"
    Path("data.txt").write_text("two")
    assert outer("data.txt") == fresh(outer)("data.txt") == "one"


def test_files_of_threads_count() -> None:
    @memorious
    def in_threads(way: str) -> str:
        if way == "pool":
            with ThreadPoolExecutor(2) as pool:
                return "".join(pool.map(lambda path: Path(path).read_text(), ["a", "b"]))
        found: list[str] = []

        def run() -> None:
            inner = threading.Thread(target=lambda: found.append(Path("a").read_text()))
            inner.start()
            inner.join()
            found.append(Path("b").read_text())

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return "".join(found)

    Path("a").write_text("1")
    for way in ("pool", "thread"):
        Path("b").write_text("2")
        Path("a").write_text("1")
        assert in_threads(way) == in_threads(way) == "12"
        assert in_threads.cache_info().memory_hits > 0
        Path("b").write_text("3")
        assert in_threads(way) == "13"
        Path("a").write_text("4")
        assert in_threads(way) == "43"


POOL: list[ThreadPoolExecutor] = []


def test_a_pool_that_an_earlier_call_has_started_counts() -> None:
    @memorious
    def in_pool(path: str) -> str:
        pools = getattr(sys.modules[__name__], "POOL")  # noqa: B009
        if not pools:
            pools.append(ThreadPoolExecutor(1))
        return str(pools[0].submit(lambda: Path(path).read_text()).result())

    for path in ("a", "b"):
        Path(path).write_text("1")
        assert in_pool(path) == "1"
    for path in ("a", "b"):
        Path(path).write_text("2")
        assert in_pool(path) == "2"
    POOL.pop().shutdown()


def test_concurrent_calls_in_threads_have_files_of_their_own(read: Any) -> None:
    for number in range(8):
        Path(str(number)).write_text("1")
    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        # Up to Python 3.11, a thread that begins during a call counts for this call, too.
        list(pool.map(lambda _: barrier.wait(), range(4)))
        assert list(pool.map(read, map(str, range(8)))) == ["1"] * 8
        Path("3").write_text("2")
        assert list(pool.map(fresh(read), map(str, range(8)))) == [*"1112", *"1111"]
    assert runs() == 9


def test_coroutines_have_files_of_their_own() -> None:
    @memorious
    async def slowly(path: str) -> str:
        note(path)
        await asyncio.sleep(0.001)
        first = Path(path).read_text()
        await asyncio.sleep(0.001)
        return first + await asyncio.to_thread(Path(path + "2").read_text)

    async def all_of() -> list[str]:
        return list(await asyncio.gather(*(slowly(path) for path in "abc")))

    for path in "abc":
        Path(path).write_text(path)
        Path(path + "2").write_text("1")
    assert asyncio.run(all_of()) == asyncio.run(all_of()) == ["a1", "b1", "c1"]
    assert runs() == 3
    Path("b2").write_text("2")
    assert asyncio.run(all_of()) == ["a1", "b2", "c1"]
    assert runs() == 4
    Path("c").write_text("d")
    assert asyncio.run(fresh(slowly)("c")) == "d1"
    assert runs() == 5


def test_seeded_calls_have_files() -> None:
    @memorious
    def seeded(path: str) -> str:
        return Path(path).read_text()

    Path("a").write_text("1")
    assert seeded("a", global_seed=1) == seeded("a", global_seed=1) == "1"
    Path("a").write_text("2")
    assert seeded("a", global_seed=1) == "2"


def test_scalars_are_checked_at_every_hit() -> None:
    @memorious
    def scale(number: int) -> float:
        return float(Path("factor").read_text()) * number

    Path("factor").write_text("2")
    assert [scale(3) for _ in range(5)] == [6.0] * 5
    Path("factor").write_text("4")
    assert scale(3) == 12.0
    assert scale.cache_info().memory_hits == 4


# Tools


def test_explain_names_the_file(read: Any, caplog: pytest.LogCaptureFixture) -> None:
    Path("data.txt").write_text("one")
    read("data.txt")
    assert fresh(read).explain("data.txt").why == "disk"
    Path("data.txt").write_text("three")
    explanation = read.explain("data.txt")
    assert explanation.why == "files"
    assert "data.txt has changed" in str(explanation)
    assert not read.is_cached("data.txt")
    with caplog.at_level("INFO", "funes"):
        read("data.txt")
    assert "data.txt has changed" in caplog.text
    assert read.explain("data.txt").is_hit
    Path("data.txt").write_text("one")
    assert read.explain("data.txt").is_hit


# Many files


def test_many_files_are_recorded_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    @memorious
    def total(folder: str) -> int:
        note(folder)
        return sum(int(Path(folder, str(number)).read_text()) for number in range(1100))

    folder = Path("many")
    folder.mkdir()
    for number in range(1100):
        (folder / str(number)).write_text("1")
    with pytest.warns(CacheWarning, match="it read 1100 files") as caught:
        assert total("many") == total("many") == 1100
        (folder / "77").write_text("2")
        assert total("many") == 1101
        assert fresh(total)("many") == 1101
    assert len(caught) == 1
    assert runs() == 2


# Sweeps


def test_a_sweep_computes_what_files_have_changed() -> None:
    @memorious
    def read(path: str) -> str:
        note(path)
        return Path(path).read_text()

    names = [f"{number}.txt" for number in range(20)]
    for name in names:
        Path(name).write_text("1")
    assert list(read.map(names)) == ["1"] * 20
    assert list(read.map(names)) == ["1"] * 20
    assert runs() == 20
    Path("3.txt").write_text("2")
    sweep = read.map(names)
    assert sweep.missing == ["3.txt"]
    assert sweep.status().missing == 1
    for _ in range(2):
        sweep = read.map(names)
        assert list(sweep) == ["1"] * 3 + ["2"] + ["1"] * 16
    assert runs() == 21
