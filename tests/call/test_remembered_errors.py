"""`remember_errors=` stores exceptions of the named types, and later calls raise copies of them."""

from __future__ import annotations

import asyncio
import builtins
import os
import pickle
import random
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from funes import CacheMissError, CacheWarning, FunesError, memorious, mode, open_cache

#: The arguments of the computed calls. Definitions do not contain it, see `noted`.
RUNS: list[Any] = []

DATA = Path("data.txt")

group: Any = getattr(builtins, "ExceptionGroup", None)
has_groups = pytest.mark.skipif(group is None, reason="Python 3.10 has no exception groups")


@pytest.fixture(autouse=True)
def _data(cache: Path, without_reducers_of_tblib: None) -> None:
    assert cache.parent == Path.cwd()
    RUNS.clear()
    DATA.write_text("one")


def noted() -> list[Any]:
    found: list[Any] = getattr(sys.modules[__name__], "RUNS")  # noqa: B009
    return found


class DivergedError(ValueError):
    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"diverged at step {step}")
        self.step = step
        self.loss = loss

    def __reduce__(self) -> Any:
        return DivergedError, (self.step, self.loss)


class PlainError(ValueError):
    """Has more arguments than its base class gets, so that pickle cannot load it."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


class ForgetfulError(ValueError):
    """Has an attribute that its reduction leaves out."""

    def __reduce__(self) -> Any:
        return ForgetfulError, self.args


def forgetful() -> ForgetfulError:
    error = ForgetfulError("x")
    error.score = 3  # type: ignore[attr-defined]
    return error


def with_note(error: Exception) -> Exception:
    error.__notes__ = ["a note"]  # type: ignore[attr-defined]
    return error


def caused() -> Any:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise OSError(2, "second", "file") from error
    except OSError:
        raise ValueError("third")  # noqa: B904


def suppressed() -> Any:
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second") from None


def missing_attribute() -> Any:
    return noted().nothing  # type: ignore[attr-defined]


def missing_name() -> Any:
    return undefined  # type: ignore[name-defined]  # noqa: F821


def raises(error: Exception) -> Any:
    raise error


def make(types: Any = Exception, **options: Any) -> Any:
    @memorious(remember_errors=types, **options)
    def fails(x: Any) -> Any:
        noted().append(x)
        if callable(x):
            return x()
        if isinstance(x, Exception):
            raise x
        return x

    return fails


def raised(call: Any, *args: Any, **kwargs: Any) -> BaseException:
    try:
        call(*args, **kwargs)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def described(error: BaseException | None) -> Any:
    """Returns what must be equal of an exception and its copy."""
    if error is None:
        return None
    members = tuple(map(described, getattr(error, "exceptions", ())))
    fields = [getattr(error, name, None) for name in ("errno", "filename", "name", "path", "value")]
    return (
        *(type(error), str(error), members, fields, getattr(error, "__notes__", None)),
        *(described(error.__cause__), described(error.__context__), error.__suppress_context__),
    )


KINDS: list[Any] = [
    caused,
    suppressed,
    missing_attribute,
    missing_name,
    lambda: raises(with_note(ValueError("x"))),
    lambda: raises(with_note(DivergedError(3, 0.5))),
    lambda: raises(DivergedError(3, 0.5)),
    lambda: Path("missing.txt").read_text(),
    lambda: __import__("no_module_of_this_name"),
    lambda: str(b"\xff", "utf-8"),
    lambda: compile("1 +", "file", "exec"),
    lambda: raises(StopIteration(3)),
    lambda: raises(KeyError(("a", 1))),
    lambda: 1 / 0,
]


@pytest.mark.parametrize("fail", KINDS)
def test_an_error_is_raised_again_with_all_that_belongs_to_it(fail: Any) -> None:
    fails = make(files="ignore")
    first = raised(fails, fail)
    copies = [raised(fails, fail) for _ in range(2)]
    assert [described(copy) for copy in copies] == [described(first)] * 2
    assert len(noted()) == 1
    assert len({id(error) for error in (first, *copies)}) == 3
    assert fails.cache_info()[:3] == (0, 2, 1)
    assert fails.cache_info().uncached == 0


@has_groups
def test_an_exception_group_keeps_its_members_and_their_causes() -> None:
    def fail() -> Any:
        inner = ValueError("inner")
        inner.__cause__ = KeyError("cause")
        raise group("outer", [inner, group("middle", [with_note(OSError(1, "x"))])])

    fails = make()
    first = raised(fails, fail)
    assert described(raised(fails, fail)) == described(first)
    assert len(noted()) == 1


@has_groups
def test_a_type_of_a_member_of_a_group_is_not_its_type() -> None:
    fails = make(ValueError)
    for _ in range(2):
        raised(fails, lambda: raises(group("x", [ValueError(1)])))
    assert len(noted()) == 2


def test_only_named_types_and_their_subclasses_are_stored() -> None:
    fails = make((LookupError, ValueError))
    for _ in range(2):
        for error in (KeyError(1), UnicodeError("x"), OSError("x"), RuntimeError()):
            assert type(raised(fails, error)) is type(error)
    assert [type(each) for each in noted()] == [
        *(KeyError, UnicodeError, OSError, RuntimeError, OSError, RuntimeError)
    ]


def test_nothing_is_stored_without_the_option(cache: Path) -> None:
    fails = make(())
    for _ in range(2):
        raised(fails, ValueError(1))
    assert len(noted()) == 2
    assert not list(cache.rglob("*.error"))


def test_the_traceback_is_that_of_the_caller() -> None:
    fails = make()
    raised(fails, caused)
    error = raised(fails, caused)
    frames = traceback.extract_tb(error.__traceback__)
    assert [frame.name for frame in frames] == ["raised"]
    assert error.__context__ is not None
    assert error.__context__.__traceback__ is None


def test_a_caller_that_handles_an_exception_gets_it_as_context_and_no_other_does() -> None:
    fails = make()

    def call(error: Exception) -> BaseException:
        try:
            raise error
        except Exception:
            return raised(fails, caused)

    first = call(TypeError("first"))
    for name in ("second", "third"):
        copy = call(TypeError(name))
        assert described(copy)[:-2] == described(first)[:-2]
        last = copy
        while last.__context__ is not None:
            last = last.__context__
        assert repr(last) == f"TypeError('{name}')"
    last = raised(fails, caused)
    while last.__context__ is not None:
        last = last.__context__
    assert repr(last) == "KeyError('first')"
    assert len(noted()) == 1


def test_a_caller_may_change_the_error() -> None:
    fails = make()
    raised(fails, ValueError([1]))
    for _ in range(2):
        error = raised(fails, ValueError([1]))
        assert error.args == ([1],)
        error.args[0].append(2)
        with_note(error)  # type: ignore[arg-type]


def test_an_error_that_the_function_shares_is_not_changed() -> None:
    shared = ValueError("shared")

    @memorious(remember_errors=ValueError)
    def f(x: int) -> None:
        raise shared

    for _ in range(2):
        raised(f, 1)
    assert shared.__context__ is None
    assert not hasattr(shared, "__notes__")
    assert raised(f, 1) is not shared


# What is not stored


@pytest.mark.parametrize(
    "fail",
    [
        lambda: raises(ValueError(threading.Lock())),
        lambda: raises(PlainError(1, 2)),
        lambda: raises(forgetful()),
        lambda: raises(type("Local", (ValueError,), {})()),
    ],
)
def test_an_error_that_pickle_does_not_keep_is_raised_and_not_stored(
    fail: Any, cache: Path
) -> None:
    fails = make()
    with pytest.warns(CacheWarning, match="the exception was not stored") as seen:
        for _ in range(2):
            assert isinstance(raised(fails, fail), ValueError)
    assert len(seen) == 1
    assert len(noted()) == 2
    assert not list(cache.rglob("*.error"))
    assert fails.cache_info().uncached == 2


def test_a_cause_that_pickle_does_not_keep_is_left_out() -> None:
    def fail() -> Any:
        error = ValueError("x")
        error.__cause__ = KeyError(threading.Lock())
        raise error

    fails = make()
    first, second = raised(fails, fail), raised(fails, fail)
    assert first.__cause__ is not None
    assert second.__cause__ is None
    assert len(noted()) == 1


def test_a_strict_function_raises_its_own_error() -> None:
    fails = make(strict=True)
    with pytest.warns(CacheWarning, match="was not stored"):
        assert type(raised(fails, lambda: raises(PlainError(1, 2)))) is PlainError


@pytest.mark.parametrize("kind", [MemoryError, RecursionError, UserWarning])
def test_what_depends_on_the_process_must_be_named_itself(kind: type[Exception]) -> None:
    for types, count in ((Exception, 2), (kind, 1)):
        noted().clear()
        fails = make(types)
        for _ in range(2):
            assert type(raised(fails, lambda: raises(kind("x")))) is kind
        assert len(noted()) == count
        fails.forget(lambda: raises(kind("x")))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, RecursionError, FunesError])
def test_an_error_that_came_from_the_process_is_not_stored(kind: type[BaseException]) -> None:
    def fail() -> Any:
        try:
            raise kind("x")
        except BaseException as error:
            raise ValueError("y") from error

    fails = make()
    with pytest.warns(CacheWarning, match=f"came from a {kind.__name__}"):
        for _ in range(2):
            assert type(raised(fails, fail)) is ValueError
    assert len(noted()) == 2


def test_errors_of_funes_are_not_stored(cache: Path) -> None:
    @memorious
    def inner(x: int) -> int:
        return x

    def fail() -> Any:
        with mode("offline"):
            return inner(1)

    fails = make(LookupError)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            assert type(raised(fails, fail)) is CacheMissError
    assert len(noted()) == 2
    assert not list(cache.rglob("*.error"))


def test_interrupts_are_not_stored() -> None:
    fails = make()

    def fail() -> Any:
        raise KeyboardInterrupt

    for _ in range(2):
        assert type(raised(fails, fail)) is KeyboardInterrupt
    assert len(noted()) == 2


def test_a_changed_argument_prevents_storing() -> None:
    @memorious(remember_errors=ValueError)
    def f(values: list[int]) -> None:
        noted().append(1)
        values.append(1)
        raise ValueError(len(values))

    with pytest.warns(CacheWarning, match="the exception was not stored: the call changed its arg"):
        for _ in range(2):
            assert raised(f, [1]).args == (2,)
    assert len(noted()) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        *(KeyboardInterrupt, BaseException, SystemExit, GeneratorExit, asyncio.CancelledError),
        *((ValueError, KeyboardInterrupt), CacheMissError, FunesError, CacheWarning),
    ],
)
def test_kinds_that_are_no_outcome_are_refused_at_decoration(wrong: Any) -> None:
    with pytest.raises(ValueError, match="remember_errors must"):
        make(wrong)


@pytest.mark.parametrize("wrong", ["ValueError", ValueError("x"), int, None, (ValueError, 1), True])
def test_what_is_no_exception_class_is_refused_at_decoration(wrong: Any) -> None:
    with pytest.raises(TypeError, match="remember_errors must be an exception class"):
        make(wrong)


# Changed options and files


def test_an_error_whose_type_is_not_named_any_more_is_absent(cache: Path) -> None:
    raised(make(ValueError), ValueError("x"))
    for types in ((), KeyError):
        before = len(noted())
        raised(make(types), ValueError("x"))
        assert len(noted()) == before + 1
    assert len(list(cache.rglob("*.error"))) == 1
    before = len(noted())
    raised(make((KeyError, ValueError)), ValueError("x"))
    assert len(noted()) == before


@pytest.mark.parametrize("is_error", [False, True])
def test_an_error_file_is_never_a_result(cache: Path, is_error: bool) -> None:
    fails = make()
    raised(fails, ValueError("x"))
    fails(7)
    error, result = next(cache.rglob("*.error")), next(cache.rglob("*.dill"))
    if is_error:
        error.rename(error.with_suffix(".dill"))
    else:
        result.rename(result.with_suffix(".error"))
    with pytest.warns(CacheWarning, match="damaged"):
        if is_error:
            assert type(raised(fails, ValueError("x"))) is ValueError
        else:
            fails.cache_clear()
            assert fails(7) == 7
    assert len(noted()) == 3


def test_a_damaged_error_is_set_aside_and_computed_again(cache: Path) -> None:
    fails = make()
    raised(fails, ValueError("x"))
    path = next(cache.rglob("*.error"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.warns(CacheWarning, match="moved to"):
        raised(fails, ValueError("x"))
    raised(fails, ValueError("x"))
    assert len(noted()) == 2
    assert [each.is_error for each in open_cache().damaged()] == [True]


def test_any_pickle_module_reads_the_file(cache: Path) -> None:
    raised(make(), ValueError("x"))
    entry = pickle.loads(next(cache.rglob("*.error")).read_bytes())
    assert entry.keys() == {"input", "error", "links", "time"}
    assert repr(entry["error"]) == "ValueError('x')"


def test_files_that_a_failing_computation_read_count() -> None:
    @memorious(remember_errors=ValueError)
    def parse(path: str) -> int:
        noted().append(path)
        return int(Path(path).read_text())

    for _ in range(2):
        assert "'one'" in str(raised(parse, "data.txt"))
    DATA.write_text("2")
    assert parse("data.txt") == parse("data.txt") == 2
    DATA.write_text("three")
    for _ in range(2):
        assert "'three'" in str(raised(parse, "data.txt"))
    assert len(noted()) == 3
    # The result for the other content is still there.
    DATA.write_text("2")
    parse.cache_clear()
    assert parse("data.txt") == 2
    assert len(noted()) == 3


def test_a_missing_file_that_appears_is_computed_again() -> None:
    @memorious(remember_errors=OSError)
    def read(path: str) -> str:
        noted().append(path)
        return Path(path).read_text()

    for _ in range(2):
        assert raised(read, "new.txt").errno == 2  # type: ignore[attr-defined]
    assert len(noted()) == 1
    Path("new.txt").write_text("x")
    assert read("new.txt") == "x"
    assert len(noted()) == 2


def test_an_outer_call_depends_on_the_files_of_a_remembered_error() -> None:
    @memorious(remember_errors=ValueError)
    def parse(path: str) -> int:
        return int(Path(path).read_text())

    @memorious
    def tried(path: str, again: int) -> str:
        noted().append(path)
        try:
            return str(parse(path))
        except ValueError:
            return "bad"

    assert tried("data.txt", 1) == "bad"
    assert tried("data.txt", 2) == "bad"  # `parse` is a hit
    DATA.write_text("2")
    assert [tried("data.txt", again) for again in (1, 2)] == ["2", "2"]


# Random numbers


@pytest.mark.parametrize("is_async", [False, True])
def test_a_seeded_error_is_stored_and_leaves_the_generators_as_they_were(is_async: bool) -> None:
    def draw() -> float:
        noted().append(1)
        raise ValueError(random.random())

    async def draw_async() -> float:
        noted().append(1)
        await asyncio.sleep(0)
        raise ValueError(random.random())

    function: Any = memorious(remember_errors=ValueError)(draw_async if is_async else draw)

    def call(seed: int) -> Any:
        if is_async:
            return raised(lambda: asyncio.run(function(global_seed=seed))).args
        return raised(function, global_seed=seed).args

    random.seed(5)
    state = random.getstate()
    first = call(1)
    assert random.getstate() == state
    assert call(1) == first != call(2)
    assert random.getstate() == state
    assert len(noted()) == 2


def test_an_error_with_draws_without_a_seed_is_stored_with_a_warning() -> None:
    @memorious(remember_errors=ValueError)
    def draw(x: int) -> float:
        noted().append(x)
        raise ValueError(random.random())

    with pytest.warns(CacheWarning, match="random numbers were drawn"):
        first = raised(draw, 1).args
    assert raised(draw, 1).args == first
    assert len(noted()) == 1

    @memorious
    def outer(x: int) -> Any:
        return raised(draw, x).args

    # It does not belong to the stream of a seeded run.
    with pytest.warns(CacheWarning, match="inside a seeded call"):
        assert outer(1, global_seed=3) != first


# Switches


def test_refresh_computes_an_error_again() -> None:
    outcome: list[Any] = [ValueError("one")]

    @memorious(remember_errors=ValueError, depends_on=())
    def f(x: int) -> Any:
        found = getattr(sys.modules[__name__], "OUTCOMES")[-1]  # noqa: B009
        noted().append(x)
        if isinstance(found, Exception):
            raise found
        return found

    OUTCOMES[:] = outcome
    for _ in range(2):
        assert str(raised(f, 1)) == "one"
    OUTCOMES.append(ValueError("two"))
    assert str(raised(f.refresh, 1)) == str(raised(f, 1)) == "two"
    # A result replaces the error, and an error the result.
    OUTCOMES.append(3)
    assert f.refresh(1) == f(1) == 3
    assert not f.explain(1).path or f.explain(1).why == "memory"
    OUTCOMES.append(ValueError("four"))
    assert str(raised(f.refresh, 1)) == str(raised(f, 1)) == "four"
    f.cache_clear()
    assert str(raised(f, 1)) == "four"
    # An exception of another type leaves all as it is.
    OUTCOMES.append(KeyError("five"))
    assert type(raised(f.refresh, 1)) is KeyError
    assert str(raised(f, 1)) == "four"
    with mode("refresh"):
        OUTCOMES.append(6)
        assert f(1) == 6
    assert f(1) == 6
    assert len(list(Path("cache").rglob("*.error"))) == 0


OUTCOMES: list[Any] = []


def test_a_refreshed_error_keeps_results_for_other_files(cache: Path) -> None:
    @memorious(remember_errors=ValueError)
    def f(path: str) -> Any:
        noted().append(path)
        text = Path(path).read_text()
        if OUTCOMES_NOW()[-1]:
            raise ValueError(text)
        return text

    OUTCOMES[:] = [False]
    for text in ("one", "two", "three"):
        DATA.write_text(text)
        f("data.txt")
    OUTCOMES.append(True)
    assert str(raised(f.refresh, "data.txt")) == "three"
    for text in ("one", "two"):
        DATA.write_text(text)
        f.cache_clear()
        assert f("data.txt") == text
    DATA.write_text("three")
    assert str(raised(f, "data.txt")) == "three"
    assert len(noted()) == 4
    assert len(list(cache.rglob("*.error"))) == 1


def OUTCOMES_NOW() -> list[Any]:  # noqa: N802
    found: list[Any] = getattr(sys.modules[__name__], "OUTCOMES")  # noqa: B009
    return found


def test_modes() -> None:
    fails = make()
    with mode("readonly"):
        raised(fails, ValueError("x"))
    assert not list(Path().rglob("*.error"))
    with mode("offline"):
        assert type(raised(fails, ValueError("x"))) is CacheMissError
    raised(fails, ValueError("x"))
    assert len(noted()) == 2
    for name in ("readonly", "offline"):
        with mode(name):
            assert type(raised(fails, ValueError("x"))) is ValueError
    assert len(noted()) == 2
    with mode("off"):
        raised(fails, ValueError("x"))
    with mode("refresh"):
        raised(fails, ValueError("x"))
    assert len(noted()) == 4


def test_an_expired_error_is_computed_again(cache: Path) -> None:
    fails = make(max_age=3600)
    for _ in range(2):
        raised(fails, ValueError("x"))
    assert len(noted()) == 1
    then = time.time() - 7200
    os.utime(next(cache.rglob("*.error")), (then, then))
    with mode("offline"), pytest.warns(CacheWarning, match="older than max_age"):
        assert type(raised(fails, ValueError("x"))) is ValueError
    assert len(noted()) == 1
    for _ in range(2):
        raised(fails, ValueError("x"))
    assert len(noted()) == 2


def test_an_error_replaces_an_expired_result(cache: Path) -> None:
    @memorious(remember_errors=ValueError, max_age=3600)
    def f(x: int) -> Any:
        noted().append(x)
        if OUTCOMES_NOW()[-1]:
            raise ValueError(x)
        return x

    OUTCOMES[:] = [False]
    f(1)
    then = time.time() - 7200
    os.utime(next(cache.rglob("*.dill")), (then, then))
    OUTCOMES.append(True)
    f.cache_clear()
    for _ in range(2):
        raised(f, 1)
    assert len(noted()) == 2
    with mode("offline"):
        assert type(raised(f, 1)) is ValueError


def test_a_predicate_is_not_asked_for_errors() -> None:
    fails = make(cache_if=lambda *_: 1 / 0)
    for _ in range(2):
        assert type(raised(fails, ValueError("x"))) is ValueError
    assert len(noted()) == 1


# Single flight, threads and tasks


def test_waiting_calls_get_the_remembered_error() -> None:
    barrier = threading.Barrier(4)

    @memorious(remember_errors=ValueError)
    def slow(x: int) -> None:
        noted().append(x)
        time.sleep(0.2)
        raise ValueError(x)

    def call(_: int) -> BaseException:
        barrier.wait()
        return raised(slow, 1)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(call, range(4)))
    assert [repr(error) for error in found] == ["ValueError(1)"] * 4
    assert len({id(error) for error in found}) == 4
    assert len(noted()) == 1


@pytest.mark.parametrize("remembers", [True, False])
def test_waiting_tasks(remembers: bool) -> None:
    @memorious(remember_errors=ValueError if remembers else ())
    async def slow(x: int) -> None:
        noted().append(x)
        await asyncio.sleep(0.01)
        raise ValueError(x)

    async def run() -> list[Any]:
        return await asyncio.gather(*(slow(1) for _ in range(3)), return_exceptions=True)

    found = asyncio.run(run())
    assert [repr(error) for error in found] == ["ValueError(1)"] * 3
    assert len(noted()) == (1 if remembers else 3)


def test_a_coroutine_that_raises_stop_iteration_or_is_cancelled() -> None:
    @memorious(remember_errors=Exception)
    async def f(x: int) -> None:
        noted().append(x)
        if x:
            await asyncio.sleep(60)
        raise StopIteration(x)

    first, second = (raised(lambda: asyncio.run(f(0))) for _ in range(2))
    assert type(first) is type(second) is RuntimeError
    assert repr(first.__cause__) == repr(second.__cause__) == "StopIteration(0)"
    assert len(noted()) == 1

    async def cancelled() -> None:
        await asyncio.wait_for(f(1), 0.01)

    for _ in range(2):
        assert isinstance(raised(lambda: asyncio.run(cancelled())), asyncio.TimeoutError)
    assert len(noted()) == 3


def test_methods_and_outer_calls() -> None:
    class Model:
        def __init__(self, rate: float) -> None:
            self.rate = rate

        @memorious(remember_errors=ValueError)
        def fit(self, depth: int) -> float:
            noted().append(depth)
            raise ValueError(self.rate, depth)

        @classmethod
        @memorious(remember_errors=ValueError)
        def make(cls) -> None:
            noted().append("make")
            raise ValueError(cls.__name__)

    for _ in range(2):
        assert raised(Model(0.1).fit, 2).args == (0.1, 2)
        assert raised(Model.make).args == ("Model",)
    assert noted() == [2, "make"]


def test_a_recursion_remembers_the_error_of_each_call() -> None:
    @memorious(remember_errors=ValueError)
    def down(n: int) -> int:
        noted().append(n)
        if n == 0:
            raise ValueError("bottom")
        return int(down(n - 1))

    raised(down, 3)
    raised(down, 2)
    raised(down, 4)
    assert noted() == [3, 2, 1, 0, 4]


# Inspection


def test_an_error_is_no_result_anywhere() -> None:
    from funes import load_cached_results

    fails = make()
    raised(fails, ValueError("x"))
    fails(1)
    assert not fails.is_cached(ValueError("x"))
    explanation = fails.explain(ValueError("x"))
    assert (explanation.why, explanation.is_hit) == ("error", True)
    assert "ValueError: x" in str(explanation)
    assert [each["output"] for each in load_cached_results(fails)] == [1]
    assert len(load_cached_results(fails)) == 1
    assert len(load_cached_results(fails, errors=True)) == 2
    assert fails.forget(ValueError("x")) is True
    assert fails.forget(ValueError("x")) is False
    raised(fails, ValueError("x"))
    assert len(noted()) == 3


def test_an_outdated_result_and_an_error() -> None:
    @memorious(remember_errors=ValueError)
    def parse(path: str) -> int:
        noted().append(path)
        return int(Path(path).read_text())

    DATA.write_text("1")
    parse("data.txt")
    DATA.write_text("x")
    raised(parse, "data.txt")
    assert parse.explain("data.txt").why == "error"
    assert not parse.is_cached("data.txt")
    DATA.write_text("1")
    parse.cache_clear()
    assert parse.explain("data.txt").why == "disk"
    assert parse("data.txt") == 1
    assert len(noted()) == 2


# Other processes


@memorious(remember_errors=(DivergedError, KeyError))
def module_level(x: int) -> int:
    noted().append(x)
    raise DivergedError(x, 0.5)


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_the_option_travels(pickler: Any, cache: Path) -> None:
    module_level._move(str(cache))
    copy = pickler.loads(pickler.dumps(module_level))
    assert copy._options.remember_errors == (DivergedError, KeyError)
    other: Any = memorious(remember_errors=OSError)(module_level.__wrapped__)
    other.__module__, other.__qualname__ = module_level.__module__, module_level.__qualname__
    for _ in range(2):
        assert raised(copy, 3).step == 3  # type: ignore[attr-defined]
    assert noted() == [3]


def test_another_process_raises_the_error(run_python: Any) -> None:
    script = """
from funes import memorious
class Mine(Exception):
    pass
@memorious(remember_errors=Mine)
def f(x):
    print("run")
    raise Mine(x, "y")
try:
    f(1)
except Mine as error:
    print(repr(error), type(error) is Mine)
"""
    assert run_python(script).split("\n")[:2] == ["run", "Mine(1, 'y') True"]
    assert run_python(script).split("\n")[:1] == ["Mine(1, 'y') True"]
