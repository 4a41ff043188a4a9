"""`global_seed` from the caller's view: what is seeded, what is stored, which functions receive it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funes import CacheWarning, load_cached_results, memorious

pytestmark = pytest.mark.usefixtures("cache")


def states() -> Any:
    return random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist()


def draw() -> tuple[float, float]:
    return random.random(), float(np.random.random())


def with_seed(seed: int) -> tuple[float, float]:
    random.seed(seed)
    np.random.seed(seed)
    return draw()


@pytest.fixture
def make() -> Callable[[], Any]:
    def make() -> Any:
        @memorious
        def drawn(x: int = 0) -> tuple[float, float]:
            return draw()

        return drawn

    return make


def test_zero_none_and_no_seed_are_three_entries(make: Any) -> None:
    drawn = make()
    with pytest.warns(CacheWarning, match="random numbers were drawn"):
        results = [drawn(), drawn(global_seed=None), drawn(global_seed=0)]
    assert [drawn(), drawn(global_seed=None), drawn(global_seed=0)] == results
    assert len(set(results)) == 3
    assert results[2] == with_seed(0)
    inputs = [list(result["input"].items()) for result in load_cached_results(drawn)]
    assert sorted(inputs, key=repr) == [
        [("x", 0), ("global_seed", 0)],
        [("x", 0), ("global_seed", None)],
        [("x", 0)],
    ]


@pytest.mark.parametrize("seed", [0, 7, -1, None, 2**100])
def test_a_hit_and_a_miss_leave_the_states_as_they_were(make: Any, seed: Any) -> None:
    drawn, before = make(), states()
    missed = drawn(global_seed=seed)
    assert states() == before
    assert drawn(global_seed=seed) == missed
    assert states() == before


def test_states_are_restored_if_the_function_raises() -> None:
    @memorious
    def fail() -> None:
        draw()
        raise KeyError("mine")

    before = states()
    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            fail(global_seed=1)
        assert states() == before
    assert not fail.is_cached(global_seed=1)


def test_seed_is_passed_only_to_functions_that_declare_it() -> None:
    @memorious
    def positional(x: int, /) -> Any:
        return x, draw()

    @memorious
    def keywords(**more: Any) -> Any:
        return more, draw()

    @memorious
    def declared(x: int, global_seed: int | None = None) -> Any:
        return x, global_seed, draw()

    expected = with_seed(5)
    for _ in range(2):
        assert positional(1, global_seed=5) == (1, expected)
        assert keywords(a=1, global_seed=5) == ({"a": 1}, expected)
        assert declared(1, global_seed=5) == declared(1, 5) == (1, 5, expected)
    assert declared.key(1) == declared.key(1, None) != declared.key(1, 5)
    assert list(next(iter(load_cached_results(declared)))["input"]) == ["x", "global_seed"]


def test_methods_and_coroutine_functions_accept_a_seed() -> None:
    class Model:
        @memorious
        def drawn(self) -> Any:
            return draw()

        @memorious
        async def later(self) -> Any:
            await asyncio.sleep(0)
            return draw()

    before, expected = states(), None
    for _ in range(2):
        assert Model().drawn(global_seed=3) == asyncio.run(Model().later(global_seed=3))
        assert states() == before
    expected = with_seed(3)
    assert Model().drawn(global_seed=3) == expected
    assert Model().later.is_cached(global_seed=3)


def test_invalid_seed_raises_type_error_before_the_run() -> None:
    @memorious
    def f() -> None:
        raise AssertionError("it must not run")

    for wrong in ("7", 1.5, [1]):
        with pytest.raises(TypeError, match="global_seed"):
            f(global_seed=wrong)


# Calls without a seed


def libraries() -> dict[str, Callable[[], float]]:
    return {
        "random": random.random,
        "numpy": lambda: float(np.random.random()),
        "a pair of random": lambda: random.gauss(0, 1),
        "a pair of numpy": lambda: float(np.random.standard_normal()),
    }


@pytest.fixture(params=list(libraries()))
def draw_one(request: pytest.FixtureRequest) -> Callable[[], float]:
    return libraries()[request.param]


def test_unseeded_draws_are_stored_with_one_warning(draw_one: Any) -> None:
    @memorious
    def drawn(x: int) -> float:
        return draw_one()

    with pytest.warns(CacheWarning, match="drawn: random numbers were drawn.*global_seed=") as said:
        first = [drawn(n) for n in range(3)]
    assert len(said) == 1
    assert [drawn(n) for n in range(3)] == first
    drawn.cache_clear()
    assert [drawn(n) for n in range(3)] == first
    assert [set(entry) for entry in load_cached_results(drawn)] == [{"input", "output", "time"}] * 3


def test_no_warning_without_draws() -> None:
    @memorious
    def plain(x: int) -> Any:
        own = random.Random(x), np.random.default_rng(x)
        return own[0].random(), float(own[1].random())

    for n in range(3):
        plain(n)


def test_unseeded_call_within_a_seeded_call_is_not_stored(draw_one: Any) -> None:
    @memorious
    def inner(x: int) -> float:
        return draw_one()

    @memorious
    def outer(x: int) -> tuple[float, float, float]:
        return inner(x), inner(x), draw_one()

    def expected(seed: int) -> tuple[float, float, float]:
        random.seed(seed)
        np.random.seed(seed)
        return draw_one(), draw_one(), draw_one()

    with pytest.warns(CacheWarning, match="inside a seeded call") as said:
        results = [outer(1, global_seed=seed) for seed in (1, 2)]
    assert len(said) == 1
    assert results == [expected(1), expected(2)]
    assert len(load_cached_results(inner)) == 0
    assert len(load_cached_results(outer)) == 2


@pytest.mark.parametrize("memory", [None, 0])
def test_seeded_call_does_not_use_unseeded_results(memory: int | None) -> None:
    @memorious(memory=memory)
    def inner(x: int) -> float:
        return random.random()

    @memorious
    def outer(x: int) -> tuple[float, float]:
        return inner(x), random.random()

    def expected(seed: int) -> tuple[float, float]:
        random.seed(seed)
        return random.random(), random.random()

    with pytest.warns(CacheWarning, match="inner: ") as said:
        remembered = inner(1)
        assert inner(1) == remembered
        assert outer(1, global_seed=5) == expected(5)
        assert outer(1, global_seed=6) == expected(6)
    assert len(said) == 2
    assert inner(1) == remembered


def test_a_seeded_call_within_a_seeded_one_is_stored() -> None:
    @memorious
    def inner(x: int) -> float:
        return random.random()

    @memorious
    def outer(x: int) -> float:
        return inner(x, global_seed=x)

    assert outer(1, global_seed=1) == inner(1, global_seed=1)
    assert len(load_cached_results(inner)) == 1


def test_a_strict_function_may_draw_without_a_seed() -> None:
    @memorious(strict=True)
    def drawn(x: int) -> float:
        return random.random()

    with pytest.warns(CacheWarning, match="random numbers were drawn"):
        assert drawn(1) == drawn(1)
