"""`global_seed` as a caller meets it: what is seeded, what is kept of it, who receives it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funes import load_cached_results, memorious

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


def test_the_states_are_put_back_where_the_function_raises() -> None:
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


def test_it_is_given_only_to_a_function_that_declares_it() -> None:
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


def test_methods_and_coroutine_functions_take_it() -> None:
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


def test_what_is_no_seed_is_a_type_error_before_the_function_runs() -> None:
    @memorious
    def f() -> None:
        raise AssertionError("it must not run")

    for wrong in ("7", 1.5, [1]):
        with pytest.raises(TypeError, match="global_seed"):
            f(global_seed=wrong)
