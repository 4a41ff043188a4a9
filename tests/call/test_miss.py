"""Misses: the extension handles usual values alone, and leaves in Python handle the remaining ones alike."""

from __future__ import annotations

import contextvars
import logging
import pickle
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funes import CacheWarning, memorious
from funes._call import leaves, single_flight
from funes._funes import InFlightCall, Store

Printed = Callable[[], list[str]]

#: Seconds, longer than a moved folder may go unnoticed.
NOTICED = 0.01


def note_calls(seen: list[str], *functions: Callable[..., Any]) -> Callable[..., None]:
    """Returns a profiler that notes the argument digest of each call of one of the functions."""
    codes = {function.__code__ for function in functions}

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call" and frame.f_code in codes:
            seen.append(frame.f_locals["call"].arguments)

    return note


@pytest.fixture
def by_python() -> Iterator[list[str]]:
    """Yields the list of argument digests of misses that leaves store, wholly or in part."""
    seen: list[str] = []
    note = note_calls(seen, leaves.dump, leaves.record_definition)
    threading.setprofile(note)
    sys.setprofile(note)
    yield seen
    sys.setprofile(None)
    threading.setprofile(None)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not single_flight._in_flight


def make(**options: Any) -> Any:
    """Returns a function after its first miss, which writes definition.json."""

    @memorious(**options)
    def same(x: Any, y: Any = None) -> Any:
        print(repr(x))
        return x

    same(0)
    return same


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("options", [{}, {"shared": True}, {"single_flight": False}])
def test_only_the_first_miss_runs_python_code(
    options: dict[str, Any], by_python: list[str]
) -> None:
    same = make(**options)
    assert len(by_python) == 1
    assert [same(x) for x in (1, 2.5, "three", None, b"5", (6, ("seven",)))] == [
        *(1, 2.5, "three", None, b"5"),
        (6, ("seven",)),
    ]
    assert len(by_python) == 1
    same([1])
    assert len(by_python) == 2  # a list is mutable


ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
PLAIN = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def written(path: Path) -> bytes:
    """Returns the pickle in an entry, without the computation time."""
    with path.open("rb") as file:
        pickle.load(file)
        end = file.tell()
        file.seek(0)
        return re.sub(rb"(?s)(time\x94G).{8}", rb"\1", file.read(end))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(argument=ATOMS | st.tuples(ATOMS, ATOMS) | st.frozensets(st.integers()), output=PLAIN)
def test_fast_and_general_miss_write_equal_entries(
    tmp_path_factory: pytest.TempPathFactory, argument: Any, output: Any
) -> None:
    top = tmp_path_factory.mktemp("cache")
    by_python: list[str] = []

    def given_out(x: Any, output: Any) -> Any:
        return output

    fast, general = (
        memorious(cache_dir=top / name, durability="never", ignore="output")(given_out)
        for name in ("fast", "general")
    )
    fast("the first miss", None)
    sys.setprofile(note_calls(by_python, leaves.dump))
    fast(argument, output)
    sys.setprofile(None)
    assert by_python == []
    assert repr(fast(argument, None)) == repr(output)
    assert fast.cache_info().misses == 2

    call = general._core.key(general, (argument, None), {})
    pickled, is_view = leaves.dump(general, call, None, (output, 0.5, False, False))
    assert not is_view
    path = general.key(argument, None).path
    Store(str(top / "general")).write("given_out", call.definition, call.arguments, *pickled)
    assert repr(general(argument, None)) == repr(output)
    assert general.cache_info().misses == 0
    assert written(path) == written(fast.key(argument, None).path)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("options", [{}, {"single_flight": False}, {"memory": 0}])
