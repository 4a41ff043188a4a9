"""The standard library: which values are equal, which differ, which are refused."""

from __future__ import annotations

import array
import asyncio
import collections
import concurrent.futures
import contextlib
import contextvars
import copy
import copyreg
import ctypes
import dataclasses
import datetime as dt
import dbm.dumb
import decimal
import enum
import fractions
import functools
import importlib
import io
import ipaddress
import itertools
import json
import logging
import multiprocessing
import multiprocessing.managers
import multiprocessing.shared_memory
import operator
import os
import pathlib
import pickle
import queue
import random
import re
import shelve
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import types
import typing
import uuid
import weakref
import xml.etree.ElementTree
import zoneinfo
from collections.abc import Callable
from typing import Any, ClassVar
from unittest import mock

import pytest

from funes import CacheWarning, UnhashableArgumentError, hash_value, memorious, register
from funes._funes import forget_strategies
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


#: Values that all differ.
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
def test_copies_are_equal(value: Any) -> None:
    copies = [value]
    for make in (copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))):
        with contextlib.suppress(Exception):  # not everything can be copied
            copied = make(value)
            # Python 3.10 loses the scope of an address.
            if getattr(copied, "scope_id", None) == getattr(value, "scope_id", None):
                copies.append(copied)
    assert_all_equal(copies)
    assert_all_differ([value, [value], (value,), [value, value]])


def rebuilt(*parts: str) -> str:
    """Returns a new str, equal but not identical to another one of the same parts."""
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
def test_equal_values_have_equal_hashes(values: list[Any]) -> None:
    assert_all_equal(values)


def test_sharing_does_not_count() -> None:
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


def test_equal_cycles_have_equal_hashes() -> None:
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


def test_deep_values_are_hashed_or_refused() -> None:
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
        assert_all_differ([nested(2_000, make), nested(2_001, make)])
        deep = nested(100_000, make) if make is not Plain else nested(6_000, make)
        with pytest.raises(UnhashableArgumentError, match="nested more than 10000 levels deep"):
            hash_value(deep)
        while isinstance(deep, (list, tuple, frozenset)):
            [deep] = deep  # taken apart here: the interpreter's own recursion is not what is tested


def test_a_million_close_floats_differ() -> None:
    base = 1.0
    hashes = set()
    for step in range(200_000):
        hashes.add(hash_value(base + step * 2**-52))
    assert len(hashes) == 200_000


STRONG = Plain(1)


def generator() -> Any:
    yield 1


async def coroutine() -> None: ...


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
        (weakref.ref(Plain), "a weak reference"),
        (weakref.proxy(Plain), "a weak reference"),
        (weakref.proxy(STRONG), "a weak reference"),
        (weakref.finalize(Plain, print), "a finalizer"),
        (super(Point, Point(1, 2)), r"a super\(\)"),
        ({}.keys(), "a view of a dict"),
        ({}.items(), "a view of a dict"),
        (collections.OrderedDict().values(), "a view of a dict"),
        (asyncio.Lock(), "a lock"),
        (asyncio.Event(), "an event"),
        (asyncio.Queue(), "a queue"),
        (multiprocessing.Lock(), "a lock"),
        (weakref.WeakValueDictionary(), "weakly referenced"),
        (weakref.WeakKeyDictionary(), "weakly referenced"),
        (weakref.WeakSet(), "weakly referenced"),
        (sys._getframe(), "a frame"),
        (object(), r"a bare object\(\)"),
        (contextvars.ContextVar("x"), "a context variable"),
        (contextvars.copy_context(), "a context"),
        ((lambda: 0).__code__, "a code object"),
        (types.CellType(1), "a cell"),
    ]


@pytest.mark.parametrize(("value", "what"), refused_values(), ids=lambda it: type(it).__name__)
def test_objects_without_a_value_are_refused(value: Any, what: str) -> None:
    for inside in (value, [value], {"key": value}):
        with pytest.raises(
            UnhashableArgumentError, match=f"{what}.*cannot be part of a key|{what}"
        ):
            hash_value(inside)


