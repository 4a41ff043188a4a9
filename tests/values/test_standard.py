"""Values of the standard library: which are one, which differ, which are refused."""

from __future__ import annotations

import array
import asyncio
import collections
import contextlib
import contextvars
import copy
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import io
import ipaddress
import itertools
import logging
import operator
import os
import pathlib
import pickle
import random
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import types
import typing
import uuid
import weakref
import zoneinfo
from collections.abc import Callable
from typing import Any

import pytest

from funes import UnhashableArgumentError, hash_value, register
from values.comparing import assert_all_differ, assert_all_equal


class Point(collections.namedtuple("Point", "x y")):
    pass


Pair = collections.namedtuple("Pair", "x y")


class Typed(typing.NamedTuple):
    x: int
    y: int = 2


class Int(int):
    pass


class Str(str):
    pass


class Float(float):
    pass


class Bytes(bytes):
    pass


class Tuple(tuple):
    pass


class List(list[Any]):
    pass


class Dict(dict[Any, Any]):
    pass


class Set(set[Any]):
    pass


class Frozen(frozenset[Any]):
    pass


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Number(enum.IntEnum):
    ONE = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Slotted:
    __slots__ = ("__private", "public")

    def __init__(self, public: Any, private: Any) -> None:
        self.public = public
        self.__private = private


@dataclasses.dataclass
class Plain:
    x: Any
    y: Any = 2


@dataclasses.dataclass(frozen=True)
class FrozenData:
    x: Any
    y: Any = 2


@dataclasses.dataclass(frozen=True, slots=True)
class SlottedData:
    x: Any
    y: Any = 2


class WithState:
    def __init__(self, x: Any) -> None:
        self.x, self.noise = x, object()

    def __getstate__(self) -> Any:
        return {"x": self.x}


class WithReduce:
    def __init__(self, x: Any) -> None:
        self.x, self.noise = x, object()

    def __reduce__(self) -> Any:
        return WithReduce, (self.x,)


class Cached:
    def __init__(self, x: int) -> None:
        self.x = x

    @functools.cached_property
    def double(self) -> int:
        return self.x * 2


def closure(captured: Any) -> Callable[[], Any]:
    return lambda: captured


def scale(weight: int, x: int) -> int:
    return weight * x