def test_entry_stored_by_another_process_is_found_after_a_miss(
    options: dict[str, Any], printed: Printed, by_python: list[str]
) -> None:
    same, other = make(**options), make(**options)
    for x in range(1, 5):
        other(x)
    printed()
    del by_python[:]
    assert [same(x) for x in (5, 1, 2, 6, 3, 4)] == [5, 1, 2, 6, 3, 4]
    assert printed() == ["5", "6"]
    assert same.cache_info()[:3] == (0, 4, 1 + 2)
    assert by_python == []


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({"large_argument": 100}, ("x" * 101,)),
        ({"large_argument": 100}, (1, b"y" * 101)),
        ({}, ((b"y" * 65537,),)),
        ({}, (1, frozenset({"x" * 65537}))),
        ({}, (1, {})),
        ({}, (1, ([],))),
        ({}, (complex,)),
        ({}, (float("nan"), bytearray(1))),
    ],
)
def test_unusual_calls_are_handled_by_python_code(
    options: dict[str, Any], call: tuple[Any, ...], by_python: list[str]
) -> None:
    same = make(**options)
    del by_python[:]
    assert repr(same(*call)) == repr(call[0])
    assert by_python == [same.key(*call).arguments]
    assert repr(same(*call)) == repr(call[0])
    assert len(by_python) == 1


@pytest.mark.usefixtures("cache")
def test_unusual_results_are_handled_by_python_code(by_python: list[str]) -> None:
    @memorious
    def numbers(x: int) -> Any:
        return range(x)

    numbers(0)
    del by_python[:]
    assert numbers(3) == numbers(3) == range(3)
    assert by_python == [numbers.key(3).arguments]
    assert numbers.cache_info()[:3] == (1, 0, 2)


@pytest.mark.usefixtures("cache")
def test_misses_are_logged_once_logging_is_enabled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    same = make()
    same(1)
    with caplog.at_level(logging.INFO, "funes"):
        same(2)
    same(3)
    assert len(caplog.records) == 1


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_function_that_raises_wakes_waiting_calls(error: BaseException) -> None:
    troubles = [error, None]

    @memorious(ignore="troubles")
    def work(x: int, troubles: list[Any]) -> int:
        trouble = troubles.pop()
        if trouble is not None:
            raise trouble
        return x

    work(0, troubles)
    with pytest.raises(type(error)):
        work(1, troubles)
    assert not single_flight._in_flight
    troubles.append(None)
    assert work(1, troubles) == 1


@pytest.mark.usefixtures("cache")
@pytest.mark.skipif(sys.platform == "win32", reason="resource limits")
@pytest.mark.parametrize("is_strict", [False, True])
def test_unwritable_result_warns_and_wakes_waiting_calls(is_strict: bool) -> None:
    import resource
    import signal

    @memorious(strict=is_strict)
    def same(x: str) -> str:
        return x

    same("")
    big = "x" * 100_000
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        if is_strict:
            with pytest.raises(OSError, match="could not write"):
                same(big)
        else:
            with pytest.warns(CacheWarning, match="the result was not stored"):
                assert same(big) == big
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not single_flight._in_flight
    assert not same.is_cached(big)
    assert same(big) == big
    assert same.is_cached(big)


@pytest.mark.usefixtures("cache")
def test_nested_call_has_the_outer_call_as_parent() -> None:
    depths = []

    @memorious(ignore="depths")
    def deep(x: int, depths: list[int]) -> int:
        depths.append(len(vars(single_flight)["_in_flight"]))
        return deep(x - 1, depths) + 1 if x else 0

    assert deep(0, depths) == 0
    assert deep(40, depths) == 40
    # The innermost call was a hit.
    assert depths == [1, *range(1, 41)]


@pytest.mark.usefixtures("cache")
def test_recursive_call_with_equal_arguments_computes() -> None:
    turns = [2]

    @memorious(ignore="turns")
    def own(x: int, turns: list[int]) -> int:
        turns[0] -= 1
        return own(x, turns) if turns[0] > 0 else x

    own(0, [0])
    assert own(7, turns) == 7
    assert turns == [0]