def test_open_files_are_refused() -> None:
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
        (Slotted(threading.Event(), 1), r"value -> \.public: an event"),
        (Slotted(1, threading.Event()), r"value -> \._Slotted__private: an event"),
        (collections.deque([threading.Lock()]), r"value -> \[0\]: a lock"),
        (types.SimpleNamespace(a={"b": threading.Lock()}), r"value -> \.a\['b'\]: a lock"),
        (collections.OrderedDict(a=1, b=[threading.Lock()]), r"value -> \['b'\]\[0\]: a lock"),
        (
            collections.OrderedDict({(threading.Lock(),): 1}),
            r"value -> \(the key <tuple>\)\[0\]: a",
        ),
        (collections.ChainMap({}, {"a": threading.Lock()}), r"value -> \.maps\[1\]\['a'\]: a lock"),
        (slice(threading.Lock(), 1), r"value -> \.start: a lock"),
        ({(threading.Lock(),): 1}, r"value ->  ?\(the key <tuple>\)\[0\]: a lock"),
    ],
    ids=lambda it: it if isinstance(it, str) else type(it).__name__,
)
def test_refusal_message_has_the_path(value: Any, path: str) -> None:
    with pytest.raises(UnhashableArgumentError, match=path) as refused:
        hash_value(value)
    assert len(str(refused.value)) < 400
    assert "ignore=" in str(refused.value)
    assert "funes.register" in str(refused.value)
    assert "__funes_key__" in str(refused.value)


# User-defined classes


def test_classes_of_one_name_with_different_bodies_differ() -> None:
    def make(step: int) -> Any:
        class Counter:
            def __init__(self) -> None:
                self.x = 1

            def next(self) -> int:
                return self.x + step

        return Counter

    assert_all_differ([make(1), make(2), make(1)(), make(2)()])
    assert_all_equal([make(1)(), make(1)()])


def test_dict_and_slots_are_equal() -> None:
    class Dicted:
        pass

    def make(*names: str) -> Any:
        made = Dicted()
        for name in names:
            setattr(made, name, 1)
        return made

    assert_all_equal([make("a", "b"), make("b", "a")])
    assert_all_differ([make("a", "b"), make("a"), make()])


def test_caches_do_not_count() -> None:
    warm, cold = Cached(1), Cached(1)
    assert warm.double == 2
    assert_all_equal([warm, cold])


def test_assigned_cached_property_counts() -> None:
    cold, five, six, stale = Cached(1), Cached(1), Cached(1), Cached(1)
    vars(five)["double"], vars(six)["double"] = 5, 6
    assert stale.double == 2
    stale.x = 3
    assert_all_equal([five, copy.deepcopy(five)])
    assert_all_differ([cold, five, six, stale, Cached(3)])


def test_deleted_cached_property_does_not_count() -> None:
    class Edited:
        @functools.cached_property
        def x(self) -> int:
            return 1

    one, two = Edited(), Edited()
    assert one.x == two.x
    assert_all_equal([one, two, Edited()])
    del Edited.x
    one.x, two.x = 1, 2
    assert_all_differ([one, two, Edited()])


COMPUTED = itertools.count()


def test_a_cached_property_is_computed_once_for_each_state() -> None:
    class Costly:
        def __init__(self, x: int) -> None:
            self.x, self.lock = x, threading.Lock()

        @functools.cached_property
        def square(self) -> int:
            next(COMPUTED)
            return self.x**2

        @functools.cached_property
        def itself(self) -> Any:
            return [self, self.square]

    warm = Costly(2)
    assert warm.square == 4
    assert warm.itself
    assert_all_equal([warm, Costly(2)])
    before = next(COMPUTED)
    assert_all_equal([warm, Costly(2)])
    assert next(COMPUTED) == before + 1


def test_a_callable_object_counts_by_its_own_name() -> None:
    class Metric:
        def __init__(self, name: str, function: Any = None) -> None:
            if function is not None:
                functools.update_wrapper(self, function)
            if name:
                self.__name__ = name

        def __call__(self) -> str:
            return self.__name__

    assert_all_differ([Metric("a"), Metric("b")])
    assert_all_equal([Metric("", scale), Metric("scale", scale)])
    assert_all_differ([Metric("", scale), Metric("other", scale)])


def test_a_lock_in_an_attribute_counts_by_its_type() -> None:
    class Client:
        def __init__(self, url: str, tool: Any) -> None:
            self.url, self.tool = url, tool

    class Derived(dict[str, Any]):
        tool: Any

    class Counting(collections.deque[Any]):
        tool: Any

    def derived(kind: Any, *args: Any) -> Any:
        made = kind(*args)
        made.tool = threading.Lock()
        return made

    makers = [
        threading.Lock,
        threading.RLock,
        threading.Condition,
        multiprocessing.Lock,
        threading.Thread,
        logging.StreamHandler,
        asyncio.Lock,
    ]
    for make in makers:
        assert_all_equal([Client("a", make()), Client("a", make())])
    assert_all_differ([*(Client("a", make()) for make in makers), Client("b", threading.Lock())])
    assert_all_equal([Slotted(1, threading.Lock()), Slotted(1, threading.Lock())])
    for kind in (Derived, Counting):
        assert_all_equal([derived(kind, {"a": 1}), derived(kind, {"a": 1})])
    for make in makers:
        for value in (make(), [make()], Client("a", [make()]), types.SimpleNamespace(a=make())):
            with pytest.raises(UnhashableArgumentError):
                hash_value(value)


