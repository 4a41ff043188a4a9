"""Whatever the cache cannot do, the call returns what the undecorated function returns."""

from __future__ import annotations

import functools
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from funes import (
    CacheWarning,
    UnhashableArgumentError,
    hash_value,
    load_cached_results,
    memorious,
)

Printed = Callable[[], list[str]]


@memorious
def double(x: Any) -> Any:
    print(x)
    return x * 2


@memorious
def append(numbers: list[int]) -> list[int]:
    numbers.append(len(numbers))
    return numbers


@pytest.fixture(autouse=True)
def _fresh(cache: Path) -> None:
    double._close()
    append._close()
    double._warned.clear()
    append._warned.clear()


def test_call_that_changes_its_argument_is_computed_each_time() -> None:
    with pytest.warns(CacheWarning, match="append: the result was not stored: the call changed"):
        assert append([1]) == [1, 1]
    assert append([1]) == [1, 1]
    assert append([1, 1]) == [1, 1, 2]
    assert len(load_cached_results(append)) == 0


def test_the_caller_owns_the_result(printed: Printed) -> None:
    first = double([1])
    first.append("mine")
    second = double([1])
    second.append("mine too")
    assert double([1]) == [1, 1]
    assert printed() == ["[1]"]


def test_exception_propagates_and_is_not_stored(cache: Path) -> None:
    @memorious
    def fail(error: BaseException) -> None:
        raise error

    for error in (ValueError("mine"), KeyboardInterrupt(), SystemExit(3)):
        for _ in range(2):
            with pytest.raises(type(error)) as raised:
                fail(error)
            assert raised.value is error
    left = {path.name for path in cache.rglob("*") if path.is_file() and path.parent.name != "runs"}
    assert left <= {".lock"}


def test_an_unhashable_argument_runs_uncached_with_one_warning(cache: Path) -> None:
    @memorious
    def first(items: Any) -> Any:
        return next(iter(items))

    with pytest.warns(CacheWarning, match="ran uncached: argument 'items': a generator") as warned:
        assert first(n for n in (3, 4)) == 3
        assert first(n for n in (5, 6)) == 5
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert not cache.exists()


def test_an_unhashable_argument_of_a_seeded_call_is_still_seeded() -> None:
    import random

    @memorious
    def draw(lock: Any) -> float:
        return random.random()

    with pytest.warns(CacheWarning):
        assert draw(threading.Lock(), global_seed=1) == draw(threading.Lock(), global_seed=1)


def test_unpicklable_argument_is_replaced_by_a_note(cache: Path, printed: Printed) -> None:
    class Tagged:
        def __funes_key__(self) -> str:
            return "tagged"

        def __reduce_ex__(self, protocol: Any) -> Any:
            raise pickle.PicklingError("not me")

    @memorious
    def size(tagged: Any, x: int) -> int:
        print(x)
        return x

    assert [size(Tagged(), 1), size(Tagged(), 1)] == [1, 1]
    assert printed() == ["1"]
    [entry] = load_cached_results(size)
    assert entry["input"]["x"] == 1
    assert "not me" in entry["input"]["tagged"]


@pytest.mark.parametrize("make", [lambda: (n for n in range(3)), threading.Lock])
def test_unpicklable_result_is_returned_with_one_warning(make: Any) -> None:
    @memorious
    def result(make: Any) -> Any:
        return make()

    with pytest.warns(CacheWarning, match="the result was not stored") as warned:
        one, other = result(make), result(make)
    assert type(one) is type(other) is type(make())
    assert len(warned) == 1


@pytest.mark.parametrize(
    "value", [None, False, 0, "", [], float("nan"), 1 << 20_000, ValueError("x")], ids=type
)
def test_falsy_results_are_cached(value: Any, printed: Printed) -> None:
    @memorious
    def same(value: Any) -> Any:
        print(type(value))
        return value

    results = [same(value), same(value)]
    assert [hash_value(result) for result in results] == [hash_value(value)] * 2
    assert len(printed()) == 1


def damage(path: Path, change: Any) -> None:
    content = bytearray(path.read_bytes())
    path.write_bytes(change(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content + b"x",
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: b"garbage",
        lambda content: pickle.dumps({"input": {}, "output": 99, "time": 0.0}),
    ],
)
def test_damaged_entry_is_quarantined_and_recomputed(change: Any, printed: Printed) -> None:
    double(4)
    double.cache_clear()  # the result in memory does not depend on the file
    path = double.key(4).path
    damage(path, change)
    assert not double.is_cached(4)
    with pytest.warns(CacheWarning, match="is damaged") as warned:
        assert double(4) == 8
    assert len(warned) == 1
    assert double(4) == 8
    assert printed() == ["4", "4"]
    assert [moved.name for moved in (path.parent / "damaged").iterdir()] == [path.name]