#: No two of these are the same value.
DIFFERENT: list[Any] = [
    *(None, "None", "", b"", bytearray(), (), [], {}, set(), frozenset(), False, 0, 0.0, -0.0, 0j),
    *(True, 1, 1.0, 1 + 0j, "1", b"1", bytearray(b"1"), Int(1), Float(1.0), Number.ONE),
    *(-1, 255, 256, -256, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 1 << 100_000, -1 << 100_000),
    *(float("nan"), float("inf"), float("-inf"), complex(0, -0.0), complex(-0.0, 0)),
    *("a", Str("a"), b"a", Bytes(b"a"), "\ud800", "\udfff", "\U0001f600", "a" * 1000),
    *((1, 2), [1, 2], Tuple((1, 2)), List([1, 2]), Pair(1, 2), Point(1, 2), Typed(1)),
    *({1, 2}, frozenset({1, 2}), Set({1, 2}), Frozen({1, 2}), {1: 2}, Dict({1: 2})),
    *({"a": 1}, {"a": 1.0}, {"a": {"b": 1}}, {"a.b": 1}, [["a", 1]], {"a": [1]}, {"a": (1,)}),
    collections.OrderedDict([("a", 1), ("b", 2)]),
    collections.OrderedDict([("b", 2), ("a", 1)]),
    {"a": 1, "b": 2},
    collections.Counter(a=1, b=2),
    collections.defaultdict(int, a=1, b=2),
    collections.defaultdict(list, a=1, b=2),
    collections.defaultdict(None, a=1, b=2),
    collections.ChainMap({"a": 1}, {"b": 2}),
    collections.UserDict({"a": 1, "b": 2}),
    types.MappingProxyType({"a": 1, "b": 2}),
    types.SimpleNamespace(a=1, b=2),
    collections.deque([1, 2]),
    collections.deque([1, 2], 2),
    collections.deque([1, 2], 3),
    collections.deque([2, 1]),
    *(range(3), range(0, 3, 2), range(1), slice(3), slice(0, 3), slice(0, 3, 1)),
    *(..., NotImplemented, type(None), int, bool, float, list, dict),
    *(list[int], list[str], typing.List[int], typing.Any, int | str, int | None),  # noqa: UP006
    *(typing.Literal[1], typing.Literal[True], typing.Callable[[int], str]),
    *(
        decimal.Decimal("1.0"),
        decimal.Decimal("1.00"),
        decimal.Decimal("NaN"),
        fractions.Fraction(1),
    ),
    *(fractions.Fraction(1, 3), fractions.Fraction(-1, 3)),
    *(dt.date(2020, 1, 2), dt.datetime(2020, 1, 2), dt.time(1, 2), dt.time(1, 2, fold=1)),
    dt.datetime(2020, 1, 2, fold=1),
    dt.datetime(2020, 1, 2, tzinfo=dt.timezone.utc),
    dt.datetime(2020, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/London")),
    dt.datetime(2020, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Lisbon")),
    *(dt.timedelta(1), dt.timedelta(0, 1), dt.timezone.utc, dt.timezone(dt.timedelta(hours=1))),
    dt.timezone(dt.timedelta(hours=1), "CET"),
    *(uuid.UUID(int=1), uuid.UUID(int=2)),
    *(ipaddress.ip_address("0.0.0.1"), ipaddress.ip_address("::1"), ipaddress.ip_address("::1%1")),
    *(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("10.0.0.0/9")),
    *(ipaddress.ip_interface("10.0.0.1/8"), ipaddress.ip_interface("10.0.0.1/9")),
    *(pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("a/b"), pathlib.Path("a/b")),
    *(pathlib.Path("a/c"), re.compile("a"), re.compile(b"a"), re.compile("a", re.I)),
    *(
        array.array("d", [1.0]),
        array.array("f", [1.0]),
        array.array("b", [1]),
        array.array("B", [1]),
    ),
    *(memoryview(b"ab"), memoryview(b"abcd")[:3], memoryview(b"abcd").cast("H")),
    *(io.BytesIO(b"ab"), io.BytesIO(b"abc"), io.StringIO("ab")),
    *(Color.RED, Color.BLUE, Access.READ, Access.WRITE, Access.READ | Access.WRITE, Access(0)),
    *(Slotted(1, 2), Slotted(2, 1), Plain(1), Plain(2), FrozenData(1), SlottedData(1)),
    *(WithState(1), WithState(2), WithReduce(1), WithReduce(2)),
    *(Cached(1), Cached(2), ValueError("a"), ValueError("a", 1), KeyError("a")),
    *(len, sum, [].append, [1].append, [1].extend, operator.itemgetter(1), operator.itemgetter(2)),
    *(lambda: 1, lambda: 2, closure(1), closure(2), closure([1]), scale, Plain.__init__),
    *(functools.partial(scale, 1), functools.partial(scale, 2), functools.partial(scale, weight=1)),
    *(Cached(1).__init__, Cached(2).__init__),  # type: ignore[misc]
    *(sys, math := sys.modules["math"], logging.getLogger("a"), logging.getLogger("b")),
    logging.getLogger(),
    random.Random(1),
    random.Random(2),
    *([[]], [[], []], [[[]]], [()], [1, [2, 3]], [[1, 2], 3], [[1], [2], [3]]),
]


def test_different_values_differ() -> None:
    assert_all_differ(DIFFERENT)


@pytest.mark.parametrize("value", DIFFERENT, ids=lambda value: type(value).__name__)
def test_a_value_is_its_copies(value: Any) -> None:
    copies = [value]
    for make in (copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))):
        with contextlib.suppress(Exception):  # not everything can be copied
            copies.append(make(value))
    if isinstance(
        value, ipaddress.IPv6Address
    ):  # Python 3.10 loses the zone of an address when it copies it
        copies = [copied for copied in copies if str(copied) == str(value)]
    assert_all_equal(copies)
    assert_all_differ([value, [value], (value,), [value, value]])


def rebuilt(*parts: str) -> str:
    """A str of its own, equal but not identical to others of the same parts."""
    return "".join(parts)


