"""Code that uses funes, for type checkers. Checked by test_typing.py, never run.

`assert_type` says what is inferred; a `type: ignore` stands where an error must be found: one that is not needed is an
error itself.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from funes import (
    grid,
    hash_definition,
    hash_value,
    load_cached_results,
    load_cached_results_as_pandas,
    memorious,
    mode,
)
from funes.types import CacheInfo, Grid, Key, Outcome, Progress, Results, Status, Sweep

if TYPE_CHECKING:
    from typing_extensions import assert_type


# Functions


@memorious
def bare(x: int, text: str = "") -> float:
    return x * 2.0


@memorious(cache_dir=Path("results"), ignore="text", depends_on=(Path("data.csv"), 3), memory=0)
def with_options(x: int, *, text: str = "") -> list[str]:
    return [text] * x


assert_type(bare(1), float)
assert_type(bare(1, text="a"), float)
assert_type(bare(1, global_seed=7), float)
assert_type(bare(x=1, global_seed=None), float)
assert_type(with_options(1, text="a"), list[str])
assert_type(with_options(1, global_seed=7), list[str])

bare("1")  # type: ignore[call-overload]
bare(1, 2)  # type: ignore[call-overload]
bare()  # type: ignore[call-overload]
bare(1, unknown=3)  # type: ignore[call-overload]
bare(1, global_seed="7")  # type: ignore[call-overload]
with_options(1, "a")  # type: ignore[call-overload]
with_options(x="1")  # type: ignore[call-overload]


@memorious(max_age=timedelta(days=1), cache_if=lambda result, seconds: seconds > 1)
def expires(x: int) -> int:
    return x


@memorious(max_age=60, cache_if=lambda result, _: result is not None)
async def expires_too(x: int) -> int:
    return x


@mode("off")
def runs_off(x: int, *, text: str = "") -> int:
    return expires(x)


assert_type(expires(1), int)
assert_type(runs_off(1, text="a"), int)
runs_off("1")  # type: ignore[arg-type]
mode("on")  # type: ignore[arg-type]
with mode("readonly"):
    assert_type(expires(1), int)


@memorious(ignored="x")  # type: ignore[call-overload, untyped-decorator]
def wrong_option(x: int) -> int:
    return x


@memorious(durability="sometimes")  # type: ignore[call-overload, untyped-decorator]
def wrong_value(x: int) -> int:
    return x


# Inspection

assert_type(bare.key(1), Key)
assert_type(bare.key(1, global_seed=7).definition, str)
assert_type(bare.key(1).arguments, str)
assert_type(bare.key(1).path, Path)
assert_type(bare.is_cached(1), bool)
assert_type(bare.forget(1), bool)
assert_type(bare.refresh(1), float)
assert_type(bare.refresh(1, text="a"), float)
assert_type(bare.refresh(1, global_seed=7), float)
bare.refresh("1")  # type: ignore[call-overload]
assert_type(bare.cache_info(), CacheInfo)
assert_type(bare.cache_info().misses, int)
assert_type(bare.cache_info().uncached, int)
assert_type(bare.cache_info().reasons, dict[str, int])
assert_type(bare.cache_info().saved_seconds, float)
bare.cache_clear()
assert_type(bare.cache_path, Path)
assert_type(bare.definition, str)
assert_type(bare.__wrapped__(1, "a"), float)
bare.__wrapped__("1")  # type: ignore[arg-type]
bare.unknown()  # type: ignore[attr-defined]


# Methods, in both orders of the decorators


class Model:
    @memorious
    def method(self, x: int) -> float:
        return float(x)

    @memorious(ignore="x")
    def method_with_options(self, x: int) -> float:
        return float(x)

    @memorious
    @classmethod
    def above_classmethod(cls, x: int) -> str:
        return cls.__name__ * x

    @classmethod
    @memorious
    def below_classmethod(cls, x: int) -> str:
        return cls.__name__ * x

    @memorious(strict=True)
    @classmethod
    def above_classmethod_with_options(cls, x: int) -> str:
        return cls.__name__ * x

    @memorious
    @staticmethod
    def above_staticmethod(x: int) -> bytes:
        return bytes(x)

    @staticmethod
    @memorious
    def below_staticmethod(x: int) -> bytes:
        return bytes(x)

    @memorious(strict=True)
    @staticmethod
    def above_staticmethod_with_options(x: int) -> bytes:
        return bytes(x)


model = Model()
assert_type(model.method(1), float)
assert_type(model.method(x=1, global_seed=3), float)
assert_type(model.method_with_options(1), float)
assert_type(model.method.key(1), Key)
assert_type(model.method.is_cached(1), bool)
assert_type(model.method.forget(1), bool)
assert_type(Model.method(model, 1), float)
model.method("1")  # type: ignore[call-overload]
model.method(1, 2)  # type: ignore[call-overload]

assert_type(Model.above_classmethod(1), str)
assert_type(model.above_classmethod(1, global_seed=3), str)
assert_type(Model.above_classmethod.key(1), Key)
assert_type(Model.above_classmethod_with_options(1), str)
assert_type(Model.below_classmethod(1), str)

assert_type(Model.above_staticmethod(1), bytes)
assert_type(model.above_staticmethod(1, global_seed=3), bytes)
assert_type(model.above_staticmethod.key(1), Key)
assert_type(Model.above_staticmethod_with_options(1), bytes)
assert_type(Model.below_staticmethod(1), bytes)
assert_type(model.below_staticmethod(1), bytes)


# Coroutines


@memorious
async def fetch(x: int) -> str:
    return str(x)


async def use() -> None:
    assert_type(await fetch(1), str)
    assert_type(await fetch(1, global_seed=3), str)
    assert_type(await asyncio.gather(fetch(1), fetch(2)), tuple[str, str])
    await fetch("1")  # type: ignore[call-overload]


# Sweeps

points = grid(x=[1, 2], global_seed=range(5))
assert_type(points, Grid)
assert_type(points[0], dict[str, Any])
sweep = bare.map(points, executor=2, on_error="collect", retries=1)
assert_type(sweep, Sweep[float])
assert_type(bare.starmap([(1, "a"), {"x": 2}]), Sweep[float])
assert_type(list(sweep), list[float])
assert_type(list(sweep.items()), list[tuple[Any, float]])
assert_type(sweep.results(), list[float])
assert_type(sweep.status(), Status)
assert_type(sweep.start(), Sweep[float])
for outcome in sweep.as_completed():
    assert_type(outcome, Outcome[float])
    assert_type(outcome.result(), float)
assert_type(fetch.map([1, 2]), Sweep[str])
assert_type(fetch.starmap([(1,)]), Sweep[str])
assert_type(model.method.map([1, 2]), Sweep[float])


def show(progress: Progress) -> None:
    assert_type(progress.done, int)


bare.map([1], progress=show)
bare.map([1], on_error="ignore")  # type: ignore[arg-type]
bare.map([1], progress=True)  # type: ignore[arg-type]


async def use_sweeps() -> None:
    assert_type(await sweep, list[float])
    async for result in fetch.map([1]):
        assert_type(result, str)


# Results and hashes

assert_type(load_cached_results(bare), Results)
assert_type(load_cached_results(model.method, versions="all", inputs_only=True), Results)
for result in load_cached_results(bare, where={"x": 1}):
    assert_type(result, dict[str, Any])
load_cached_results_as_pandas(bare, exclude="time", index=["x"])
assert_type(hash_value([1, 2]), str)
assert_type(hash_definition(bare), str)
load_cached_results(3)  # type: ignore[arg-type]