@pytest.mark.parametrize(
    "make",
    [
        threading.Event,
        threading.Semaphore,
        lambda: threading.Barrier(2),
        asyncio.Event,
        lambda: asyncio.Semaphore(1),
        multiprocessing.Event,
        multiprocessing.Semaphore,
        queue.Queue,
        queue.PriorityQueue,
        queue.SimpleQueue,
        asyncio.Queue,
        multiprocessing.Queue,
        multiprocessing.SimpleQueue,
        concurrent.futures.Future,
        concurrent.futures.ThreadPoolExecutor,
        multiprocessing.Process,
    ],
)
def test_thread_coordination_is_refused_everywhere(make: Any) -> None:
    class Holder:
        def __init__(self) -> None:
            self.part = make()

    for value in (make(), [make()], Holder()):
        with pytest.raises(UnhashableArgumentError, match="cannot be part of a key"):
            hash_value(value)


def test_handles_to_external_content_are_refused(tmp_path: pathlib.Path) -> None:
    class Own(shelve.Shelf[Any]):
        def __reduce__(self) -> Any:
            return Own, ()

    block = multiprocessing.shared_memory.SharedMemory(create=True, size=8)
    shared = multiprocessing.shared_memory.ShareableList([1])
    ends = multiprocessing.Pipe()
    base = dbm.dumb.open(str(tmp_path / "base"), "c")  # noqa: SIM115  # closed below
    shelf, own = shelve.open(str(tmp_path / "shelf")), Own({})  # noqa: SIM115  # closed below
    try:
        values = [block, shared, *ends, base, shelf, own, multiprocessing.Value("i", 1)]
        for value in [*values, ctypes.CDLL(None) if os.name == "posix" else shelf]:
            with pytest.raises(UnhashableArgumentError, match=r"cannot be part of a key|elsewhere"):
                hash_value([value])
    finally:
        for end in ends:
            end.close()
        base.close()
        shelf.close()
        for memory in (block, shared.shm):
            memory.close()
            memory.unlink()


def test_proxies_of_a_manager_are_refused() -> None:
    # Without a manager process, since the proxy has only an address.
    for kind in (multiprocessing.managers.DictProxy, multiprocessing.managers.ListProxy):
        with pytest.raises(UnhashableArgumentError, match="elsewhere"):
            hash_value([kind.__new__(kind)])
    with pytest.raises(UnhashableArgumentError, match="elsewhere"):
        hash_value(multiprocessing.managers.SyncManager())


class Kept:
    """A descriptor that stores values in a weak dict by object."""

    def __init__(self) -> None:
        self.values: Any = weakref.WeakKeyDictionary()

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else self.values[owner]

    def __set__(self, owner: Any, value: Any) -> None:
        self.values[owner] = value


class Order:
    price = Kept()

    def __init__(self, price: int) -> None:
        self.price = price


class Seen:
    objects: ClassVar[Any] = weakref.WeakSet()

    def is_seen(self) -> bool:
        return self in self.objects


def test_object_with_values_in_a_weak_container_is_refused() -> None:
    for value in (Order(1), [Order, Order(1)], Seen()):
        with pytest.raises(
            UnhashableArgumentError, match="its class may store attributes of it elsewhere"
        ):
            hash_value(value)
    assert_all_differ([Order, Seen])


@pytest.mark.parametrize(
    "make",
    [
        mock.Mock,
        mock.MagicMock,
        mock.NonCallableMock,
        mock.AsyncMock,
        mock.PropertyMock,
        lambda: mock.Mock().method,
        lambda: mock.call(1),
        lambda: mock.Mock().mock_calls,
        lambda: mock.patch("os.path"),
        lambda: mock.create_autospec(Plain),
    ],
)
def test_a_mock_is_refused_by_name(make: Any) -> None:
    made = make()
    children = dict(vars(made).get("_mock_children", {}))
    for value in (made, [made], Plain(1, made), functools.partial(scale, made), closure(made)):
        with pytest.raises(UnhashableArgumentError, match="a mock cannot be part of a key"):
            hash_value(value)
    if isinstance(made, mock.NonCallableMock):
        assert made._mock_children == children


