"""Results that pickle makes another value of are not stored."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import functools
import pickle
import warnings
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pytest
import sympy
from scipy import optimize, stats

from funes import CacheWarning, hash_value, memorious
from funes._call import round_trip
from funes._entries import writer

pytestmark = pytest.mark.usefixtures("cache", "without_reducers_of_tblib")


class PrefixedError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(f"failed: {text}")


class TwoArgumentsError(Exception):
    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name}: {code}")


class Array(np.ndarray):
    unit: str


class Moment(dt.datetime):
    unit: str


class Omitting:
    def __init__(self, a: int, b: int = 0) -> None:
        self.a, self.b = a, b

    def __reduce__(self) -> Any:
        return Omitting, (self.a,)


class OmittingState:
    def __init__(self) -> None:
        self.a, self.b = 1, [2]

    def __getstate__(self) -> Any:
        return {"a": self.a}


class Replaced:
    """Pickles as an object of another type."""

    def __reduce__(self) -> Any:
        return dict, ([("a", 1)],)


class Rounding:
    """Calls its constructor again, which changes its argument again."""

    def __init__(self, number: float) -> None:
        self.number = number / 2

    def __getstate__(self) -> Any:
        return self.number

    def __setstate__(self, state: float) -> None:
        self.number = state / 2


class Appending(list[int]):
    def append(self, element: int) -> None:
        super().append(element + 1)

    def extend(self, elements: Any) -> None:
        super().extend(element + 1 for element in elements)


def with_attribute(value: Any) -> Any:
    value.unit = "m"
    return value


def caught(raise_it: Callable[[], object]) -> BaseException:
    try:
        raise_it()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def with_code(error: SystemExit) -> SystemExit:
    error.code = 2
    return error


def raise_with_cause() -> None:
    try:
        raise KeyError(1)
    except KeyError as error:
        raise ValueError("x") from error


def suppressing(error: BaseException) -> BaseException:
    error.__suppress_context__ = True
    return error


X = sympy.Symbol("x")


class Weak(NamedTuple):
    referent: Any


REFERENT = OmittingState()

#: What a function returns -> the part that the warning names.
LOST: dict[str, tuple[Callable[[], Any], str]] = {
    "an exception": (lambda: PrefixedError("x"), "result.args[0]"),
    "an exception in a list": (lambda: [1, PrefixedError("x")], "result[1].args[0]"),
    "an exception with two arguments": (lambda: {"a": TwoArgumentsError("x", 1)}, "cannot load it"),
    "a cause": (lambda: caught(raise_with_cause), "result.__cause__"),
    "a suppressed context": (lambda: suppressing(KeyError(1)), "result.__suppress_context__"),
    "a domain": (lambda: sympy.Poly(X, domain="QQ"), "result"),
    "a modulus": (lambda: {"a": sympy.Poly(X, modulus=5)}, "result['a']"),
    "a sum that is not evaluated": (lambda: sympy.Add(X, X, evaluate=False), "result"),
    "a power that is not evaluated": (lambda: [sympy.Pow(2, 3, evaluate=False)], "result[0]"),
    "an equation": (lambda: (X, sympy.Eq(X, X, evaluate=False)), "result[1]"),
    "a wildcard": (lambda: sympy.Wild("w", exclude=[X]), "result"),
    "a wildcard in a sum": (lambda: X + sympy.Wild("w", exclude=[X]), "result"),
    "a distribution": (lambda: stats.Normal(mu=1.0), "result"),
    "a random state": (lambda: [stats.multivariate_normal([0, 0])], "_random_state"),
    "another random state": (lambda: stats.dirichlet([1, 2]), "_random_state"),
    "a field": (lambda: with_code(SystemExit(1)), "result.code"),
    "an array": (lambda: with_attribute(np.zeros(3).view(Array)), "result.unit"),
    "an array in a dict": (lambda: {"a": with_attribute(np.zeros(3).view(Array))}, "['a'].unit"),
    "a time": (lambda: with_attribute(Moment(2020, 1, 1)), "result.unit"),
    # pandas 2 loses an attribute of its own, too.
    "a frame": (lambda: (1, with_attribute(pd.DataFrame({"a": [1]}))), "result[1]."),
    "a counter": (lambda: with_attribute(collections.Counter("a")), "result.unit"),
    "an argument left out": (lambda: [Omitting(1, 2)], "Omitting.b"),
    "an attribute left out": (OmittingState, "OmittingState.b"),
    "a key left out": (lambda: {Omitting(1, 2): 1}, "Omitting.b"),
    "elements of a set": (lambda: {Omitting(1, 2), Omitting(3, 4)}, "Omitting.b"),
    "elements of a deque": (lambda: collections.deque([Omitting(1, 2)]), "Omitting.b"),
    "arguments of a partial": (lambda: functools.partial(print, Omitting(1, 2)), "Omitting.b"),
    "elements of a series": (lambda: pd.Series([Omitting(1, 2)]), "Omitting.b"),
    "a column": (lambda: [pd.DataFrame({"a": [PrefixedError("x")]})], "result[0]"),
    "an array of objects": (lambda: np.array([PrefixedError("x"), 1], object), "result"),
    "another type": (lambda: [Replaced()], "result[0]"),
    "a constructor": (lambda: Rounding(1.0), "result.number"),
    "elements": (lambda: Appending([1]), "result"),
    "weak references": (weakref.WeakSet, "a weak reference"),
    "a weak reference": (lambda: [weakref.ref(REFERENT)], "a weak reference"),
    "a weak reference in a tuple": (lambda: Weak(weakref.ref(REFERENT)), "a weak reference"),
    "a proxy": (lambda: {"a": weakref.proxy(REFERENT)}, "a weak reference"),
}


@pytest.mark.parametrize("name", LOST)
def test_result_that_pickle_changes_is_not_stored(name: str) -> None:
    make, place = LOST[name]

    @memorious
    def f(x: int) -> Any:
        return make()

    with pytest.warns(CacheWarning, match="the result was not stored") as warned:
        first = f(1)
    assert place in str(warned[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one warning, not one for each call
        second = f(1)
    assert type(first) is type(second) is type(make())
    assert not f.is_cached(1)


@dataclasses.dataclass
class Row:
    a: int
    b: str = "x"


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    a: int


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a = 1


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    a: int
    b: Any


class Caching:
    """Leaves out what it computes on demand."""

    def __init__(self) -> None:
        self.a = 1
        self._cache = {1: 2}

    def __getstate__(self) -> Any:
        return {"a": self.a, "_cache": {}}


class Holding:
    """Leaves out what cannot be stored, and makes it again."""

    def __init__(self) -> None:
        self.handle = open(__file__, encoding="utf-8")  # noqa: SIM115
        self.handle.close()

    def __getstate__(self) -> Any:
        return {}


def masked(mask: Any, **options: Any) -> Any:
    return np.ma.MaskedArray([1.0, 2.0, 3.0], mask=mask, **options)


KEPT: dict[str, Callable[[], Any]] = {
    "an exception": lambda: ValueError("x"),
    "an exception of the system": lambda: OSError(2, "x", "y"),
    "an exception with attributes": lambda: with_attribute(KeyError("x")),
    "an array": lambda: np.zeros(3).view(Array),
    "a polynomial": lambda: sympy.Poly(X**2 + 1),
    "an expression": lambda: sympy.expand((X + 1) ** 5),
    "a matrix of expressions": lambda: sympy.Matrix([[X, 1]]),
    "results of an optimizer": lambda: [optimize.OptimizeResult(x=np.zeros(3)) for _ in range(2)],
    "a kernel density": lambda: stats.gaussian_kde([1.0, 2.0, 5.0]),
    "an error of a library": lambda: msgspec.ValidationError("x"),
    "no mask": lambda: masked(np.ma.nomask),
    "a hard mask": lambda: masked([0, 1, 0], hard_mask=True),
    "a fill value without a mask": lambda: masked(np.ma.nomask, fill_value=7.0),
    "a row": lambda: Row(1),
    "a frozen row": lambda: [Frozen(1)],
    "slots": Slotted,
    "a member": lambda: Colour.RED,
    "a pair": lambda: Pair(1, Row(2)),
    "a cache": Caching,
    "a handle": Holding,
    "a frame": lambda: pd.DataFrame({"a": [1]}),
    "an ordered dict": lambda: with_attribute(collections.OrderedDict(a=1)),
    "types": lambda: [int, ValueError, Row],
    "a complex number": lambda: [1j, range(3), slice(1), {1}, frozenset([1]), bytearray(b"a")],
    "a local function": lambda: lambda: 1,
}


@pytest.mark.parametrize("name", KEPT)
def test_result_that_pickle_keeps_is_stored(name: str) -> None:
    make = KEPT[name]

    @memorious(memory=0)
    def f(x: int) -> Any:
        return make()

    f(1)
    assert f.is_cached(1)
    assert type(f(1)) is type(make())


MASKS: list[Callable[[], Any]] = [
    lambda: masked(np.ma.nomask),
    lambda: masked([0, 0, 0]),
    lambda: masked([0, 1, 0], hard_mask=True),
    lambda: masked(np.ma.nomask, hard_mask=True, fill_value=7.0),
    lambda: np.ma.array([(1, 2)], mask=[(0, 1)], dtype="i4,i4"),
    lambda: np.ma.array(np.zeros((300, 300)), mask=np.eye(300), hard_mask=True),
    lambda: np.ma.array(np.zeros(3).view(np.recarray), mask=[0, 1, 0]),
]


@pytest.mark.parametrize("number", range(len(MASKS)))
@pytest.mark.parametrize("memory", [0, None])
def test_masked_arrays_keep_their_kind_of_mask(number: int, memory: int | None) -> None:
    options: dict[str, Any] = {} if memory is None else {"memory": memory}

    @memorious(**options)
    def f(x: int) -> Any:
        return [MASKS[x](), "text"]

    first, again = f(number)[0], f(number)[0]
    assert f.is_cached(number)
    for one in (first, again):
        made = MASKS[number]()
        assert hash_value(one) == hash_value(made)
        assert (np.ma.getmask(one) is np.ma.nomask) is (np.ma.getmask(made) is np.ma.nomask)
        assert one.hardmask is made.hardmask
        assert one.flags.writeable
        assert (one._fill_value is None) is (made._fill_value is None)
        assert type(one.data) is type(made.data)
        one[...] = 9 if made.dtype.names is None else (9, 9)
        assert one.data.tobytes() != made.data.tobytes()
    # The file is read without funes.
    path = f.key(number).path
    with open(path, "rb") as file:
        portable = pickle.load(file)["output"][0]
    assert hash_value(portable) == hash_value(MASKS[number]())


UNKNOWN = ("a matrix of expressions", "results of an optimizer")


@pytest.mark.parametrize("name", UNKNOWN)
def test_objects_of_libraries_are_compared_by_their_pickle(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = KEPT[name]()
    pickled = writer.dump_entry({}, output, 1.0)
    monkeypatch.setattr(round_trip, "_difference", lambda _, **__: "compared")
    assert round_trip.loss(output, pickled) == ""
    monkeypatch.setattr(round_trip, "_is_pickled_again", lambda _: False)
    assert round_trip.loss(output, pickled) == "compared"
    for known in (pd.DataFrame({"a": [1]}), np.zeros(3), dt.datetime(2020, 1, 1)):
        assert round_trip.loss([known], writer.dump_entry({}, [known], 1.0)) == ""


LOSSLESS = ("a row", "a frozen row", "slots", "a member", "a pair", "types", "a complex number")


@pytest.mark.parametrize("name", [name for name in LOSSLESS if name != "types"])
def test_classes_that_lose_nothing_are_not_compared(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trip, "_difference", lambda _, **__: "compared")
    output = [KEPT[name]() for _ in range(3)]
    assert round_trip.loss(output, writer.dump_entry({}, output, 1.0)) == ""
    changed = [*output, Omitting(1)]
    assert round_trip.loss(changed, writer.dump_entry({}, changed, 1.0)) == "compared"


def test_a_class_that_changes_is_judged_again() -> None:
    class_ = Row
    output = class_(1)
    assert round_trip.loss(output, writer.dump_entry({}, output, 1.0)) == ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Row, "__reduce__", lambda self: (Row, (self.a + 1,)), raising=False)
        assert "result.a" in round_trip.loss(output, writer.dump_entry({}, output, 1.0))


def test_classes_of_a_script_are_compared(run_python: Callable[..., str]) -> None:
    script = """
import dataclasses, warnings
from funes import memorious

class Failed(Exception):
    def __init__(self, text):
        super().__init__("failed: " + text)

@dataclasses.dataclass
class Row:
    a: int

@memorious
def f(x):
    return [Row(1), Failed("x")] if x else [Row(2)]

with warnings.catch_warnings(record=True) as warned:
    f(0), f(1), f(1)
print(f.is_cached(0), f.is_cached(1), len(warned), str(warned[0].message).rpartition(" ")[2])
"""
    assert run_python(script).split() == ["True", "False", "1", "result[1].args[0]"]


def test_copies_of_exceptions_have_the_hash() -> None:
    for make in KEPT.values():
        value = make()
        if isinstance(value, BaseException):
            assert hash_value(pickle.loads(pickle.dumps(value))) == hash_value(value)
