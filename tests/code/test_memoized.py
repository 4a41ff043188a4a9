"""A helper under `functools.lru_cache` keeps results of earlier code: what comes of them is not stored."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from funes import CacheWarning, hash_definition, memorious

STATE = SimpleNamespace(rate=1)


def base(x: int) -> int:
    return x * STATE.rate


def make(path: Path) -> tuple[Any, Any]:
    """A helper under `lru_cache`, and a memorious function that uses it, that have nothing in any cache."""

    @functools.lru_cache
    def helper(x: int) -> int:
        return base(x)

    def f(x: int) -> int:
        return helper(x)

    return helper, memorious(f, cache_dir=path)


@pytest.fixture
def rate(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(STATE, "rate", 1)
    return lambda value: monkeypatch.setattr(STATE, "rate", value)


def test_a_result_of_earlier_code_is_not_stored(tmp_path: Path, rate: Any) -> None:
    helper, f = make(tmp_path)
    assert f(1) == 1
    rate(2)
    with pytest.warns(CacheWarning, match=r"lru_cache keeps results of .*helper.*cache_clear"):
        assert f(1) == 1  # as the plain function
    _, fresh = make(tmp_path)
    assert fresh(1) == 2
    helper.cache_clear()
    assert f(1) == 2
    assert f.is_cached(1)


def test_an_edit_of_what_the_helper_calls_is_one(
    tmp_path: Path, rate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, f = make(tmp_path)
    assert f(1) == 1
    monkeypatch.setattr(f"{__name__}.base", lambda x: -x)
    with pytest.warns(CacheWarning, match="lru_cache keeps results"):
        assert f(1) == 1
    _, fresh = make(tmp_path)
    assert fresh(1) == -1


def test_an_edit_taken_back_finds_the_results(tmp_path: Path, rate: Any) -> None:
    _, f = make(tmp_path)
    assert f(1) == 1
    rate(2)
    with pytest.warns(CacheWarning, match="lru_cache keeps results"):
        f(1)
    rate(1)
    assert f.is_cached(1)
    assert f(1) == 1


def test_what_was_computed_meanwhile_counts_as_of_other_code(tmp_path: Path, rate: Any) -> None:
    _, f = make(tmp_path)
    assert f(1) == 1
    rate(2)
    with pytest.warns(CacheWarning, match="lru_cache keeps results"):
        assert f(5) == 10
    rate(1)
    assert f(5) == 10  # as the plain function; the helper has it of the rate of 2
    _, fresh = make(tmp_path)
    assert fresh(5) == 5


def test_an_empty_cache_is_no_reason(tmp_path: Path, rate: Any) -> None:
    helper, f = make(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hash_definition(f) == f.definition
        rate(2)
        assert f(1) == 2
        helper.cache_clear()
        rate(3)
        assert f(1) == 3
        assert f(2) == 6


def test_a_recursive_helper_is_stored(tmp_path: Path) -> None:
    @functools.cache
    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    @memorious(cache_dir=tmp_path)
    def f(n: int) -> int:
        return fibonacci(n)

    @memorious(cache_dir=tmp_path)
    def g(n: int) -> tuple[int, str | None]:
        return fibonacci(n), fibonacci.__doc__

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [f(10), f(20), g(10)[0], f(30)] == [55, 6765, 55, 832040]
        assert f.is_cached(30)
        assert g.is_cached(10)


def test_a_helper_that_is_an_argument(tmp_path: Path, rate: Any) -> None:
    helper, _ = make(tmp_path)

    @memorious(cache_dir=tmp_path)
    def call(function: Any, x: int) -> Any:
        return function(x)

    assert call(helper, 1) == 1
    rate(2)
    with pytest.warns(CacheWarning, match="lru_cache keeps results"):
        assert call(helper, 1) == 1
    other, _ = make(tmp_path)
    assert call(other, 1) == 2


def test_another_function_does_not_trust_the_helper_either(tmp_path: Path, rate: Any) -> None:
    helper, f = make(tmp_path)

    @memorious(cache_dir=tmp_path)
    def g(x: int) -> tuple[str, int]:
        return "g", helper(x)

    assert (f(1), g(1)) == (1, ("g", 1))
    rate(2)
    with pytest.warns(CacheWarning, match="lru_cache keeps results"):
        assert f(5) == 10
    rate(1)
    with pytest.warns(CacheWarning, match="lru_cache keeps results"):
        assert g(5) == ("g", 10)
    assert g(1) == ("g", 1)
    helper.cache_clear()
    assert g(5) == ("g", 5)