def test_the_causes_of_an_exception_count() -> None:
    def raised(cause: Any = None, context: Any = None) -> Any:
        made = ValueError(1)
        made.__context__ = context
        if cause is not None:
            made.__cause__ = cause
        return made

    hidden = raised(None, KeyError(1))
    hidden.__suppress_context__ = True
    plain = ValueError(1)
    try:
        raise ValueError(1)
    except ValueError as error:
        assert_all_equal([plain, error, raised()])
    assert_all_equal([raised(KeyError(1)), raised(KeyError(1))])
    assert_all_differ(
        [plain, raised(KeyError(1)), raised(KeyError(2)), raised(None, KeyError(1)), hidden]
    )


def test_every_digit_of_a_decimal_counts() -> None:
    texts = [
        "0",
        "-0",
        "0.0",
        "0E+1",
        "1",
        "1.0",
        "1.00",
        "10",
        "1E+1",
        "1E-1",
        "-1",
        "NaN",
        "-NaN",
        "sNaN",
        "NaN1",
        "NaN2",
        "Infinity",
        "-Infinity",
    ]
    values = [decimal.Decimal(text) for text in (*texts, "1" + 40 * "0", "1" + 39 * "0" + "1")]
    assert_all_differ([*values, 0, 1, 0.0, 1.0, "1"])
    with decimal.localcontext() as context:
        context.prec = 3
        assert_all_equal([decimal.Decimal("1.23456"), decimal.Decimal((0, (1, 2, 3, 4, 5, 6), -5))])
    contexts = [
        decimal.Context(prec=3),
        decimal.Context(prec=4),
        decimal.Context(rounding="ROUND_UP"),
    ]
    assert_all_differ(contexts)
    assert_all_equal([contexts[0], decimal.Context(prec=3), copy.copy(contexts[0])])


def test_newline_of_a_text_buffer_counts() -> None:
    assert_all_equal([io.StringIO("a\n"), io.StringIO("a\n", newline="\n")])
    assert_all_differ([io.StringIO("a\n", newline=end) for end in ("\n", "", None, "\r\n")])


def _pair(kind: Any, left: Any, right: Any) -> Any:
    made = kind(left)
    made.right = right
    return made


def test_shared_parts_are_walked_once() -> None:
    class Pair:
        def __init__(self, part: Any) -> None:
            self.left = self.right = part

    class Slots:
        __slots__ = ("left", "right")

        def __init__(self, part: Any) -> None:
            self.left = self.right = part

    class Reduced(Pair):
        def __reduce__(self) -> Any:
            return _pair, (Reduced, self.left, self.right)

    def levels(make: Callable[[Any], Any], count: int) -> Any:
        value: Any = None
        for _ in range(count):
            value = make(value)
        return value

    for make in (Pair, Slots, Reduced, lambda it: [it, it], lambda it: {"a": it, "b": (it,)}):
        assert_all_equal([levels(make, 12), copy.deepcopy(levels(make, 12))])
        assert_all_differ([levels(make, 60), levels(make, 61)])


def test_long_chains_of_code_are_hashed() -> None:
    def chain(last: int, length: int) -> Any:
        made: Any = functools.partial(scale, last)
        for _ in range(length):
            made = functools.partial(scale, made)
        return made

    assert_all_equal([chain(1, 2_000), chain(1, 2_000)])
    assert_all_differ([chain(1, 2_000), chain(2, 2_000), chain(1, 2_001)])


def test_long_rings_are_hashed() -> None:
    class Node:
        before: Any
        after: Any

    def ring(length: int, of: Callable[[int], Any]) -> Any:
        nodes = [Node() for _ in range(length)]
        for place, node in enumerate(nodes):
            node.after, node.before = nodes[(place + 1) % length], nodes[place - 1]
            vars(node)["of"] = of(place)
        return nodes[0]

    assert_all_equal([ring(2_000, lambda place: 0), ring(1, lambda place: 0)])
    assert_all_differ([ring(1_000, lambda place: place), ring(1_001, lambda place: place)])


def chain(length: int, end: Any) -> Any:
    """Makes a cycle of many lists that are equal except for one."""
    first: list[Any] = [end]
    last = first
    for _ in range(length - 1):
        last.append([0])
        last = last[1]
    last.append(first)
    return first


