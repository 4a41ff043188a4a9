"""pydantic and attrs: instances count by class and fields, not by cached values."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import pydantic
import pytest

from funes import UnhashableArgumentError, hash_value
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere


class Layer(pydantic.BaseModel):
    width: int
    activation: str = "relu"


class Net(pydantic.BaseModel):
    layers: list[Layer]
    rates: dict[str, float] = pydantic.Field(default_factory=dict)

    @functools.cached_property
    def width(self) -> int:
        return sum(layer.width for layer in self.layers)


class Frozen(pydantic.BaseModel, frozen=True):
    width: int
    activation: str = "relu"


class Open(pydantic.BaseModel, extra="allow"):
    width: int
    _secret: int = pydantic.PrivateAttr(default=0)


class Same(pydantic.BaseModel):
    width: int
    activation: str = "relu"


class Numbers(pydantic.RootModel[list[int]]):
    pass


@pydantic.dataclasses.dataclass
class Point:
    x: int
    y: int = 0


def test_models_count_by_class_and_fields() -> None:
    net = Net(
        layers=[Layer(width=1), Layer(width=2, activation="tanh")], rates={"a": 0.1, "b": 0.2}
    )
    assert_all_equal(
        [
            net,
            net.model_copy(deep=True),
            copy.deepcopy(net),
            pickle.loads(pickle.dumps(net)),
            Net.model_validate_json(net.model_dump_json(exclude_unset=True)),
            Net(rates={"b": 0.2, "a": 0.1}, layers=net.layers),
        ]
    )
    assert_all_differ(
        [
            net,
            Net(layers=net.layers),
            Net(layers=net.layers[::-1], rates=net.rates),
            Layer(width=1),
            Layer(width=2),
            Same(width=1),
            Frozen(width=1),
            Open(width=1),
            Open(width=1, depth=2),
            Open(width=1, depth=3),
            Numbers([1, 2]),
            Numbers([2, 1]),
            Point(1),
            Point(1, 2),
            net.model_dump(),
        ]
    )


def test_set_fields_count() -> None:
    # `model_dump(exclude_unset=True)` differs between the two.
    assert_all_differ([Layer(width=1), Layer(width=1, activation="relu")])


def test_private_attributes_count() -> None:
    one, two = Open(width=1), Open(width=1)
    two._secret = 1
    assert_all_differ([one, two])


def test_cached_values_of_models_do_not_count() -> None:
    net = Net(layers=[Layer(width=1)])
    before = hash_value(net)
    assert net.width == 1
    assert hash_value(net) == before


def test_a_field_that_cannot_be_hashed_is_named() -> None:
    with pytest.raises(UnhashableArgumentError, match=r"\['rates'\]\['a'\]|\.rates\['a'\]"):
        hash_value(Net.model_construct(layers=[], rates={"a": iter([])}))


@attrs.define
class Plain:
    x: int
    y: list[int] = attrs.field(factory=list)


@attrs.frozen(cache_hash=True)
class Hashed:
    x: int
    y: str = "a"


@attrs.define(slots=False)
class Loose:
    x: int
    y: list[int] = attrs.field(factory=list)

    @functools.cached_property
    def double(self) -> int:
        return 2 * self.x


@attrs.define
class Slotted:
    x: int

    @functools.cached_property
    def double(self) -> int:
        return 2 * self.x


@attrs.define
class Derived(Plain):
    z: float = attrs.field(default=1.0, converter=float, validator=attrs.validators.ge(0))


def test_attrs_count_by_class_and_fields() -> None:
    value = Plain(1, [2])
    assert_all_equal([value, Plain(1, [2]), attrs.evolve(value), pickle.loads(pickle.dumps(value))])
    assert_all_differ(
        [
            value,
            Plain(1),
            Plain(2, [2]),
            Loose(1, [2]),
            Hashed(1),
            Hashed(2),
            Derived(1, [2]),
            Derived(1, [2], 3),
            Slotted(1),
        ]
    )
    assert_all_equal([Derived(1, [2], 1), Derived(1, [2], "1"), copy.deepcopy(Derived(1, [2]))])


def test_cached_values_of_attrs_do_not_count() -> None:
    for make in (lambda: Hashed(1), lambda: Loose(1), lambda: Slotted(1)):
        used = make()
        before = hash_value(used)
        getattr(used, "double", None)
        if type(used).__hash__ is not None:
            hash(used)
        assert hash_value(used) == before
        assert_all_equal([used, make(), pickle.loads(pickle.dumps(used))])


def test_a_change_changes_the_hash() -> None:
    values: list[Any] = [Plain(1, [2]), Loose(1, [2]), Net(layers=[Layer(width=1)])]
    for value in values:
        before = hash_value(value)
        getattr(value, "y", getattr(value, "layers", None)).append(3)
        assert hash_value(value) != before


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import attrs, pydantic

class Model(pydantic.BaseModel):
    x: int
    tags: set[str] = {"a", "b", "c"}

@attrs.define
class Value:
    x: int
    y: dict = attrs.field(factory=dict)

@attrs.frozen(cache_hash=True)
class Hashed:
    x: str

hashed = Hashed("a")
hash(hashed)
values = [Model(x=1), Value(1, {"a": 1}), hashed]
""",
    )


def test_a_struct_that_was_hashed_is_the_same() -> None:
    msgspec: Any = pytest.importorskip("msgspec")  # has no wheel for Python 3.15

    class Key(msgspec.Struct, frozen=True, cache_hash=True):
        name: str

    used, fresh = Key("a"), Key("a")
    assert {used: 1}[fresh] == 1
    assert hash_value(used) == hash_value(Key("a"))
    assert hash_value(used) != hash_value(Key("b"))


def test_codecs_of_msgspec_count_by_their_options() -> None:
    msgspec: Any = pytest.importorskip("msgspec")  # has no wheel for Python 3.15

    def hook(value: Any) -> Any:
        return value

    makers: list[Callable[[], Any]] = [
        msgspec.json.Decoder,
        lambda: msgspec.json.Decoder(int),
        lambda: msgspec.json.Decoder(list[int]),
        lambda: msgspec.json.Decoder(int, strict=False),
        lambda: msgspec.json.Decoder(int, dec_hook=hook),
        lambda: msgspec.msgpack.Decoder(int),
        lambda: msgspec.msgpack.Decoder(int, ext_hook=hook),
        msgspec.json.Encoder,
        lambda: msgspec.json.Encoder(enc_hook=hook),
        lambda: msgspec.json.Encoder(order="sorted"),
        msgspec.msgpack.Encoder,
    ]
    assert_all_differ([make() for make in makers])
    for make in makers:
        assert_all_equal([make(), make()])