SAME: list[list[Any]] = [
    [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {rebuilt("", "b"): 2, rebuilt("", "a"): 1}],
    [{1, "a", None}, {None, "a", 1}],
    [{frozenset({"a", "b"}), frozenset({"c"})}, {frozenset({"c"}), frozenset({"b", "a"})}],
    [collections.Counter("ab"), collections.Counter("ba")],
    [collections.defaultdict(int, a=1, b=2), collections.defaultdict(int, b=2, a=1)],
    [types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1)],
    [functools.partial(scale, weight=1, x=2), functools.partial(scale, x=2, weight=1)],
    [float("nan"), -float("nan"), float("inf") - float("inf")],
    [rebuilt("long ", "text"), "long text"],
    [memoryview(b"abc"), memoryview(bytearray(b"abc")), memoryview(b"xabcx")[1:4]],
    [memoryview(b"ac"), memoryview(b"abcd")[::2]],
    [random.Random(5), random.Random(5)],
    [Access.READ | Access.WRITE, Access.WRITE | Access.READ, Access(3)],
    [10**5000, int("9" * 4000) * 0 + 10**5000],
]


@pytest.mark.parametrize("values", SAME, ids=lambda values: type(values[0]).__name__)
def test_equal_values_are_one(values: list[Any]) -> None:
    assert_all_equal(values)


def test_sharing_does_not_show() -> None:
    part = ["x" * 300, {"y": 1.5}]
    assert_all_equal([[part, part], [part, copy.deepcopy(part)]])
    shared = Plain(part, part)
    assert_all_equal([shared, Plain(part, copy.deepcopy(part)), copy.deepcopy(shared)])


def test_sixty_doublings_are_instant() -> None:
    one: Any = ("x",)
    other: Any = ["x"]
    for _ in range(60):
        one, other = (one, one), [other, other]
    assert_all_differ([one, other, (one, one)])


def ring(*labels: int) -> list[Any]:
    lists: list[list[Any]] = [[label] for label in labels]
    for this, following in zip(lists, [*lists[1:], lists[0]], strict=True):
        this.append(following)
    return lists[0]


class Node:
    def __init__(self, label: int) -> None:
        self.label = label
        self.children: list[Node] = []
        self.parent: Node | None = None

    def add(self, label: int) -> Node:
        child = Node(label)
        child.parent = self
        self.children.append(child)
        return child


def test_equal_cycles_are_one() -> None:
    itself = ring(1)
    assert_all_equal(
        [itself, ring(1), ring(1, 1), ring(1, 1, 1), [1, itself], [1, [1, ring(1, 1)]]]
    )
    assert_all_differ([itself, ring(2), ring(1, 2), ring(2, 1), [2, itself], [itself], (1, itself)])


def test_a_cycle_has_one_hash_wherever_the_walk_enters() -> None:
    a, b = ring(1, 2), ring(2, 1)
    assert_all_equal([a, b[1], a[1][1], copy.deepcopy(a)])
    assert_all_equal([[a, b], [a, a[1]], [b[1], b]])
    assert_all_equal([{"x": a, "y": b}, {"y": b, "x": b[1]}])


def test_cycles_through_objects_and_dicts() -> None:
    def tree(*labels: int) -> Node:
        root = Node(labels[0])
        for label in labels[1:]:
            root.add(label).add(label)
        return root

    assert_all_equal([tree(1, 2, 3), tree(1, 2, 3), copy.deepcopy(tree(1, 2, 3))])
    assert_all_differ([tree(1, 2, 3), tree(1, 3, 2), tree(1, 2), tree(1, 2, 3).children[0]])
    one: dict[Any, Any] = {"b": 1}
    one["a"] = one
    other: dict[Any, Any] = {"a": {"b": 1}, "b": 1}
    other["a"]["a"] = other
    assert_all_equal([one, other])


def test_deep_values_are_hashed_or_refused_never_more() -> None:
    def nested(depth: int, make: Callable[[Any], Any]) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = make(value)
        return value

    for make in (
        lambda it: [it],
        lambda it: (it,),
        lambda it: {"a": it},
        Plain,
        lambda it: frozenset([it]),
    ):
        assert_all_differ([nested(100, make), nested(101, make), nested(102, make)])
        deep = nested(100_000, make) if make is not Plain else nested(5_000, make)
        with pytest.raises(UnhashableArgumentError, match="nested more than 900 levels deep"):
            hash_value(deep)
        while isinstance(deep, (list, tuple, frozenset)):
            [deep] = deep  # taken apart here: the interpreter's own recursion is not what is tested


def test_a_million_close_floats_differ() -> None:
    base = 1.0
    hashes = set()
    for step in range(200_000):
        hashes.add(hash_value(base + step * 2**-52))
    assert len(hashes) == 200_000


def generator() -> Any:
    yield 1


async def coroutine() -> None: ...