def entangled(kind: str, length: int) -> Any:
    """Makes a cycle of `length` members that differ only in their distance from one of them."""
    if kind == "lists":
        return chain(length, 1)
    if kind == "objects":
        nodes = [types.SimpleNamespace(of=place == 0) for place in range(length)]
        for place, node in enumerate(nodes):
            node.after = nodes[place - 1]
        return nodes[0]
    functions = [lambda: None for _ in range(length)]
    for place, function in enumerate(functions):
        vars(function).update(of=place == 0, after=functions[place - 1])
    return functions[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lists", "objects", "functions"])
def test_rings_that_take_too_long_are_refused(kind: str) -> None:
    assert_all_equal([entangled(kind, 400), entangled(kind, 400)])
    assert_all_differ([entangled(kind, 400), entangled(kind, 401)])
    start = time.monotonic()
    with pytest.raises(UnhashableArgumentError, match="refer to each other"):
        hash_value([entangled(kind, 3_000)])
    assert time.monotonic() - start < 30


@pytest.mark.usefixtures("cache")
def test_call_with_refused_ring_runs_uncached() -> None:
    memo = memorious(lambda ring: ring[0])
    with pytest.warns(CacheWarning, match="refer to each other"):
        assert memo(chain(3_000, 1)) == 1
    assert memo(chain(3_000, 2)) == 2


def test_hashing_does_not_change_values() -> None:
    class Fresh:
        def __init__(self) -> None:
            self.x = [1]

    fresh = Fresh()
    class_before, before = dict(vars(Fresh)), copy.deepcopy(vars(fresh))
    hash_value(fresh)
    assert dict(vars(Fresh)) == class_before
    assert vars(fresh) == before


def test_state_that_getstate_and_reduce_omit_does_not_count() -> None:
    assert_all_equal([WithState(1), WithState(1)])
    assert_all_equal([WithReduce(1), WithReduce(1)])


class Keyed:
    def __init__(self, name: str) -> None:
        self.name, self.lock = name, threading.Lock()

    def __funes_key__(self) -> str:
        return self.name


class KeyedFurther(Keyed):
    pass


def test_funes_key_method() -> None:
    assert_all_equal([Keyed("a"), Keyed("a")])
    assert_all_differ([Keyed("a"), Keyed("b"), KeyedFurther("a"), "a"])


class Registered:
    def __init__(self, name: str) -> None:
        self.name, self.lock = name, threading.Event()


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
    with pytest.raises(TypeError, match="first argument of register must be a type"):
        register("Registered", lambda value: 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="second argument of register must be callable"):
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
def test_hostile_reduce_is_refused(act: Callable[[], Any]) -> None:
    with pytest.raises(UnhashableArgumentError):
        hash_value([Hostile(act)])


def endless() -> Any:
    return Hostile, (Hostile(endless),)


def test_endless_reduce_is_refused() -> None:
    with pytest.raises(UnhashableArgumentError, match="levels deep"):
        hash_value(Hostile(endless))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_keyboard_interrupt_propagates(error: type[BaseException]) -> None:
    def act() -> None:
        raise error

    with pytest.raises(error):
        hash_value([Hostile(act)])


@pytest.mark.parametrize("kind", [list, dict, set])
def test_containers_that_change_while_hashed_are_refused(kind: type) -> None:
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
    """Is equal to everything, has a constant hash, and hides its attributes."""

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


def test_eq_and_hash_are_not_called() -> None:
    assert_all_differ([Liar(1), Liar(2), [Liar(1), Liar(2)], [Liar(2), Liar(1)]])


def test_attributes_count_despite_overridden_access() -> None:
    class Raises:
        def __init__(self, held: int) -> None:
            object.__setattr__(self, "held", held)

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

    class Hides(Raises):
        def __getattribute__(self, name: str) -> Any:
            return {} if name == "__dict__" else object.__getattribute__(self, name)

    class HidesByProperty:
        def __init__(self, held: int) -> None:
            self.held = held

        __dict__ = property(lambda self: {})  # type: ignore[assignment]

    class HidesSlot:
        __slots__ = ("held",)

        def __init__(self, held: int) -> None:
            self.held = held

        def __getattribute__(self, name: str) -> Any:
            return 0

    for kind in (Raises, Hides, HidesByProperty, HidesSlot):
        assert_all_equal([kind(1), kind(1)])
        assert_all_differ([kind(1), kind(2)])


class Silent:
    """Hides its items."""

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0

    def keys(self) -> Any:
        return ()

    items = values = keys


@pytest.mark.parametrize(
    "base",
    [
        dict,
        collections.OrderedDict,
        collections.Counter,
        functools.partial(collections.defaultdict, int),
        list,
        set,
        frozenset,
        collections.deque,
    ],
    ids=str,
)
def test_container_subclass_counts_by_items(base: Any) -> None:
    first = base.args if isinstance(base, functools.partial) else ()
    kind = type("Derived", (Silent, base.func if first else base), {})
    is_mapping = issubclass(kind, dict)
    one, two = ({"a": 1}, {"a": 2}) if is_mapping else (["a"], ["b"])
    assert_all_equal([kind(*first, one), kind(*first, one)])
    assert_all_differ([kind(*first, one), kind(*first, two)])


def test_attributes_that_a_base_class_does_not_pickle_count() -> None:
    class Source(random.Random):
        pass

    class Tag(xml.etree.ElementTree.Element):
        pass

    def made(value: Any, **attributes: Any) -> Any:
        vars(value).update(attributes)
        return value

    for kind in (lambda: Source(1), lambda: Tag("a")):
        assert_all_equal([made(kind(), x=1), made(kind(), x=1)])
        assert_all_differ([kind(), made(kind(), x=1), made(kind(), x=2), made(kind(), y=1)])


# Values captured by a method, a closure or a partial


class Engine:
    """Has an unhashable attribute and one that affects the result."""

    def __init__(self, power: int) -> None:
        self.power, self.ready = power, threading.Event()

    def run(self) -> int:
        return self.power


def with_default(held: Any) -> Callable[[], Any]:
    def function(it: Any = held) -> Any:
        return it

    return function


def with_attribute(held: Any) -> type:
    class Holder:
        part = held

    return Holder


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: Engine(1).run, r"value -> \.__self__\.ready: an event"),
        (lambda: iter([1]).__next__, r"value -> \.__self__: an iterator"),
        (lambda: sys.stdout.write, r"value -> \.__self__: an open file"),
        (lambda: functools.partial(next, iter([1])), r"value -> \.args\[0\]: an iterator"),
        (lambda: functools.partial(scale, x=Engine(1)), r"value -> \.keywords\['x'\]\.ready: an event"),
        (lambda: functools.partial(Engine(1).run), r"value -> \.func\.__self__\.ready: an event"),
        (lambda: closure(Engine(1)), r"value -> \(the captured variable 'captured'\)\.ready: an event"),
        (lambda: closure(threading.Lock()), r"value -> \(the captured variable 'captured'\): a lock"),
        (lambda: closure(sys.stdout), r"value -> \(the captured variable 'captured'\): an open file"),
        (lambda: [closure(closure(iter([1])))], r"value -> \[0\] \(the captured variable 'captured'\)"),
        (lambda: with_default(Engine(1)), r"value -> \(the default of 'it'\)\.ready: an event"),
        (lambda: functools.lru_cache(closure(iter([1]))), "an iterator"),
        (lambda: property(closure(iter([1]))), "an iterator"),
        (lambda: with_attribute(iter([1])), r"value -> \.part: an iterator"),
        (lambda: [with_attribute(Engine(1))()], r"value -> \[0\]\.part\.ready: an event"),
    ],
)  # fmt: skip
def test_captured_values_are_hashed_or_refused(make: Callable[[], Any], path: str) -> None:
    """Many objects share one code; counting captured values by type would make all of them equal."""
    with pytest.raises(UnhashableArgumentError, match=path):
        hash_value(make())


