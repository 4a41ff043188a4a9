"""Memorious methods in all kinds of classes, and functions with unusual names: all behave as undecorated."""

from __future__ import annotations

import abc
import copy
import dataclasses
import enum
import functools
import inspect
import pickle
import pydoc
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import pytest

from funes import CacheWarning, memorious

pytestmark = pytest.mark.usefixtures("cache")


class Slots:
    __slots__ = ("weight",)

    def __init__(self, weight: int) -> None:
        self.weight = weight

    @memorious
    def scale(self, x: int) -> int:
        return self.weight * x


class Colour(enum.Enum):
    RED = 2
    BLUE = 3

    @memorious
    def scale(self, x: int) -> int:
        return self.value * x


@dataclasses.dataclass
class Record:
    weight: int

    @memorious
    def scale(self, x: int) -> int:
        return self.weight * x


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    weight: int

    @memorious
    def scale(self, x: int) -> int:
        return self.weight * x


class Row(NamedTuple):
    weight: int

    @memorious
    def scale(self, x: int) -> int:
        return self.weight * x


class Scales(Protocol):
    weight: int

    @memorious
    def scale(self, x: int) -> int:
        return self.weight * x


class Declared(Scales):
    def __init__(self, weight: int) -> None:
        self.weight = weight


class Meta(type):
    @memorious
    def scale(cls, x: int) -> int:
        return int(vars(cls)["weight"]) * x


def of_meta(weight: int) -> Any:
    return Meta(f"Weight{weight}", (), {"weight": weight})


@pytest.mark.parametrize("make", [Slots, Colour, Record, Frozen, Row, Declared, of_meta])
def test_methods_work_in_all_kinds_of_classes(make: Callable[[int], Any]) -> None:
    for _ in range(2):
        assert (make(2).scale(5), make(3).scale(5), make(2).scale(x=7)) == (10, 15, 14)
    assert make(2).scale.is_cached(5)
    assert not make(2).scale.is_cached(6)


def test_method_is_not_an_enum_member_or_dataclass_field() -> None:
    assert list(Colour) == [Colour.RED, Colour.BLUE]
    assert Row._fields == ("weight",)
    assert [field.name for field in dataclasses.fields(Record)] == ["weight"]


def test_changed_instance_changes_the_key() -> None:
    record = Record(2)
    assert record.scale(5) == 10
    record.weight = 3
    assert record.scale(5) == 15


class Abstract(abc.ABC):
    @memorious
    @abc.abstractmethod
    def inner(self) -> int:
        return 1

    @abc.abstractmethod
    @memorious
    def outer(self) -> int:
        return 2

    @memorious
    @property
    @abc.abstractmethod
    def value(self) -> int: ...

    @memorious
    @classmethod
    @abc.abstractmethod
    def make(cls) -> int: ...


class Concrete(Abstract):
    value = 3  # type: ignore[assignment]

    @memorious
    def inner(self) -> int:
        return super().inner() + 10

    def outer(self) -> int:
        return super().outer() + 10

    @memorious
    @classmethod
    def make(cls) -> int:
        return 4


class Further(Concrete):
    @memorious
    def inner(self) -> int:
        return super().inner() + 100


def test_abstract_methods_stay_abstract_and_super_finds_the_base() -> None:
    assert Abstract.__abstractmethods__ == {"inner", "outer", "value", "make"}
    with pytest.raises(TypeError, match="abstract"):
        Abstract()  # type: ignore[abstract]
    for _ in range(2):
        assert (Concrete().inner(), Concrete().outer(), Concrete.make()) == (11, 12, 4)
        assert Further().inner() == 111


class Special:
    """A class with special methods that the interpreter calls."""

    @memorious
    def __call__(self, x: int) -> int:
        return x + 1

    @memorious
    def __getitem__(self, x: int) -> int:
        return x + 2

    @memorious
    def __len__(self) -> int:
        return 3

    @memorious
    def scale(self, x: int) -> int:
        """Scales."""
        return x + 4

    @memorious
    @classmethod
    def make(cls, x: int) -> int:
        """Makes."""
        return x + 5

    plus_ten = functools.partialmethod(scale, 10)

    @memorious
    def __private(self, x: int) -> int:
        return x + 6

    def private(self) -> Any:
        return self.__private

    @functools.cached_property
    @memorious
    def cached(self) -> int:
        return 7


class SpecialToo(Special):
    @memorious
    def scale(self, x: int) -> int:
        return -1

    def of_base(self) -> Any:
        return super().scale


def test_special_methods_work() -> None:
    special = Special()
    for _ in range(2):
        assert (special(1), special[1], len(special), special.plus_ten()) == (2, 3, 3, 14)
        assert special.cached == 7


def test_bound_method_has_the_metadata_of_a_method() -> None:
    for bound, text in (
        (Special().scale, "Scales."),
        (Special.make, "Makes."),
        (Special().make, "Makes."),
    ):
        assert bound.__doc__ == text
        assert list(inspect.signature(bound).parameters) == ["x"]
        # From Python 3.13 on, a partial of any kind is documented as a value, with its docstring.
        assert text in pydoc.plain(pydoc.render_doc(bound))
    shown = pydoc.plain(pydoc.render_doc(Special))
    # From Python 3.15 on, annotations that are strings are shown without quotes.
    assert "scale(self, x: int) -> int\n |      Scales." in shown.replace("'", "")
    assert "Makes." in shown