def open_files() -> list[Any]:
    raw = io.FileIO(os.devnull)
    raw.close()  # a closed one is none to be part of a key either
    memory = io.BytesIO()
    buffered = [io.BufferedReader(memory), io.BufferedWriter(memory), io.BufferedRandom(memory)]
    return [raw, *buffered, io.BufferedRWPair(memory, memory), io.TextIOWrapper(buffered[0])]


def refused_values() -> list[tuple[Any, str]]:
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    loop.close()
    unstarted = coroutine()
    unstarted.close()
    return [
        (threading.Lock(), "a lock"),
        (threading.RLock(), "a lock"),
        (threading.Condition(), "a lock"),
        (threading.Event(), "an event"),
        (threading.current_thread(), "a thread"),
        (threading.local(), "thread-local data"),
        (iter([1]), "an iterator"),
        (map(int, []), "an iterator"),
        (zip([]), "an iterator"),
        (itertools.count(), "an iterator"),
        (generator(), "a generator"),
        (unstarted, "a coroutine"),
        (future, "a future"),
        (sys.stdout, "an open file"),
        *((file, "an open file") for file in open_files()),
        (weakref.ref(Plain), "a weak reference"),
        (weakref.WeakValueDictionary(), "held weakly"),
        (weakref.WeakKeyDictionary(), "held weakly"),
        (weakref.WeakSet(), "held weakly"),
        (sys._getframe(), "a frame"),
        (object(), r"a bare object\(\)"),
        (contextvars.ContextVar("x"), "a context variable"),
        (contextvars.copy_context(), "a context"),
        ((lambda: 0).__code__, "a code object"),
        (types.CellType(1), "a cell"),
    ]


@pytest.mark.parametrize(("value", "what"), refused_values(), ids=lambda it: type(it).__name__)
def test_what_has_no_value_is_refused(value: Any, what: str) -> None:
    for inside in (value, [value], {"key": value}):
        with pytest.raises(
            UnhashableArgumentError, match=f"{what}.*cannot be part of a key|{what}"
        ):
            hash_value(inside)


def test_what_is_open_is_refused() -> None:
    with (
        sqlite3.connect(":memory:") as connection,
        socket.socket() as connected,
        open(__file__) as file,
        subprocess.Popen([sys.executable, "-c", ""]) as process,
    ):
        for value in (connection, connected, file, process):
            with pytest.raises(UnhashableArgumentError, match="cannot be part of a key"):
                hash_value(value)
    connection.close()


def test_a_generator_is_not_consumed() -> None:
    numbers = (number for number in range(3))
    with pytest.raises(UnhashableArgumentError):
        hash_value([numbers])
    assert list(numbers) == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"lock": threading.Lock()}, r"value -> \['lock'\]: a lock"),
        ([1, (2, {3: threading.Lock()})], r"value -> \[1\]\[1\]\[3\]: a lock"),
        (Plain(1, [threading.Lock()]), r"value -> \.y\[0\]: a lock"),
        (Slotted(threading.Lock(), 1), r"value -> \.public: a lock"),
        (Slotted(1, threading.Lock()), r"value -> \._Slotted__private: a lock"),
        (collections.deque([threading.Lock()]), r"value -> \[0\]: a lock"),
        (types.SimpleNamespace(a={"b": threading.Lock()}), r"value -> \['a'\]\['b'\]: a lock"),
        ({(threading.Lock(),): 1}, r"value ->  ?\(the key <tuple>\)\[0\]: a lock"),
    ],
    ids=str,
)
def test_a_refusal_shows_the_way(value: Any, path: str) -> None:
    with pytest.raises(UnhashableArgumentError, match=path) as refused:
        hash_value(value)
    assert len(str(refused.value)) < 400
    assert "ignore=" in str(refused.value)
    assert "funes.register" in str(refused.value)
    assert "__funes_key__" in str(refused.value)


# Classes of the user's own


def test_classes_of_one_name_and_other_bodies_differ() -> None:
    def make(step: int) -> Any:
        class Counter:
            def __init__(self) -> None:
                self.x = 1

            def next(self) -> int:
                return self.x + step

        return Counter

    assert_all_differ([make(1), make(2), make(1)(), make(2)()])
    assert_all_equal([make(1)(), make(1)()])


def test_what_is_kept_in_dict_or_slots_is_one() -> None:
    class Dicted:
        pass

    def make(*names: str) -> Any:
        made = Dicted()
        for name in names:
            setattr(made, name, 1)
        return made

    assert_all_equal([make("a", "b"), make("b", "a")])
    assert_all_differ([make("a", "b"), make("a"), make()])