UNHASHABLE = iter([1])
NUMBERS = [1]


def reads_a_global() -> Any:
    return UNHASHABLE, NUMBERS


def test_globals_that_cannot_be_hashed_count_by_their_type() -> None:
    # There is only one such global for all code that reads it.
    assert_all_equal([reads_a_global, reads_a_global])
    assert_all_differ([reads_a_global, lambda: (UNHASHABLE, NUMBERS), lambda: UNHASHABLE])


def test_captured_loggers_are_hashed() -> None:
    assert_all_equal([closure(logging.getLogger("a")), closure(logging.getLogger("a"))])


# Subclasses that hide a part of their content


class Money(decimal.Decimal):
    def __str__(self) -> str:
        return f"{float(self):.2f}"


class ShortPath(pathlib.PurePosixPath):
    def __str__(self) -> str:
        return self.name


class Ageless(dt.datetime):
    @property
    def year(self) -> int:  # type: ignore[override]
        return 1


def test_overridden_methods_of_subclasses_are_not_called() -> None:
    assert_all_differ([Money("1.001"), Money("1.002"), decimal.Decimal("1.001")])
    assert_all_differ([ShortPath("a/c"), ShortPath("b/c")])
    assert_all_differ([Ageless(2020, 1, 1), Ageless(2021, 1, 1)])


# Typing constructs


def test_type_variables_and_new_types_count_by_content() -> None:
    variable = typing.TypeVar
    assert_all_differ(
        [
            variable("T"),
            variable("U"),
            variable("T", bound=int),
            variable("T", bound="Money"),
            variable("T", int, str),
            variable("T", covariant=True),
            typing.ParamSpec("T"),
            typing.NewType("T", int),
            typing.NewType("T", str),
            typing.ForwardRef("T"),
            typing.List[variable("T")],  # type: ignore[misc]  # noqa: UP006
        ]
    )
    assert_all_equal([variable("T", bound=int), variable("T", bound=int)])
    assert_all_equal([typing.NewType("T", int), typing.NewType("T", int)])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs type parameters")
