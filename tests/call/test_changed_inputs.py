"""A result is stored under the key of the inputs with which the function ran, or not at all."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from funes import CacheWarning, hash_value, load_cached_results, memorious
from funes._call import single_flight

pytestmark = pytest.mark.usefixtures("cache")

#: Seconds, longer than any step here takes.
SOON = 60

#: Actions of the functions below, found in a way that their definitions do not follow.
OUTSIDE: dict[str, Any] = {}

NUMBER = 1
NUMBERS = [1]
GENERATOR = np.random.default_rng(0)
TWISTER = random.Random(3)


class Settings:
    scale = 1


def outside(name: str) -> Any:
    return getattr(sys.modules[__name__], "OUTSIDE")[name]  # noqa: B009


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    OUTSIDE.clear()
    OUTSIDE["act"] = lambda: None
    for name, value in (("NUMBER", 1), ("NUMBERS", [1]), ("GENERATOR", np.random.default_rng(0))):
        monkeypatch.setattr(sys.modules[__name__], name, value)
    monkeypatch.setattr(sys.modules[__name__], "TWISTER", random.Random(3))
    monkeypatch.setattr(Settings, "scale", 1)
    yield
    assert not single_flight._in_flight


def set_number(value: int) -> None:
    setattr(sys.modules[__name__], "NUMBER", value)  # noqa: B010


# Changes while the function runs


def reads_a_global() -> Any:
    @memorious
    def read(x: Any) -> Any:
        outside("act")()
        return x, NUMBER

    return read


def reads_a_list() -> Any:
    @memorious
    def read(x: Any) -> Any:
        outside("act")()
        return x, sum(NUMBERS)

    return read


def reads_a_class() -> Any:
    @memorious
    def read(x: Any) -> Any:
        outside("act")()
        return x, Settings.scale

    return read


def reads_what_it_captured() -> Any:
    number = [1]
    OUTSIDE["append"] = number.append

    @memorious
    def read(x: Any) -> Any:
        outside("act")()
        return x, sum(number)

    return read


@pytest.mark.parametrize(
    ("make", "change", "back"),
    [
        (reads_a_global, lambda: set_number(3), lambda: set_number(1)),
        (reads_a_list, lambda: NUMBERS.append(2), lambda: NUMBERS.remove(2)),
        (
            reads_a_class,
            lambda: setattr(Settings, "scale", 3),
            lambda: setattr(Settings, "scale", 1),
        ),
        (reads_what_it_captured, lambda: OUTSIDE["append"](2), None),
    ],
    ids=["global", "list", "class", "captured"],
)
@pytest.mark.parametrize("is_first", [True, False], ids=["first call", "later call"])
def test_changes_during_the_run_prevent_storing(
    make: Callable[[], Any], change: Any, back: Any, is_first: bool
) -> None:
    read = make()
    with ThreadPoolExecutor(1) as elsewhere:
        # Another thread exists when the call begins, so the change need not come from the call.
        elsewhere.submit(int).result(SOON)
        if not is_first:
            assert read("other") == ("other", 1)
        OUTSIDE["act"] = lambda: elsewhere.submit(change).result(SOON)
        _changes_are_not_stored(read, back, is_first=is_first)


def _changes_are_not_stored(read: Any, back: Any, *, is_first: bool) -> None:
    with pytest.warns(CacheWarning, match="not stored: .* changed while it ran"):
        assert read(5) == (5, 3)
    OUTSIDE["act"] = lambda: None
    assert len(load_cached_results(read)) == 0
    if back is not None:
        back()
        assert len(load_cached_results(read)) == (0 if is_first else 1)
        assert read(5) == (5, 1)
        assert read(5) == (5, 1)


def test_rebinding_to_an_equal_value_does_not_prevent_storing() -> None:
    read = reads_a_list()
    OUTSIDE["act"] = lambda: setattr(sys.modules[__name__], "NUMBERS", [1])
    assert read(5) == (5, 1)
    assert len(load_cached_results(read)) == 1


# Changes by the call


def appends(numbers: list[int]) -> int:
    numbers.append(len(numbers))
    return len(numbers)


def draws(generator: Any) -> float:
    return float(generator.random())


def sets_an_attribute(thing: Any) -> float:
    thing.coefficient = 2.0
    return float(thing.coefficient)


def fills(array: Any) -> float:
    array[:] = 1
    return float(array.sum())


class Thing:
    pass


@pytest.mark.parametrize(
    ("function", "make"),
    [
        (appends, lambda: [1, 2]),
        (draws, lambda: np.random.default_rng(1)),
        (draws, lambda: random.Random(1)),
        (draws, lambda: np.random.RandomState(1)),
        (sets_an_attribute, Thing),
        (fills, lambda: np.zeros(3)),
    ],
    ids=["list", "Generator", "Random", "RandomState", "object", "array"],
)
def test_call_that_changes_its_argument_is_not_stored(function: Any, make: Any) -> None:
    remembers = memorious(function)
    argument, same = make(), make()
    with pytest.warns(CacheWarning, match="the call changed its argument '") as caught:
        first = remembers(argument)
        assert remembers(make()) == first
    assert len(caught) == 1
    assert len(load_cached_results(remembers)) == 0
    assert first == function(same)
    assert hash_value(argument) == hash_value(same)


def test_method_that_changes_its_instance_is_not_stored() -> None:
    class Model:
        @memorious
        def fit(self, x: float) -> Any:
            self.coefficient = 2 * x
            return self

    model, second = Model(), Model()
    with pytest.warns(CacheWarning, match="changed its argument 'self'"):
        assert model.fit(1) is model
    second.fit(1)
    assert second.coefficient == 2


def test_changed_ignored_argument_does_not_prevent_storing() -> None:
    @memorious(ignore="seen")
    def note(x: int, seen: list[int]) -> int:
        seen.append(x)
        return x

    assert note(1, []) == 1
    assert len(load_cached_results(note)) == 1


def test_a_coroutine_that_changes_its_argument_is_not_stored() -> None:
    @memorious
    async def append(numbers: list[int]) -> int:
        await asyncio.sleep(0)
        numbers.append(1)
        return len(numbers)

    with pytest.warns(CacheWarning, match="changed its argument 'numbers'"):
        assert asyncio.run(append([])) == 1
    assert len(load_cached_results(append)) == 0


def test_global_or_captured_generator_is_drawn_from_at_each_call() -> None:
    captured = np.random.default_rng(0)

    @memorious
    def of_global(x: int) -> float:
        return float(GENERATOR.random())

    @memorious
    def of_module(x: int) -> float:
        return TWISTER.random()

    @memorious
    def of_captured(x: int) -> float:
        return float(captured.random())

    expected, twister = np.random.default_rng(0).random(3).tolist(), random.Random(3)
    for function, wanted in (
        (of_global, expected),
        (of_captured, expected),
        (of_module, [twister.random() for _ in range(3)]),
    ):
        with pytest.warns(CacheWarning, match="not stored") as caught:
            assert [function(1) for _ in range(3)] == wanted
        assert len(caught) == 1


# Changes while a call waits


def test_argument_changed_during_a_wait_changes_the_key() -> None:
    @memorious
    async def total(numbers: list[int]) -> int:
        await asyncio.sleep(0.01)
        if outside("fails")():
            raise ValueError
        return sum(numbers)

    fails = [False, True]
    OUTSIDE["fails"] = lambda: bool(fails) and fails.pop()

    async def main() -> Any:
        shared = [1]
        one, two = asyncio.create_task(total(shared)), asyncio.create_task(total(shared))
        await asyncio.sleep(0)
        shared.append(5)
        return await asyncio.gather(one, two, return_exceptions=True)

    outcomes = asyncio.run(main())
    assert isinstance(outcomes[0], ValueError)
    assert outcomes[1] == 6
    assert asyncio.run(total([1])) == 1
    assert asyncio.run(total([1, 5])) == 6


def _in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except ValueError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def _until_waiting(count: int) -> None:
    for _ in range(20_000):
        if sum(len(claim.wakers) for claim in list(single_flight._in_flight.values())) == count:
            return
        threading.Event().wait(0.002)
    raise AssertionError("nothing waits")


@pytest.mark.parametrize("what", ["argument", "global"])
def test_state_changed_while_a_thread_waits_changes_the_key(what: str) -> None:
    ours, go = threading.Event(), threading.Event()

    @memorious
    def total(numbers: list[int]) -> int:
        outside("act")()
        return sum(numbers) + NUMBER

    def act() -> None:
        OUTSIDE["act"] = lambda: None
        ours.set()
        go.wait(SOON)
        raise ValueError

    OUTSIDE["act"] = act
    shared = [1]
    first, failed = _in_thread(lambda: total([1]))
    ours.wait(SOON)
    second, computed = _in_thread(lambda: total(shared))
    _until_waiting(1)
    if what == "argument":
        shared.append(5)
    else:
        set_number(6)
    go.set()
    for thread in (first, second):
        thread.join(SOON)
    assert isinstance(failed[0], ValueError)
    assert computed == [7]
    set_number(1)
    assert total([1]) == 2


@pytest.mark.parametrize("what", ["argument", "global"])
def test_state_changed_while_a_seeded_call_waits_prevents_storing(what: str) -> None:
    ours, go = threading.Event(), threading.Event()

    @memorious
    def busy() -> None:
        ours.set()
        while not go.is_set():
            sum(range(1000))

    @memorious
    def total(numbers: list[int]) -> int:
        outside("act")()
        return sum(numbers) + NUMBER

    shared = [1]
    OUTSIDE["act"] = lambda: shared.__delitem__(slice(1, None)) or set_number(1)  # as it was
    first, _ = _in_thread(lambda: busy(global_seed=1))
    ours.wait(SOON)
    asked = threading.Event()

    def call() -> Any:
        asked.set()
        return total(shared, global_seed=1)

    with pytest.warns(CacheWarning, match="while the call waited for other seeded calls"):
        second, _ = _in_thread(call)
        asked.wait(SOON)
        _until_claimed()
        if what == "argument":
            shared.append(5)
        else:
            set_number(6)
        go.set()
        for thread in (first, second):
            thread.join(SOON)
    OUTSIDE["act"] = lambda: None
    set_number(1)
    assert len(load_cached_results(total)) == 0
    assert total([1], global_seed=1) == 2


def _until_claimed() -> None:
    """Waits until both seeded calls have their keys: the second one then waits for the generators."""
    for _ in range(20_000):
        if len(single_flight._in_flight) == 2:
            threading.Event().wait(0.05)
            return
        threading.Event().wait(0.002)
    raise AssertionError("there is no second in-flight call")