def test_caches_are_no_value() -> None:
    warm, cold = Cached(1), Cached(1)
    assert warm.double == 2
    assert_all_equal([warm, cold])


def test_hashing_changes_nothing() -> None:
    class Fresh:
        def __init__(self) -> None:
            self.x = [1]

    fresh = Fresh()
    class_before, before = dict(vars(Fresh)), copy.deepcopy(vars(fresh))
    hash_value(fresh)
    assert dict(vars(Fresh)) == class_before
    assert vars(fresh) == before


def test_what_getstate_and_reduce_leave_out_is_no_value() -> None:
    assert_all_equal([WithState(1), WithState(1)])
    assert_all_equal([WithReduce(1), WithReduce(1)])


class Keyed:
    def __init__(self, name: str) -> None:
        self.name, self.lock = name, threading.Lock()

    def __funes_key__(self) -> str:
        return self.name


class KeyedFurther(Keyed):
    pass


def test_a_class_may_say_what_its_objects_are() -> None:
    assert_all_equal([Keyed("a"), Keyed("a")])
    assert_all_differ([Keyed("a"), Keyed("b"), KeyedFurther("a"), "a"])


class Registered:
    def __init__(self, name: str) -> None:
        self.name, self.lock = name, threading.Lock()


class RegisteredFurther(Registered):
    def __init__(self, name: str, more: int) -> None:
        super().__init__(name)
        self.more = more
        del self.lock


def test_types_can_be_registered() -> None:
    with pytest.raises(UnhashableArgumentError):
        hash_value(Registered("a"))
    register(Registered, lambda value: value.name)
    assert_all_equal([Registered("a"), Registered("a")])
    assert_all_differ([Registered("a"), Registered("b"), RegisteredFurther("a", 1)])
    assert_all_differ([RegisteredFurther("a", 1), RegisteredFurther("a", 2)])
    with pytest.raises(TypeError, match="register takes a type first"):
        register("Registered", lambda value: 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="register takes a function of an object second"):
        register(Registered, "name")  # type: ignore[arg-type]


# Hostile objects


class Hostile:
    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act

    def __reduce__(self) -> Any:
        return self.act()


@pytest.mark.parametrize(
    "act",
    [
        lambda: 1 / 0,
        lambda: 3,
        lambda: (),
        lambda: (int,),
        lambda: (int, 3),
        lambda: (int, (), object()),
        lambda: (list, (), None, 3),
        lambda: (dict, (), None, None, [1]),
        lambda: (dict, (), None, None, [([], 1)]),
        lambda: (Hostile, (Hostile(lambda: 1 / 0),)),
        lambda: sys.exit.__call__.__nothing__,  # type: ignore[attr-defined]
    ],
)
def test_a_hostile_reduce_is_a_refusal(act: Callable[[], Any]) -> None:
    with pytest.raises(UnhashableArgumentError):
        hash_value([Hostile(act)])


def endless() -> Any:
    return Hostile, (Hostile(endless),)


def test_an_endless_reduce_is_a_refusal() -> None:
    with pytest.raises(UnhashableArgumentError, match="levels deep"):
        hash_value(Hostile(endless))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_goes_through(error: type[BaseException]) -> None:
    def act() -> None:
        raise error

    with pytest.raises(error):
        hash_value([Hostile(act)])


@pytest.mark.parametrize("kind", [list, dict, set])
def test_containers_that_change_meanwhile_are_refused(kind: type) -> None:
    container: Any

    def grow() -> Any:
        if kind is list:
            container.append(1)
        elif kind is dict:
            container[len(container)] = 1
        else:
            container.add(len(container))
        return int, ()

    def shrink() -> Any:
        container.clear()
        return int, ()

    for act in (grow, shrink):
        elements = [Hostile(act), "a", "b"]
        container = dict.fromkeys(elements) if kind is dict else kind(elements)
        with pytest.raises(UnhashableArgumentError, match="changed while it was hashed"):
            hash_value(container)


class Liar:
    """Says that it is equal to everything, hashes alike, and shows other attributes than it has."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return 1


def test_equality_and_hash_of_objects_are_not_asked() -> None:
    assert_all_differ([Liar(1), Liar(2), [Liar(1), Liar(2)], [Liar(2), Liar(1)]])


def test_a_getattr_that_raises_is_a_refusal() -> None:
    class Wild:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

    with pytest.raises(UnhashableArgumentError, match="RuntimeError"):
        hash_value(Wild())