def test_type_parameters_count_by_content() -> None:
    def parameter(text: str) -> Any:
        space: dict[str, Any] = {}
        exec(f"def f[{text}](x): return x", space)
        return space["f"].__type_params__[0]

    texts = ["T", "U", "T: int", "T: str", "T: (int, str)", "*T", "**T", "T: Unknown", "T: Other"]
    if sys.version_info >= (3, 13):
        texts += ["T = int", "T = str", "T: int = int", "*T = *tuple[int]", "T = Unknown"]
    assert_all_differ([parameter(text) for text in texts])
    for text in texts:
        assert hash_value(parameter(text)) == hash_value(parameter(text))


def forward_owner() -> None:
    pass


@pytest.mark.skipif(sys.version_info < (3, 14), reason="forward references have no owner")
def test_forward_references_count_by_the_meaning_of_their_names() -> None:
    annotationlib: Any = importlib.import_module("annotationlib")

    class One:
        A = int

    class Other:
        A = str

    reference = annotationlib.ForwardRef
    assert reference("A", owner=One).evaluate() is not reference("A", owner=Other).evaluate()
    elsewhere = type("One", (), {"A": int, "__module__": "elsewhere"})
    values = [
        reference("A"),
        reference("A", module="m"),
        reference("A", is_class=True),
        *(reference("A", owner=owner) for owner in (One, Other, elsewhere, forward_owner, sys)),
    ]
    assert_all_differ(values)
    assert_all_equal([reference("A", owner=One), reference("A", owner=One)])
    assert hash_value(reference("A")) == hash_value(typing.ForwardRef("A"))


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated at once")
def test_forward_references_of_annotations_count_by_their_scope() -> None:
    annotationlib: Any = importlib.import_module("annotationlib")

    def of(text: str, **names: Any) -> Any:
        space = {**names, "__name__": "somewhere"}
        exec(compile(text, "<annotated>", "exec", dont_inherit=True), space)
        found = annotationlib.get_annotations(space["f"], format=annotationlib.Format.FORWARDREF)
        return found["x"]

    texts = ["def f(x: A): ...", "def f(x: A | None): ...", "def f(x: list[A]): ..."]
    assert_all_differ([of(text) for text in texts])
    for text in texts:
        assert hash_value(of(text)) == hash_value(of(text))
    one, other = (of("def f(x: A | B): ...", B=kind) for kind in (int, str))
    assert hash_value(one) != hash_value(other)
    captured = "def outer(B):\n def f(x: A | B): ...\n return f\nf = outer({})"
    assert hash_value(of(captured.format("int"))) != hash_value(of(captured.format("str")))


@pytest.mark.skipif(sys.version_info < (3, 14), reason="needs template strings")
def test_template_strings_count_by_content() -> None:
    def make(text: str, x: Any = 1) -> Any:
        return eval(text, {"x": x})

    texts = ["t''", "t'a'", "t'{x}'", "t'{x!r}'", "t'{x:>3}'", "t'a{x}'", "t'{x}a'", "t'{x}{x}'"]
    assert_all_differ([*(make(text) for text in texts), make("t'{x}'", 2), make("t'{x}'", "1")])
    assert_all_equal([make("t'a{x}'"), make('t"a{x}"'), make("t'a' t'{x}'")])


@pytest.mark.skipif(sys.version_info < (3, 15), reason="needs frozendict")
def test_frozendict_counts_like_a_dict_of_its_own_type() -> None:
    frozen: Any = eval("frozendict")

    class Own(frozen):  # type: ignore[misc]
        pass

    values = [{"a": 1}, frozen(a=1), frozen(a=2), frozen(a=1, b=2), frozen(), Own(a=1)]
    assert_all_differ([*values, frozen(a=frozen(a=1)), {frozen(a=1): 1}, frozen(a=[1])])
    assert_all_equal([frozen(a=1, b=2), frozen(b=2, a=1)])


