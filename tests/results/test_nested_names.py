"""Parts of configurations are columns and conditions: `flatten=True` and `where={"cfg.lr": 0.1}`."""

from __future__ import annotations

import argparse
import dataclasses
import types
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

from funes import grid, load_cached_results, load_cached_results_as_pandas, memorious
from funes._results.nested import at_path, flattened, parts_of

pytestmark = pytest.mark.usefixtures("cache")


@dataclasses.dataclass
class Optimizer:
    name: str = "adam"
    beta: float = 0.9


@dataclasses.dataclass
class Config:
    lr: float
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)


@attrs.define
class Attrs:
    lr: float
    optimizer: Any = attrs.Factory(Optimizer)


def omegaconf(lr: float) -> Any:
    library = pytest.importorskip("omegaconf")
    return library.OmegaConf.create({"lr": lr, "optimizer": {"name": "adam", "beta": 0.9}})


KINDS: dict[str, Callable[[float], Any]] = {
    "dataclass": Config,
    "attrs": Attrs,
    "dict": lambda lr: {"lr": lr, "optimizer": {"name": "adam", "beta": 0.9}},
    "Namespace": lambda lr: argparse.Namespace(lr=lr, optimizer=Optimizer()),
    "SimpleNamespace": lambda lr: types.SimpleNamespace(lr=lr, optimizer=Optimizer()),
    "DictConfig": omegaconf,
}


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Callable[[float], Any]:
    return KINDS[request.param]


def test_parts_are_columns_beside_their_argument(make: Callable[[float], Any]) -> None:
    @memorious
    def train(cfg: Any, epochs: int = 3) -> dict[str, Any]:
        return {"loss": 1.5, "best": {"epoch": 2}}

    for lr in (0.1, 0.2):
        train(make(lr))
    frame = load_cached_results_as_pandas(train, flatten=True, exclude="time")
    assert list(frame) == [
        *("cfg.lr", "cfg.optimizer.name", "cfg.optimizer.beta", "epochs", "loss", "best.epoch"),
    ]
    assert sorted(frame["cfg.lr"]) == [0.1, 0.2]
    assert list(frame["best.epoch"]) == [2, 2]
    whole = load_cached_results(train).to_pandas()
    assert list(whole) == ["cfg", "epochs", "loss", "best", "time"]


def test_parts_select_results(make: Callable[[float], Any]) -> None:
    @memorious
    def train(cfg: Any, epochs: int = 3) -> float:
        return epochs

    for lr in (0.1, 0.2):
        for epochs in (3, 4):
            train(make(lr), epochs)

    def found(**where: Any) -> list[float]:
        names = {name.replace("__", "."): value for name, value in where.items()}
        return sorted(result["output"] for result in load_cached_results(train, where=names))

    assert found(cfg__lr=0.1) == [3, 4]
    assert found(cfg__lr=0.1, epochs=4) == [4]
    assert found(cfg__optimizer__beta=0.9, cfg__lr=0.2, epochs=3) == [3]
    assert found(cfg__lr=1) == found(cfg__nothing=0.1) == found(epochs__lr=0.1) == []
    with pytest.raises(KeyError, match=r"there is no argument 'config\.lr'"):
        load_cached_results(train, where={"config.lr": 0.1})


def test_parts_of_large_arguments_and_keywords_select_results() -> None:
    @memorious(large_argument=1000)
    def train(cfg: Any, **more: Any) -> int:
        return len(more)

    for lr in (0.1, 0.2):
        train({"lr": lr, "data": np.arange(1000.0)}, extra={"depth": lr})
    [one] = load_cached_results(train, where={"cfg.lr": 0.1})
    assert one["input"]["more"] == {"extra": {"depth": 0.1}}
    [one] = load_cached_results(train, where={"extra.depth": 0.2, "cfg.lr": 0.2})
    assert one["input"]["cfg"]["lr"] == 0.2
    frame = load_cached_results(train).to_pandas(flatten=True, exclude=["cfg.data", "time"])
    assert list(frame) == ["cfg.lr", "extra.depth", "output"]


def test_sweeps_and_other_tables_have_parts_too() -> None:
    @memorious
    def train(cfg: Any) -> Any:
        return Optimizer(beta=cfg.lr)

    sweep = train.map(grid(cfg=[Config(0.1), Config(0.2)]))
    frame = sweep.to_pandas(flatten=True)
    assert list(frame["cfg.lr"]) == list(frame["beta"]) == [0.1, 0.2]
    polars = pytest.importorskip("polars")
    found = load_cached_results(train).to_polars(flatten=True)
    assert isinstance(found, polars.DataFrame)
    assert found.columns == [
        "cfg.lr",
        "cfg.optimizer.name",
        "cfg.optimizer.beta",
        "name",
        "beta",
        "time",
    ]


def test_names_that_meet_stay_apart() -> None:
    @memorious
    def f(a: Any) -> Any:
        return {"a": {"b": 2}, "a.b": 3}

    f({"b": 1})
    frame = load_cached_results(f).to_pandas(flatten=True)
    assert dict(frame.drop(columns="time").iloc[0]) == {
        "a.b": 1,
        "output.a.b": 2,
        "output.output.a.b": 3,
    }


@pytest.mark.parametrize(
    "value",
    [3, "text", [1], None, {1: 2}, {"a": 1, 2: 3}, Optimizer, np.arange(3), (1, 2)],
    ids=str,
)
def test_other_values_stay_whole(value: Any) -> None:
    assert parts_of(value) is None
    assert list(flattened(value, ("x",))) == [(("x",), value)]


def test_unfinished_objects_stay_whole() -> None:
    empty = object.__new__(Config)
    assert list(flattened(empty, ("x",))) == [(("x",), empty)]
    assert list(flattened({}, ("x",))) == [(("x",), {})]
    endless: dict[str, Any] = {}
    endless["again"] = endless
    [(path, value)] = flattened(endless, ("x",))
    assert set(path[1:]) == {"again"}
    assert value is endless


def test_names_with_dots_are_found() -> None:
    parts = {"a.b": {"c.d": 1}, "a": {"b": {"c": 2}}}
    assert at_path(parts, "a.b.c.d") == (1,)
    assert at_path(parts, "a.b.c") == (2,)
    assert at_path(parts, "a.x") is None


# Positions


def test_results_have_positions_in_the_order_of_storing(double: Any) -> None:
    for x in range(5):
        double(x)
    results = load_cached_results(double)
    inputs = [result["input"]["x"] for result in results]
    assert results[0]["input"]["x"] == inputs[0]
    assert results[-1]["input"]["x"] == results[np.int64(4)]["input"]["x"] == inputs[4]
    assert [result["input"]["x"] for result in results[1:4:2]] == inputs[1:4:2]
    assert [result["input"]["x"] for result in results[::-1]] == inputs[::-1]
    assert results[7:] == []
    with pytest.raises(IndexError, match="there is no result 5: there are 5"):
        results[5]
    with pytest.raises(TypeError):
        results["x"]  # type: ignore[call-overload]
    odd = load_cached_results(double, where=lambda given: given["x"] % 2)
    assert [result["input"]["x"] for result in odd[:]] == [x for x in inputs if x % 2]


def test_unreadable_result_has_no_position(double: Any) -> None:
    double(1)
    double.key(1).path.write_bytes(b"")
    results = load_cached_results(double)
    with (
        pytest.warns(match="a stored result was skipped"),
        pytest.raises(IndexError, match="the result 0 cannot be read"),
    ):
        results[0]
    with pytest.warns(match="a stored result was skipped"):
        assert results[:1] == []
