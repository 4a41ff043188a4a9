"""Objects whose class keeps values of them in a table by their identity."""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from funes import CacheWarning, hash_value, memorious
from funes.errors import UnhashableArgumentError

PRICES: dict[Any, int] = {}
RUNNING: set[int] = set()


class InClass:
    prices: ClassVar[dict[int, int]] = {}

    def __init__(self, price: int) -> None:
        self.prices[id(self)] = price

    @property
    def price(self) -> int:
        return InClass.prices[id(self)]


class InModule:
    def __init__(self, price: int) -> None:
        PRICES[self] = price

    @property
    def price(self) -> int:
        return PRICES[self]


class InPairs:
    def __init__(self, price: int) -> None:
        PRICES[id(self), "price"] = price

    @property
    def price(self) -> int:
        return PRICES.get((id(self), "price"), 0)


class Attribute:
    def __init__(self) -> None:
        self.values: dict[int, int] = {}

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else self.values[id(owner)]

    def __set__(self, owner: Any, value: int) -> None:
        self.values[id(owner)] = value


class WithDescriptor:
    price = Attribute()

    def __init__(self, price: int) -> None:
        self.price = price


KINDS: list[Callable[[int], Any]] = [InClass, InModule, InPairs, WithDescriptor]


@pytest.mark.parametrize("kind", KINDS)
def test_object_whose_values_are_elsewhere_is_refused(kind: Any, cache: Any) -> None:
    @memorious
    def price(thing: Any) -> Any:
        return thing.price

    first, second = kind(1), kind(2)
    with pytest.warns(CacheWarning, match="by their identity") as warned:
        assert [price(first), price(second), price(first)] == [1, 2, 1]
    assert len(warned) == 1
    for value in (first, [first], {"a": (1, first)}):
        with pytest.raises(UnhashableArgumentError, match="elsewhere"):
            hash_value(value)


LABELS: dict[Any, int] = {}


class Colour(enum.Enum):
    RED = 1

    @property
    def label(self) -> int:
        return LABELS[self]


@dataclass(frozen=True)
class Row:
    number: int

    @property
    def label(self) -> int:
        return LABELS[self]


class Single(type):
    objects: ClassVar[dict[Any, Any]] = {}

    def __call__(cls, *args: Any) -> Any:
        return cls.objects.setdefault(cls, type.__call__(cls, *args))


class OfSingle(metaclass=Single):
    pass


class Named:
    registered: ClassVar[dict[Any, Any]] = {}

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def register(cls) -> None:
        cls.registered[cls] = cls

    def look_up(self, other: Any) -> Any:
        return LABELS[self.name], LABELS[other]


class Copied:
    def __init__(self) -> None:
        self.parts = [1]

    def __deepcopy__(self, memo: dict[int, Any]) -> Copied:
        made = memo[id(self)] = Copied()
        made.parts = copy.deepcopy(self.parts, memo)
        return made

    def __repr__(self) -> str:
        return "..." if id(self) in RUNNING else f"Copied({self.parts!r})"


@pytest.mark.parametrize(
    "make", [lambda: Colour.RED, lambda: Row(1), OfSingle, lambda: Named("a"), Copied]
)
def test_object_whose_value_is_the_key_is_hashed(make: Any) -> None:
    assert hash_value(make()) == hash_value(make())