@pytest.mark.skipif(sys.version_info < (3, 15), reason="needs the builtin sentinel")
def test_sentinels_count_by_name_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("with_sentinels")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = "ONE = sentinel('ONE'); OTHER = sentinel('OTHER')\nclass A: X = sentinel('A.X')"
    exec(text, vars(module))
    one = hash_value(module.ONE)
    assert_all_differ([module.ONE, module.OTHER, module.A.X])
    exec("ONE = sentinel('ONE', repr='shown')", vars(module))
    assert hash_value(module.ONE) != one
    exec("LOST = sentinel('NAMED')", vars(module))
    with pytest.raises(UnhashableArgumentError, match="no module has the sentinel NAMED"):
        hash_value(module.LOST)


def test_spelling_of_a_union_does_not_count() -> None:
    assert_all_equal([int | None, typing.Optional[int], typing.Union[int, None]])  # noqa: UP007, UP045
    assert_all_differ([int | None, int | str, typing.Optional["Money"]])


# Names, registration


ALONE = """
from funes import hash_value

class Alone:
    def __reduce__(self):
        return "ALONE"

ALONE = Alone()
print(hash_value(ALONE))
"""


def test_object_that_pickles_as_a_name_is_equal_imported_and_run(
    tmp_path: pathlib.Path, run_python: Callable[..., str]
) -> None:
    run = run_python(ALONE)
    (tmp_path / "alone.py").write_text(ALONE, encoding="utf-8")
    assert run_python("import alone", PYTHONPATH=str(tmp_path)) == run


def same_name() -> type:
    class Registered:
        def __init__(self, name: str) -> None:
            self.name = name

        def more(self) -> None: ...

    Registered.__qualname__ = "Registered"
    return Registered


def test_registered_classes_of_one_name_differ() -> None:
    other = same_name()
    register(Registered, lambda value: value.name)
    register(other, lambda value: value.name)
    assert_all_differ([Registered("a"), other("a")])


@pytest.mark.parametrize("kind", [int, str, list, dict, type(None), type, types.FunctionType])
def test_types_with_fixed_hash_cannot_be_registered(kind: type) -> None:
    with pytest.raises(TypeError, match=rf"cannot change how {kind.__qualname__} is hashed"):
        register(kind, str)


def test_registered_reducers_of_exceptions_are_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = ValueError("mine", 1)
    before = hash_value(error)
    monkeypatch.setitem(copyreg.dispatch_table, ValueError, lambda error: (str, (repr(error),)))
    forget_strategies()
    try:
        assert hash_value(error) == before
    finally:
        forget_strategies()


class ListThatHides(list):  # type: ignore[type-arg]
    def __reduce__(self) -> Any:
        return ListThatHides, ()


class DictThatHides(dict):  # type: ignore[type-arg]
    def __reduce_ex__(self, protocol: Any) -> Any:
        return DictThatHides, ()


def test_containers_count_by_items_despite_reduction() -> None:
    lists = [ListThatHides(items) for items in ([], [1], [1, 2], [[1], 2])]
    dicts = [DictThatHides(items) for items in ({}, {"a": 1}, {"a": 2}, {"b": [1]})]
    assert_all_differ(lists)
    assert_all_differ(dicts)
    assert hash_value(ListThatHides([1])) == hash_value(ListThatHides([1]))
    assert hash_value(DictThatHides(a=1, b=2)) == hash_value(DictThatHides(b=2, a=1))


def test_safety_of_a_uuid_counts() -> None:
    ids = [uuid.UUID(int=1, is_safe=each) for each in uuid.SafeUUID]
    assert_all_differ(ids)
    assert_all_equal([uuid.UUID(int=1), uuid.UUID(int=1, is_safe=uuid.SafeUUID.unknown)])
    assert_all_equal([ids[0], pickle.loads(pickle.dumps(ids[0]))])


def hook(value: Any) -> Any:
    return value


def compare(one: int, other: int) -> int:
    return other - one


def test_formats_and_hooks_in_objects_written_in_c_count() -> None:
    def differ_and_agree(make: Callable[..., Any], *options: dict[str, Any]) -> None:
        assert_all_differ([make(**each) for each in options])
        for each in options:
            assert_all_equal([make(**each), make(**each)])

    differ_and_agree(struct.Struct, {"format": "<i"}, {"format": ">i"}, {"format": "<q"})
    differ_and_agree(json.JSONDecoder, {}, {"object_hook": hook}, {"object_hook": dict}, {"strict": False},
                     {"parse_float": str}, {"object_pairs_hook": hook})  # fmt: skip
    keys = [{"mycmp": each} for each in (compare, hook)]
    differ_and_agree(functools.cmp_to_key, *keys)
    assert_all_differ([functools.cmp_to_key(compare)(each) for each in (1, 2)])
    decoder = json.JSONDecoder()
    before = hash_value(decoder)
    assert decoder.decode('{"a": 1}') == {"a": 1}
    assert hash_value(decoder) == before