def test_a_bound_method_can_be_copied_and_stored_in_a_class() -> None:
    record = Record(2)
    for copied in (copy.copy(record.scale), pickle.loads(pickle.dumps(record.scale))):
        assert copied(5) == 10
    deep = copy.deepcopy(record.scale)
    record.weight = 3
    assert (deep(5), record.scale(5)) == (10, 15)

    class Holder:
        scale = record.scale

    assert Holder().scale(5) == 15


def test_bound_method_not_found_under_its_name_can_be_pickled() -> None:
    for bound, result in ((Special().private(), 7), (SpecialToo().of_base(), 5)):
        assert pickle.loads(pickle.dumps(bound))(1) == copy.deepcopy(bound)(1) == bound(1) == result


# Names


def test_parameters_may_have_any_name() -> None:
    @memorious
    def f(self: int, args: int, memo: int, function: int = 4, key: int = 5) -> Any:
        return self, args, memo, function, key

    @memorious
    def g(**kwargs: int) -> Any:
        return kwargs

    named = {"self": 1, "args": 2, "memo": 3}
    assert f(1, 2, 3) == f(**named) == (1, 2, 3, 4, 5)
    assert f.key(1, 2, 3) == f.key(**named)
    assert f.is_cached(**named)
    assert f.explain(**named).is_hit
    assert f.forget(**named)
    names = {**named, "kwargs": 4, "call": 5, "function": 6}
    assert g(**names) == names
    assert g.is_cached(**names)


def test_a_method_may_have_a_parameter_that_is_called_self() -> None:
    class Odd:
        @memorious
        def f(me, self: int = 1) -> int:  # noqa: N805
            return self

    assert Odd().f(self=3) == 3
    assert Odd().f.is_cached(self=3)
    assert Odd().f.explain(self=3).is_hit
    assert Odd().f.key(self=3) == Odd().f.key(3)
    assert Odd().f.forget(self=3)


def test_declared_global_seed_parameters() -> None:
    @memorious
    def first(global_seed: int, /, **more: int) -> Any:
        return global_seed, more

    @memorious
    def rest(*global_seed: int) -> Any:
        return global_seed

    for _ in range(2):
        assert first(1, global_seed=2) == (1, {"global_seed": 2})
        assert rest(1, 2) == rest(1, 2, global_seed=3) == (1, 2)
    assert rest.key(1, 2) != rest.key(1, 2, global_seed=3)


def test_function_attributes_do_not_hide_memo_attributes() -> None:
    def f(x: int) -> int:
        return x

    for name in ("key", "is_cached", "forget", "cache_path", "definition", "__get__", "__reduce__"):
        setattr(f, name, "mine")
    for name in (
        "_core",
        "_store",
        "_degrade",
        "_options",
        "_root",
        "_warned",
        "_open",
        "__wrapped__",
    ):
        setattr(f, name, "mine")
    f.flavour = "salt"  # type: ignore[attr-defined]
    memo = memorious(f)
    assert [memo(1), memo(1)] == [1, 1]
    assert memo.is_cached(1)
    assert memo.key(1).path.parent == memo.cache_path
    assert memo.__wrapped__ is f
    assert memo.flavour == "salt"


def test_three_hundred_parameters() -> None:
    names = [f"p{number}" for number in range(300)]
    space: dict[str, Any] = {}
    exec(
        f"def f({'=0, '.join(names)}=0): return p0 + p299\ndef g(*, {', '.join(names)}): return p299",
        space,
    )
    f, g = memorious(space["f"]), memorious(space["g"])
    for _ in range(2):
        assert (f(), f(p299=5), f(*range(300))) == (0, 5, 299)
        assert g(**{name: int(name[1:]) for name in reversed(names)}) == 299
    assert f.key(*[0] * 300) == f.key()


# Functions made in loops, changed arguments, first calls


def test_functions_made_in_a_loop_have_different_definitions() -> None:
    functions = []
    for number in range(4):

        @memorious
        def add(x: int, number: int = number) -> int:
            return x + number

        functions.append(add)
    for _ in range(2):
        assert [function(1) for function in functions] == [1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_mutated_default_is_part_of_the_key() -> None:
    @memorious
    def grow(numbers: list[int] = []) -> list[int]:  # noqa: B006
        numbers.append(len(numbers))
        return list(numbers)

    with (
        pytest.warns(CacheWarning, match="grow: it changes 'numbers' while it runs"),
        pytest.warns(CacheWarning, match="not stored: the call changed its argument 'numbers'"),
    ):
        assert [grow(), grow()] == [[0], [0, 1]]
    assert grow([]) == [0]


def test_copies_and_weak_references_are_the_function_itself() -> None:
    @memorious
    def f(x: int) -> int:
        return x

    assert copy.copy(f) is copy.deepcopy(f) is f
    reference = weakref.ref(f)
    assert reference() is f


def test_concurrent_first_calls_in_threads(capsys: pytest.CaptureFixture[str]) -> None:
    @memorious
    def f(x: int) -> int:
        print("computing")
        return x

    start, results = threading.Barrier(8), []

    def work() -> None:
        start.wait()
        results.append(f(1))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 8
    assert capsys.readouterr().out == "computing\n"