class Panicky:
    """Behaves like an object of a Rust library: its error while loading is not an `Exception`."""

    class PanicException(BaseException):
        pass

    def __reduce__(self) -> Any:
        return panic_once, ()


def panic_once() -> Panicky:
    if os.environ.pop("FUNES_TEST_PANIC", ""):
        raise Panicky.PanicException("an older version wrote this")
    return Panicky()


@pytest.mark.parametrize("memory", [None, 0])
def test_panic_during_unpickling_gives_a_warning(
    memory: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    @memorious(memory=memory)
    def make(x: int) -> Any:
        return [Panicky()]

    make(1)
    make.cache_clear()
    monkeypatch.setenv("FUNES_TEST_PANIC", "yes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert type(make(1)[0]) is Panicky
    assert "FUNES_TEST_PANIC" not in os.environ


class Interrupting:
    """Raises while loading, as if Ctrl-C was pressed or the program was told to exit."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> Any:
        return interrupt, (self.name,)


def interrupt(name: str) -> Interrupting:
    count = int(os.environ.get("FUNES_TEST_INTERRUPTS", "0"))
    if count > 0:
        os.environ["FUNES_TEST_INTERRUPTS"] = str(count - 1)
        raise {"ctrl-c": KeyboardInterrupt, "exit": SystemExit, "other": GeneratorExit}[name]
    return Interrupting(name)


@pytest.mark.parametrize("memory", [None, 0])
@pytest.mark.parametrize("name", ["ctrl-c", "exit", "other"])
def test_result_that_raises_interrupt_while_loading_is_recomputed(
    name: str, memory: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    @memorious(memory=memory)
    def make(x: int) -> Any:
        return [Interrupting(name)]

    make(1)
    make.cache_clear()
    monkeypatch.setenv("FUNES_TEST_INTERRUPTS", "100")
    with pytest.warns(CacheWarning) as warned:
        assert make(1)[0].name == name
    texts = [str(each.message) for each in warned]
    assert len(texts) == 2
    assert "cannot be loaded" in texts[0]
    assert "was not stored: pickle cannot load it" in texts[1]
    # An error that occurs once comes from the keyboard or a signal, and ends the call.
    monkeypatch.setenv("FUNES_TEST_INTERRUPTS", "1")
    make.cache_clear()
    with pytest.raises((KeyboardInterrupt, SystemExit, GeneratorExit)):
        make(1)
    assert make(1)[0].name == name


class Gone:
    pass


def test_result_of_a_missing_class_is_recomputed(
    cache: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    @memorious(memory=0)
    def make(x: int) -> Any:
        print(x)
        return globals().get("Gone", int)()

    make(1)
    with monkeypatch.context() as without:
        without.delitem(globals(), "Gone")
        with pytest.warns(CacheWarning, match="cannot be loaded .*Gone"):
            assert make(1) == 0
    # The entry was kept: once its class exists, it is a result again.
    assert type(make(1)) is Gone
    assert printed() == ["1", "1"]
    assert not list(cache.rglob("damaged"))


def test_renamed_entry_is_not_used() -> None:
    double(4)
    other = double.key(5).path
    double.key(4).path.rename(other)
    with pytest.warns(CacheWarning, match="is damaged"):
        assert double(5) == 10


def test_file_in_place_of_the_folder_warns(cache: Path, printed: Printed) -> None:
    cache.write_text("in the way")
    with pytest.warns(CacheWarning, match="the result was not stored"):
        assert double(4) == 8
    cache.unlink()
    assert [double(4), double(4)] == [8, 8]
    assert printed() == ["4", "4"]


def test_full_disk_warns_and_leaves_no_file(
    cache: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no file size limit to set")
    import signal

    big = "x" * 100_000
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.warns(CacheWarning, match="the result was not stored"):
            assert double(big) == big * 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    left = {path.name for path in cache.rglob("*") if path.is_file() and path.parent.name != "runs"}
    assert left <= {".lock"}
    assert double(big) == double(big) == big * 2
    assert len(printed()) == 2


def test_hits_survive_a_deleted_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed
) -> None:
    if os.name == "nt":
        pytest.skip("Windows keeps the working directory")
    double(1)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert double(1) == 2
    assert printed() == ["1"]


def test_unknown_cache_folder_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name == "nt":
        pytest.skip("Windows keeps the working directory")
    monkeypatch.delenv("FUNES_CACHE_DIR")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.warns(CacheWarning):
        assert double(1) == 2


def test_warnings_as_errors_do_not_lose_results(cache: Path) -> None:
    cache.write_text("in the way")
    with pytest.raises(CacheWarning):
        double(4)


def test_recursion_and_nesting(printed: Printed) -> None:
    @memorious
    def fibonacci(n: int) -> int:
        print(n)
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(30) == 832040
    assert sorted(map(int, printed())) == list(range(31))


def test_threads_get_right_results() -> None:
    results: dict[int, int] = {}

    def work(n: int) -> None:
        results[n] = double(n % 5)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: n % 5 * 2 for n in range(20)}


# Code of arguments


class Client:
    def __init__(self, url: str, part: Any = None) -> None:
        self.url, self.part = url, part


CLIENT = Client("a", threading.Lock())
DOUBTFUL = Client("a", threading.Event())


def fetch(x: int) -> str:
    return CLIENT.url


def fetch_doubtfully(x: int) -> str:
    return DOUBTFUL.url


@functools.wraps(fetch_doubtfully)
def wrapped(x: int) -> str:
    return fetch_doubtfully(x)


class Fetcher:
    def __call__(self, x: int) -> str:
        return DOUBTFUL.url


def test_code_used_by_an_argument_counts(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @memorious
    def call(function: Callable[[int], str]) -> str:
        return function(1)

    assert call(fetch) == "a"
    monkeypatch.setitem(globals(), "CLIENT", Client("b", threading.Lock()))
    assert call(fetch) == "b"


@pytest.mark.parametrize(
    "argument",
    [fetch_doubtfully, Fetcher, Fetcher(), [Fetcher()], {"of": fetch_doubtfully}, wrapped],
    ids=["function", "class", "object", "list", "dict", "wrapper"],
)
def test_warning_about_code_of_an_argument_is_given_once(cache: Path, argument: Any) -> None:
    @memorious
    def use(x: Any) -> int:
        return 1

    with pytest.warns(CacheWarning, match=r"argument 'x'.*DOUBTFUL.*\.part: an event") as warned:
        assert use(argument) == use(argument) == 1
    assert len(warned) == 1
    assert use.is_cached(argument)

    @memorious(strict=True)
    def strictly(x: Any) -> int:
        return 1

    with pytest.raises(UnhashableArgumentError, match="DOUBTFUL"):
        strictly(argument)


class Lazy:
    @functools.cached_property
    def ready(self) -> threading.Event:
        return threading.Event()


def test_unhashable_cached_property_is_reported(cache: Path) -> None:
    @memorious
    def use(x: Any) -> int:
        return 1

    lazy = Lazy()
    assert use(lazy) == 1
    assert not lazy.ready.is_set()
    with pytest.warns(CacheWarning, match=r"argument 'x' -> the cached property Lazy\.ready"):
        assert use.is_cached(lazy)
        assert use(lazy) == 1


def test_mock_argument_does_not_disturb_the_call(cache: Path) -> None:
    @memorious
    def get(client: Any) -> str:
        return client.get()

    client = mock.Mock()
    client.get.return_value = "one"
    with pytest.warns(CacheWarning, match="argument 'client': a mock cannot be part of a key"):
        assert get(client) == "one"
    client.get.return_value = "two"
    assert get(client) == "two"


class Linked:
    def __init__(self, value: int, after: Any) -> None:
        self.value, self.after = value, after


LAST = Linked(0, None)
CHAIN = functools.reduce(lambda after, value: Linked(value, after), range(3_000), LAST)


def test_end_of_a_long_object_chain_counts(cache: Path) -> None:
    @memorious
    def last() -> int:
        node = CHAIN
        while node.after is not None:
            node = node.after
        return node.value

    assert last() == 0
    LAST.value = 7
    try:
        assert last() == 7
    finally:
        LAST.value = 0
    assert last() == 0


@pytest.mark.skipif(os.name != "posix", reason="an interval timer of POSIX")
@pytest.mark.slow
def test_a_long_hash_can_be_interrupted() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    value = [[number] for number in range(3_000_000)]
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(KeyboardInterrupt):
            [hash_value(value) for _ in range(100)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