@pytest.mark.usefixtures("cache")
def test_threads_compute_each_key_once_after_misses() -> None:
    ran: list[int] = []

    @memorious(ignore="ran")
    def work(x: int, ran: list[int]) -> int:
        ran.append(x)
        time.sleep(0.001)
        return x * x

    work(-1, ran)
    wrong = []

    def ask(start: int) -> None:
        for x in range(100):
            at = (x + start) % 100
            if work(at, ran) != at * at:
                wrong.append(at)

    threads = [threading.Thread(target=ask, args=(7 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(ran) == list(range(-1, 100))


def test_deleted_definition_json_is_written_again(cache: Path) -> None:
    same = make()
    path = same.cache_path / "definition.json"
    described = path.read_bytes()
    path.unlink()
    time.sleep(NOTICED)
    same(1)
    assert path.read_bytes() == described
    same(2)
    shutil.rmtree(cache)
    time.sleep(NOTICED)
    assert same(3) == 3
    assert path.read_bytes() == described
    assert same.is_cached(3)


def test_definition_json_is_written_in_each_cache_folder(tmp_path: Path) -> None:
    same = make(cache_dir=tmp_path / "one")
    same(1)
    same._move(str(tmp_path / "two"))
    same(1)
    assert same.cache_path.is_relative_to(tmp_path / "two")
    assert (same.cache_path / "definition.json").exists()


def test_moved_folder_is_noticed(cache: Path, printed: Printed) -> None:
    same = make()
    same(1)
    cache.rename(cache.with_name("moved"))
    time.sleep(NOTICED)
    same(2)
    assert printed() == ["0", "1", "2"]
    assert [path.name for path in cache.glob("*/*/.lock")] == [".lock"]
    assert same.is_cached(2)


def test_definition_json_is_written_at_once_after_a_store_change(tmp_path: Path) -> None:
    @memorious(cache_dir=tmp_path / "one", ignore="root")
    def work(x: int, root: str = "") -> int:
        if root:
            work._move(root)
        return x

    work(0)
    assert work(1, str(tmp_path / "two")) == 1
    assert work.is_cached(1)
    assert (work.cache_path / "definition.json").exists()


@pytest.mark.usefixtures("cache")
def test_failing_waker_affects_neither_result_nor_other_wakers() -> None:
    woken = []

    def fail() -> None:
        raise RecursionError

    @memorious
    def work(x: int) -> int:
        for claim in vars(single_flight)["_in_flight"].values():
            claim.wakers.extend([lambda: woken.append(x), fail])
        return x

    assert [work(x) for x in (0, 1)] == [0, 1]
    assert woken == [0, 1]


@pytest.mark.usefixtures("cache")
def test_bounds_may_exceed_any_memory() -> None:
    assert make(large_argument=10**30, memory=10**30)("x") == "x"


def test_context_may_outlive_a_deep_recursion(tmp_path: Path) -> None:
    def nest() -> None:
        for number in range(200_000):
            InFlightCall((str(tmp_path), f"{number:040x}"), is_async=False).enter()

    context = contextvars.copy_context()
    context.run(nest)
    del context


def test_a_leaf_that_cannot_be_imported_leaves_the_call_uncached(
    run_python: Callable[..., str],
) -> None:
    script = """if True:
        import sys
        from funes import memorious

        @memorious
        def f(x):
            print("computed", x)
            return [x]

        sys.modules["funes._call.log"] = None
        print(f(1), f.is_cached(1))
        del sys.modules["funes._call.log"]
        sys.modules["funes._call.leaves"] = None
        print(f(2), f.is_cached(2), (f.cache_path / "definition.json").exists())
        del sys.modules["funes._call.leaves"]
        print(f(1), f.is_cached(1), (f.cache_path / "definition.json").exists())
        print(f(1), f(2))
    """
    assert run_python(script).splitlines() == [
        *("computed 1", "[1] False"),
        *("computed 2", "[2] True False"),
        *("computed 1", "[1] True True"),
        "[1] [2]",
    ]


@pytest.mark.usefixtures("cache")
def test_a_closed_coroutine_releases_its_key() -> None:
    class Pause:
        def __await__(self) -> Iterator[None]:
            yield

    @memorious
    async def work(x: int) -> int:
        await Pause()
        return x

    coroutine = work(1)
    coroutine.send(None)
    assert len(single_flight._in_flight) == 1
    coroutine.close()
    assert not single_flight._in_flight
    assert not work.is_cached(1)
