"""Pickling of entries: every kind of result survives a round trip, here and in another program."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import math
import operator
import pathlib
import pickle
import subprocess
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from funes import DamagedEntryError, UnpicklableResultError
from funes._call.argument_snapshot import take_snapshot
from funes._entries import c_pickler
from funes._entries.unpickler import load_entry
from funes._entries.writer import dump_entry

Python = Callable[..., subprocess.CompletedProcess[str]]

FACTOR = 3


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


class Color(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    left: int
    right: int


class Words(list):  # type: ignore[type-arg]
    pass


def triple(x: int) -> int:
    return x * FACTOR


def there_and_back(output: Any) -> Any:
    body, fast, _ = dump_entry({"x": 1}, output, 0.5)
    entry = load_entry(body, fast)
    assert list(entry) == ["input", "output", "time"]
    assert entry["input"] == {"x": 1}
    assert entry["time"] == 0.5
    # Any program that reads pickles can read the body.
    assert type(pickle.loads(body)["output"]).__name__ == type(output).__name__
    return entry["output"]


# Round trips


@pytest.mark.parametrize(
    "output",
    [
        None,
        False,
        0,
        -1,
        10**5000,
        0.0,
        -0.0,
        math.inf,
        1j,
        "",
        "\ud800",
        "text",
        b"",
        bytearray(b"x"),
        (),
        [],
        {},
        set(),
        frozenset({1}),
        range(3),
        slice(1, None),
        Ellipsis,
        NotImplemented,
        int,
        len,
        collections.deque([1, 2], maxlen=2),
        collections.OrderedDict(b=1, a=2),
        collections.defaultdict(list, a=[1]),
        collections.Counter("aab"),
        datetime.datetime(2020, 2, 29, tzinfo=datetime.timezone.utc),
        decimal.Decimal("1.50"),
        fractions.Fraction(1, 3),
        uuid.UUID(int=7),
        pathlib.PurePosixPath("a/b"),
        Point(1, [2]),
        Point,
        Color.RED,
        Color,
        Pair(1, 2),
        Words([1]),
        triple,
        functools.partial(triple, 2),
        operator.itemgetter(1),
        np.float32(1.5),
        np.array(5),
        np.zeros((0, 3)),
        np.arange(6, dtype="<i2").reshape(2, 3).T,
        np.array(["a", None], dtype=object),
        np.dtype([("a", "i4"), ("b", "f8")]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_results_keep_type_and_value(output: Any) -> None:
    got = there_and_back(output)
    assert type(got) is type(output)
    if isinstance(output, (np.ndarray, np.generic)):
        assert got.dtype == output.dtype
        assert got.shape == output.shape
        assert np.array_equal(got, output)
    elif isinstance(output, functools.partial):
        assert (got.func, got.args) == (output.func, output.args)
    elif isinstance(output, operator.itemgetter):
        assert got("ab") == "b"
    else:
        assert got == output
    if isinstance(output, float):
        assert repr(got) == repr(output)  # 0.0 == -0.0


def test_nan_is_kept() -> None:
    assert math.isnan(there_and_back(math.nan))


def test_exceptions_are_kept() -> None:
    got = there_and_back(KeyError("a", 1))
    assert type(got) is KeyError
    assert got.args == ("a", 1)


def test_cycles_survive_round_trip() -> None:
    output: list[Any] = [1]
    output.append(output)
    got = there_and_back(output)
    assert got[0] == 1
    assert got[1] is got


def test_shared_references_survive_round_trip() -> None:
    part = [1]
    got = there_and_back([part, part])
    assert got[0] is got[1]


def test_lambdas_and_local_functions_survive_round_trip() -> None:
    offset = 5

    def local(x: int) -> int:
        return triple(x) + offset

    def factorial(n: int) -> int:
        return 1 if n < 2 else n * factorial(n - 1)

    assert there_and_back(lambda x: x + FACTOR)(1) == 4
    assert there_and_back(local)(1) == 8
    assert there_and_back(factorial)(5) == 120
    assert there_and_back({"f": local, "a": np.ones(2)})["f"](2) == 11
    assert there_and_back(functools.partial(local, 1))() == 8


def test_instances_of_local_classes_survive_round_trip() -> None:
    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

        def more(self) -> int:
            return triple(self.x)

        @functools.cached_property
        def kept(self) -> int:
            return self.x

    got = there_and_back(Local(2))
    assert type(got).__qualname__ == Local.__qualname__
    assert (got.x, got.more(), got.kept) == (2, 6, 2)
    assert there_and_back(Local)(3).more() == 9


def test_each_load_returns_a_new_object() -> None:
    body, fast, _ = dump_entry({}, [1], 0.0)
    load_entry(body, fast)["output"].append(2)
    assert load_entry(body, fast)["output"] == [1]


# Refused results


async def coroutine_function() -> None:
    pass


class Fickle:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error


class Raised(BaseException):
    """Is no Exception, like errors of test runners and event loops."""


def refused(output: Any) -> str:
    with pytest.raises(UnpicklableResultError) as caught:
        dump_entry({"x": 1}, output, 0.0)
    return str(caught.value)


def test_unpicklable_result_is_refused_with_type_and_reason() -> None:
    coroutine = coroutine_function()
    try:
        for output, kind in (
            ((x for x in ()), "generator"),
            (coroutine, "coroutine"),
            (threading.Lock(), "lock"),
            (sys._getframe(), "frame"),
        ):
            message = refused(output)
            assert f"a result of type {type(output).__name__}" in message.replace("_thread.", "")
            assert "cannot pickle" in message
            assert kind in message
    finally:
        coroutine.close()
    assert "a result of type dict (" in refused({"a": [threading.Event()]})
    assert "a result of type test_pickling.Fickle (ValueError: mine)" in refused(
        Fickle(ValueError("mine"))
    )


def test_refused_generator_is_not_consumed() -> None:
    numbers = (x for x in (1, 2))
    refused(numbers)
    assert list(numbers) == [1, 2]


@pytest.mark.parametrize("mode", ["w", "wb", "rb", "r+b", "r"])
def test_open_files_are_refused(tmp_path: Path, mode: str) -> None:
    """dill would store how a file was opened, and every hit would open or truncate it again."""
    path = tmp_path / "data"
    path.write_text("kept")
    with path.open(mode) as file:
        file.seek(0)
        assert "cannot pickle" in refused({"log": file})


def test_in_memory_files_are_stored() -> None:
    assert there_and_back(io.BytesIO(b"ab")).getvalue() == b"ab"


def test_too_deeply_nested_results_are_refused() -> None:
    output: list[Any] = []
    for _ in range(200_000):
        output = [output]
    start = time.perf_counter()
    assert "nested too deeply" in refused(output)
    assert time.perf_counter() - start < 5
    while output:  # else deallocating it at the end of the test recurses, too
        output = output[0]


@pytest.mark.parametrize("error", [MemoryError(), Raised("x"), RuntimeError("a\nb")])
def test_any_error_of_pickling_is_a_refusal(error: BaseException) -> None:
    assert type(error).__name__ in refused(Fickle(error))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_keyboard_interrupt_and_system_exit_are_raised(error: type[BaseException]) -> None:
    with pytest.raises(error):
        dump_entry({}, Fickle(error()), 0.0)
    with pytest.raises(error):
        take_snapshot({"x": Fickle(error())})


def test_module_that_is_not_imported_is_refused() -> None:
    assert "not imported" in refused({"f": lambda: 0, "m": types.ModuleType("made_up")})


# dill


def test_ordinary_results_do_not_import_dill(python: Python) -> None:
    done = python(
        "-c",
        "import sys, collections\n"
        "from funes._call.argument_snapshot import take_snapshot\n"
        "from funes._entries.unpickler import load_entry\n"
        "from funes._entries.writer import dump_entry\n"
        "snapshot = take_snapshot({'x': [1], 'y': collections.deque()})\n"
        "load_entry(*dump_entry(snapshot.restore(), {'a': [1.5]}, 0.1)[:2])\n"
        "print('dill' in sys.modules)",
    )
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("step", ["dump_entry({}, lambda: 1, 0.0)", "load_entry(BODY)"])
def test_dill_does_not_change_other_picklers(python: Python, step: str) -> None:
    body, *_ = dump_entry({}, lambda: 1, 0.0)
    done = python(
        "-c",
        "import sys, pickle, copyreg\n"
        "from funes._entries.unpickler import load_entry\n"
        "from funes._entries.writer import dump_entry\n"
        "before = dict(pickle._Pickler.dispatch), dict(copyreg.dispatch_table)\n"
        f"{step.replace('BODY', repr(body))}\n"
        "print('dill' in sys.modules)\n"
        "print(before == (dict(pickle._Pickler.dispatch), dict(copyreg.dispatch_table)))",
    )
    assert done.stdout == "True\nTrue\n", done.stderr


def test_program_that_imports_dill_keeps_its_registrations(python: Python) -> None:
    done = python(
        "-c",
        "import dill, pickle\n"
        "from funes._entries.writer import dump_entry\n"
        "before = dict(pickle._Pickler.dispatch)\n"
        "dump_entry({}, lambda: 1, 0.0)\n"
        "f = lambda: len('abc')\n"
        "print(before == dict(pickle._Pickler.dispatch))\n"
        "print(sorted(dill.detect.globalvars(f, builtin=True)))",
    )
    assert done.stdout == "True\n['len']\n", done.stderr


def test_standard_output_is_not_redirected(monkeypatch: pytest.MonkeyPatch) -> None:
    """dill redirects it, and loses what other threads print."""
    import dill.temp

    monkeypatch.setattr(dill.temp, "capture", None)
    assert there_and_back({"f": eval("lambda: triple(2)", {"triple": triple})})["f"]() == 6


def test_modules_used_by_a_function_are_pickled_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dill would write the content of modules, and overwrite modules when the entry is read."""
    (tmp_path / "users_module.py").write_text(
        "import threading\nlock = threading.Lock()\nsetting = 1\n"
        "def make():\n    return lambda: setting\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import users_module  # type: ignore[import-not-found]

    try:
        output = {"module": users_module, "function": users_module.make()}
        body, *_ = dump_entry({}, output, 0.0)
        users_module.setting = 2
        got = load_entry(body)["output"]
        assert got["module"] is users_module
        assert users_module.setting == 2
        assert got["function"]() == 2  # a function uses the globals of its module
    finally:
        del sys.modules["users_module"]


# The program's own module

DEFINITIONS = """
import abc, collections, dataclasses, enum, functools, threading, typing

OFFSET = 5
UNRELATED = threading.Lock()

@dataclasses.dataclass
class Point:
    x: int
    def moved(self):
        return Point(self.x + OFFSET)

class Base(abc.ABC):
    @abc.abstractmethod
    def name(self): ...

class Sub(Base):
    __slots__ = ("a",)
    def __init__(self): self.a = 1
    def name(self): return "sub" + str(super().name())
    @property
    def b(self): return self.a + OFFSET
    @classmethod
    def make(cls): return cls()
    class Inner: pass

class Color(enum.Enum):
    RED = 1
    CRIMSON = 1
    BLUE = (2, 3)
    def shout(self): return self.name + "!" + str(OFFSET) + Color.RED.name
    @property
    def low(self): return self.name.lower()
    @classmethod
    def first(cls): return cls.RED

class Bits(enum.IntFlag):
    A = 1
    B = 2

T = typing.TypeVar("T", bound=int)
class Box(typing.Generic[T]):
    def __init__(self, value): self.value = value

Pair = collections.namedtuple("Pair", "left right")

def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - 1)

@functools.lru_cache
def cached(x): return x + OFFSET

def values():
    return {
        "point": Point(1), "class": Point, "sub": Sub(), "inner": Sub.Inner(),
        "color": Color.BLUE, "bits": Bits.A | Bits.B, "box": Box(4), "pair": Pair(1, 2),
        "function": even, "cached": cached, "method": Point(1).moved,
        "mixed": {"p": Point(1), "f": lambda: OFFSET},
        "factory": collections.defaultdict(lambda: Point(9)),
    }

def check(got):
    assert got["point"].x == 1 and got["point"].moved().x == 6
    assert type(got["point"].moved()) is type(got["point"])
    assert got["class"](2).moved().x == 7
    assert (got["sub"].name(), got["sub"].a, got["sub"].b) == ("subNone", 1, 6)
    assert type(got["sub"].make()) is type(got["sub"])
    assert type(got["inner"]).__qualname__ == "Sub.Inner"
    color = type(got["color"])
    assert got["color"] is color.BLUE and color((2, 3)) is got["color"]
    assert color.CRIMSON is color.RED and color.first() is color.RED
    assert (got["color"].shout(), got["color"].low) == ("BLUE!5RED", "blue")
    assert got["bits"] == 3 and type(got["bits"]).A in got["bits"]
    assert got["box"].value == 4
    assert (got["pair"].left, got["pair"].right) == (1, 2)
    assert got["function"](10) is True
    assert got["cached"](1) == 6
    assert got["method"]().x == 6
    assert got["mixed"]["f"]() == 5 and got["mixed"]["p"].moved().x == 6
    assert got["factory"]["new"].x == 9
"""

WRITE = """
import pickle, sys
from funes._entries.unpickler import load_entry
from funes._entries.writer import dump_entry
entries = {}
for name, value in values().items():
    body, fast, _ = dump_entry({"argument": value}, value, 0.0)
    entries[name] = body, fast
    got = load_entry(body, fast)
    for back in (got["output"], got["input"]["argument"]):
        assert type(back) is type(value), name
        if name in ("class", "function", "cached", "color", "bits"):
            assert back is value or back == value, name
        if name == "mixed":
            assert type(back["p"]) is Point
        if name == "method":
            assert type(back.__self__) is Point
pickle.dump(entries, open("entries", "wb"))
check({name: load_entry(*entry)["output"] for name, entry in entries.items()})
"""

READ = """
import pickle, sys
for reader in ("pickle", "dill"):
    load = __import__(reader).loads
    check({
        name: load(body)["output"] for name, (body, _) in pickle.load(open("entries", "rb")).items()
    })
assert "funes" not in sys.modules
"""


def test_classes_of_main_are_by_name_here_and_by_value_elsewhere(
    python: Python, tmp_path: Path
) -> None:
    program, reader = tmp_path / "program.py", tmp_path / "reader.py"
    program.write_text(DEFINITIONS + WRITE)
    reader.write_text(DEFINITIONS[DEFINITIONS.index("def check") :] + READ)
    for script in (program, reader):
        done = python("-W", "error", script)
        assert done.returncode == 0, done.stderr


def test_parent_reads_results_of_spawned_workers(python: Python, tmp_path: Path) -> None:
    """Their own module is named __mp_main__."""
    main = """
from funes._entries.unpickler import load_entry
from funes._entries.writer import dump_entry

def work(_):
    assert Point.__module__ == "__mp_main__"
    written = {name: tuple(dump_entry({}, value, 0.0))[:2] for name, value in values().items()}
    assert Point.__module__ == "__mp_main__"
    assert type(load_entry(*written["point"])["output"]) is Point
    return written

if __name__ == "__main__":
    import multiprocessing, pickle
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        entries = pool.map(work, [0])[0]
    pickle.dump(entries, open("entries", "wb"))
    check({name: load_entry(*entry)["output"] for name, entry in entries.items()})
    assert type(load_entry(*entries["point"])["output"]) is Point
    assert load_entry(*entries["color"])["output"] is Color.BLUE
"""
    program, reader = tmp_path / "program.py", tmp_path / "reader.py"
    program.write_text(DEFINITIONS + main)
    reader.write_text(DEFINITIONS[DEFINITIONS.index("def check") :] + READ)
    for script in (program, reader):
        done = python(script)
        assert done.returncode == 0, done.stderr


def test_worker_writes_name_of_class_that_it_received_by_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers of loky and Dask receive the classes of __main__ by value."""
    ghost = type("Ghost", (), {"__module__": "__main__", "__qualname__": "Ghost"})
    body, fast, _ = dump_entry({}, ghost(), 0.0)
    assert type(load_entry(body, fast)["output"]).__name__ == "Ghost"
    assert type(load_entry(body, fast)["output"]) is not ghost
    monkeypatch.setattr(sys.modules["__main__"], "Ghost", ghost, raising=False)
    assert type(load_entry(body, fast)["output"]) is ghost


def test_redefined_class_is_stored_by_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a notebook: an object of the old class must not become an object of the new one."""

    def define(answer: int) -> Any:
        return type(
            "Again", (), {"__module__": "__main__", "__qualname__": "Again", "answer": answer}
        )

    old, new = define(1), define(2)
    monkeypatch.setattr(sys.modules["__main__"], "Again", new, raising=False)
    body, fast, _ = dump_entry({}, old(), 0.0)
    assert load_entry(body, fast)["output"].answer == 1


def test_class_that_dill_cannot_pickle_is_stored_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    knot = type("Knot", (), {"__module__": "__main__", "__qualname__": "Knot"})
    knot.instance = knot()  # type: ignore[attr-defined]
    monkeypatch.setattr(sys.modules["__main__"], "Knot", knot, raising=False)
    body, fast, _ = dump_entry({}, knot(), 0.0)
    assert type(load_entry(body, fast)["output"]) is knot


@pytest.mark.parametrize(
    "output",
    [
        "__main__",
        ["__main__", "x", "__mp_main__"],
        b"\x8c\x08__main__\x94",
        {"__main__": Point(1)},
        ["x" * 70_000, "__main__", "y" * 70_000, Point(1), "__main__"],
        "__main__" * 1000,
    ],
    ids=range(6),
)
def test_string_dunder_main_is_not_a_reference(output: Any) -> None:
    body, fast, _ = dump_entry({}, output, 0.0)
    assert fast is None
    assert load_entry(body)["output"] == output


@pytest.mark.parametrize("before", [[], ["__main__"], ["x" * 70_000], ["__main__", "x" * 70_000]])
def test_reference_to_main_is_found_at_any_position(
    monkeypatch: pytest.MonkeyPatch, before: list[str]
) -> None:
    kind = type("K" * 300, (), {"__module__": "__main__", "__qualname__": "K" * 300})
    monkeypatch.setattr(sys.modules["__main__"], "K" * 300, kind, raising=False)
    assert c_pickler.names_main(pickle.dumps([*before, kind(), Point(1)], 5))


# Reading files that are no entries


@pytest.mark.parametrize("content", [[1], {"input": {}, "output": 1}, "text", None])
def test_pickle_of_something_else_is_no_entry(content: Any) -> None:
    with pytest.raises(DamagedEntryError, match="something that is not an entry"):
        load_entry(pickle.dumps(content))


def test_missing_class_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    body, fast, _ = dump_entry({}, Point(1), 0.0)
    monkeypatch.delitem(globals(), "Point")
    with pytest.raises(AttributeError, match="Point"):
        load_entry(body, fast)


def test_failing_fast_pickle_falls_back_to_portable_pickle() -> None:
    body, *_ = dump_entry({}, 1, 0.0)
    assert load_entry(body, b"no pickle")["output"] == 1


# Argument snapshots


def test_snapshot_shares_immutable_arguments() -> None:
    inputs = {"a": None, "b": (1, ("x", 2.5), frozenset({b"y", 1j})), "c": 10**100, "d": True}
    restored = take_snapshot(inputs).restore()
    assert restored == inputs
    assert list(restored) == list(inputs)
    assert all(restored[name] is inputs[name] for name in inputs)


def test_snapshot_is_unaffected_by_later_mutation() -> None:
    inputs: dict[str, Any] = {
        "x": 1,
        "rows": [1, [2]],
        "t": ([],),
        "array": np.zeros(2),
        "p": Point(1),
    }
    snapshot = take_snapshot(inputs)
    inputs["rows"][1].append(3)
    inputs["t"][0].append(1)
    inputs["array"][:] = 7
    inputs["p"].x = 2
    restored = snapshot.restore()
    assert list(restored) == ["x", "rows", "t", "array", "p"]
    assert restored["rows"] == [1, [2]]
    assert restored["t"] == ([],)
    assert restored["array"].tolist() == [0, 0]
    assert restored["p"] == Point(1)
    assert snapshot.not_stored == {}


def test_snapshot_copies_subclasses_of_builtin_types() -> None:
    class Text(str):
        note = "before"

    argument = Text("x")
    snapshot = take_snapshot({"x": argument})
    argument.note = "after"
    assert snapshot.restore()["x"].note == "before"


def test_snapshot_keeps_functions_and_local_objects() -> None:
    class Local:
        pass

    restored = take_snapshot({"f": lambda x: x + FACTOR, "o": Local(), "c": Point}).restore()
    assert restored["f"](1) == 4
    assert type(restored["o"]).__name__ == "Local"
    assert restored["c"] is Point


def test_unpicklable_argument_does_not_affect_the_rest() -> None:
    inputs = {"a": [1], "lock": threading.Lock(), "deep": Fickle(ValueError("mine")), "z": 2}
    snapshot = take_snapshot(inputs)
    restored = snapshot.restore()
    assert list(restored) == ["a", "lock", "deep", "z"]
    assert (restored["a"], restored["z"]) == ([1], 2)
    assert restored["lock"].startswith("<not stored: ")
    assert "lock" in restored["lock"]
    assert restored["deep"] == "<not stored: ValueError: mine>"
    assert snapshot.not_stored.keys() == {"lock", "deep"}
    assert len(take_snapshot({"x": Fickle(ValueError("long " * 1000))}).restore()["x"]) < 300


class _Unreadable:
    def __reduce__(self) -> Any:
        return _fail, ()


def _fail() -> None:
    raise OSError("not again")


def test_unloadable_argument_does_not_affect_the_rest() -> None:
    frozen = take_snapshot({"x": _Unreadable(), "y": [1]})
    assert frozen.restore() == {"x": "<not stored: OSError: not again>", "y": [1]}
    assert frozen.not_stored == {"x": "OSError: not again"}


def test_snapshot_of_shared_tuples_is_fast() -> None:
    value: Any = ("leaf",)
    for _ in range(200):
        value = (value, value)
    assert take_snapshot({"x": value}).restore()["x"] is value


def test_deeply_nested_argument_does_not_affect_the_rest() -> None:
    deep: Any = ()
    for _ in range(200_000):
        deep = (deep,)
    assert take_snapshot({"x": deep}).restore()["x"] is deep
    while deep:
        deep = deep[0]


def test_coroutines_and_tasks_are_refused_in_a_running_loop() -> None:
    async def main() -> str:
        return refused(asyncio.current_task())

    assert "Task" in asyncio.run(main())


# Sentinels

NOTHING = object()


class _Missing:
    pass


MISSING = _Missing()


class Stateless:
    pass


def sentinels() -> dict[str, Any]:
    return {
        "object": NOTHING,
        "dataclasses": dataclasses.MISSING,
        "keyword only": [dataclasses.KW_ONLY],
        "own": {"a": MISSING},
        "twice": (NOTHING, NOTHING, dataclasses.MISSING),
        "beside a function": (NOTHING, MISSING, dataclasses.MISSING, lambda: 1),
        "beside an array": (NOTHING, np.zeros(1 << 17)),
    }


def flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [part for each in value for part in flat(each)]
    return flat(list(value.values())) if isinstance(value, dict) else [value]


@pytest.mark.parametrize("name", list(sentinels()))
def test_sentinel_is_the_same_object_after_round_trip(name: str) -> None:
    output = sentinels()[name]
    pickled = dump_entry({}, output, 0.0)
    for got in (
        load_entry(bytes(pickled.body))["output"],
        pickle.loads(bytes(pickled.body))["output"],
    ):
        for before, after in zip(flat(output), flat(got), strict=True):
            if not isinstance(before, (np.ndarray, types.FunctionType)):
                assert after is before


@pytest.mark.skipif(sys.version_info < (3, 15), reason="needs the builtin sentinel")
@pytest.mark.parametrize("beside", [None, lambda: 1], ids=["alone", "beside a function"])
def test_builtin_sentinel_is_stored_by_name(
    beside: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("with_sentinels")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("ONE = sentinel('ONE'); OTHER = sentinel('OTHER'); LOST = [sentinel('X')]", vars(module))
    output = (module.ONE, module.OTHER, dataclasses.MISSING, dataclasses.KW_ONLY)
    pickled = dump_entry({}, (*output, beside), 0.0)
    for got in (
        load_entry(bytes(pickled.body))["output"],
        pickle.loads(bytes(pickled.body))["output"],
    ):
        assert all(after is before for before, after in zip(output, got, strict=False))
    assert "no module has the sentinel X under its name" in refused((module.LOST[0], beside))


@pytest.mark.parametrize(
    "output",
    [object(), [object()], (lambda: 1, object()), {"a": {1: object()}}],
    ids=["alone", "in a list", "beside a function", "in dicts"],
)
def test_bare_object_outside_of_modules_is_refused(output: Any) -> None:
    with pytest.raises(UnpicklableResultError, match="a bare object\\(\\) has no value"):
        dump_entry({}, output, 0.0)


def test_stateless_object_under_lowercase_name_is_a_value() -> None:
    global _variable
    _variable = Stateless()
    body, *_ = dump_entry({}, [_variable, Stateless()], 0.0)
    variable, _variable = _variable, NOTHING
    got = load_entry(body)["output"]
    assert [type(each) for each in got] == [Stateless] * 2
    assert got[0] is not variable


_variable: Any = None
