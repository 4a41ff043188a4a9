"""Seeded runs with real and imitated libraries.

`random` and numpy are real. torch, TensorFlow and CuPy are imitated by small modules with the
functions that funes calls, each with a `random.Random` as its generator.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import itertools
import os
import random
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funes import CacheWarning
from funes._call import generator_lock, generators
from funes._call.generator_lock import waiting
from funes._call.seeding import normalise, run_seeded, run_seeded_async

NOTHING: frozenset[str] = frozenset()


def seeded(seed: int | None, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return run_seeded(seed, NOTHING, function, args, {}, **options)


def draw() -> tuple[float, float, float, float]:
    return random.random(), random.gauss(0, 1), np.random.rand(), np.random.standard_normal()


def states() -> tuple[object, str]:
    """Returns the states of both generators in a comparable form."""
    return random.getstate(), repr(np.random.get_state(legacy=False)) + repr(
        np.random.get_state()[1].tolist()
    )


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    assert not generator_lock._stack


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes waiting runs overtake early, so that the tests are fast."""
    monkeypatch.setattr(generator_lock, "_THREAD_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(generator_lock, "_IDLE_SECONDS", 0.2)
    monkeypatch.setattr(generator_lock, "_UNCLOCKED_SECONDS", 0.2)


# Accepted seeds


@pytest.mark.parametrize(
    ("given", "expected"),
    [(0, 0), (-3, -3), (10**400, 10**400), (True, 1), (np.int64(7), 7), (np.uint8(7), 7)],
)
def test_integers_of_every_kind_are_seeds(given: Any, expected: int) -> None:
    assert normalise(given) == expected
    assert type(normalise(given)) is int


def test_normalise_keeps_none() -> None:
    assert normalise(None) is None


@pytest.mark.parametrize("given", [7.0, "7", b"7", [7], (1, 2), np.float64(7), object(), 1j])
def test_invalid_seed_error_names_the_remedy(given: Any) -> None:
    with pytest.raises(TypeError, match=r"global_seed must be an integer .*None.*int\(\.\.\.\)"):
        normalise(given)


# Effect of a seed


@pytest.mark.parametrize("seed", [0, 1, 7, 2**32 - 1])
def test_seed_in_range_equals_the_library_seed(seed: int) -> None:
    got = seeded(seed, draw)
    random.seed(seed)
    np.random.seed(seed)
    assert got == draw()


def test_seeds_of_all_sizes_and_signs_give_different_streams() -> None:
    numbers = [
        0,
        1,
        2,
        2**31,
        2**32 - 1,
        2**32,
        2**32 + 1,
        2**63,
        2**64,
        2**64 + 1,
        2**256,
        10**500,
    ]
    numbers += [-number for number in numbers if number]
    by_random = [seeded(number, random.random) for number in numbers]
    by_numpy = [seeded(number, np.random.rand) for number in numbers]
    assert len(set(by_random)) == len(numbers)
    assert len(set(by_numpy)) == len(numbers)
    assert not set(by_random) & set(by_numpy)  # both use the same algorithm
    assert by_random == [seeded(number, random.random) for number in numbers]


def test_hashed_seeds_are_stable() -> None:
    """Stored results depend on these values, so the hash must not change."""
    assert seeded(-1, random.getrandbits, 32) == 2_748_947_705
    assert seeded(-1, np.random.randint, 2**31 - 1) == 1_601_545_345
    assert generators._within(-1, 64, "torch") == 120_882_796_478_255_684


def test_seed_none_gives_fresh_numbers_and_restores_states() -> None:
    before = states()
    first, second = seeded(None, draw), seeded(None, draw)
    assert len({*first, *second}) == 8
    assert states() == before
    assert first != seeded(0, draw)


def test_generators_are_restored() -> None:
    random.gauss(0, 1)  # half a pair of normal numbers is part of the state
    np.random.standard_normal()
    before = states()
    seeded(7, draw)
    assert states() == before


def test_generators_are_restored_if_the_function_raises() -> None:
    def fail() -> None:
        draw()
        raise KeyError("mine")

    before = states()
    with pytest.raises(KeyError, match="mine"):
        seeded(7, fail)
    assert states() == before


def test_the_function_may_seed_by_itself() -> None:
    def own() -> float:
        random.seed(5)
        np.random.seed(5)
        return random.random()

    before = states()
    assert seeded(7, own) == random.Random(5).random()
    assert states() == before


def test_arguments_and_result_pass_through() -> None:
    def function(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    assert run_seeded(1, NOTHING, function, (1, 2), {"seed": 3}) == ((1, 2), {"seed": 3})


def test_numpy_with_another_bit_generator_is_seeded_and_restored() -> None:
    mine = np.random.PCG64(3)
    usual = np.random.get_bit_generator()
    state = np.random.get_state(legacy=False)
    expected = seeded(7, np.random.rand)
    np.random.set_bit_generator(mine)
    try:
        before = mine.state
        assert seeded(7, np.random.rand) == expected
        assert np.random.get_bit_generator() is mine
        assert mine.state == before
    finally:
        np.random.set_bit_generator(usual)
        np.random.set_state(state)


# Nested runs


def test_nested_seeded_call_does_not_disturb_the_outer_one() -> None:
    def outer(inner: bool) -> Any:
        first = draw()
        got = seeded(8, draw) if inner else None
        return first, draw(), got

    plain = seeded(7, outer, False)
    nested = seeded(7, outer, True)
    assert nested[:2] == plain[:2]
    assert nested[2] == seeded(8, draw)


# Loaded, partially loaded and missing libraries


class _Generator:
    def __init__(self) -> None:
        self.numbers = random.Random(0)

    def manual_seed(self, seed: int) -> None:
        assert 0 <= seed < 2**64
        self.numbers.seed(seed)


class _Queue:
    """Imitates torch's queue of seeds for a device that is not initialized."""

    def __init__(self) -> None:
        self.manual_seed_all_cb: Any = None
        self.call_order: list[Any] = []


class _Device(types.ModuleType):
    """Imitates torch.cuda with two devices that are initialized at their first use."""

    def __init__(self, is_up: bool) -> None:
        super().__init__("torch.cuda")
        self.up = False
        self.generators = [random.Random(0), random.Random(1)]
        self._lazy_seed_tracker = _Queue()
        if is_up:
            self.bring_up()

    def is_initialized(self) -> bool:
        return self.up

    def bring_up(self) -> None:
        self.up = True
        for call in self._lazy_seed_tracker.call_order:
            call[0]()

    def get_rng_state_all(self) -> list[Any]:
        assert self.up, "asking for the states brings the devices up"
        return [generator.getstate() for generator in self.generators]

    def set_rng_state_all(self, states: list[Any]) -> None:
        for generator, state in zip(self.generators, states, strict=True):
            generator.setstate(state)

    def manual_seed_all(self, seed: int) -> None:
        def now() -> None:
            for number, generator in enumerate(self.generators):
                generator.seed(seed + number)

        if self.up:
            now()
        else:
            self._lazy_seed_tracker.manual_seed_all_cb = (now, [])
            self._lazy_seed_tracker.call_order = [(now, [])]

    def seed_all(self) -> None:
        self.manual_seed_all(random.SystemRandom().getrandbits(64))

    def rand(self) -> list[float]:
        if not self.up:
            self.bring_up()
        return [generator.random() for generator in self.generators]


def torch_stand_in(cuda: _Device | None = None) -> Any:
    torch: Any = types.ModuleType("torch")
    torch.default_generator = _Generator()
    torch.get_rng_state = torch.default_generator.numbers.getstate
    torch.set_rng_state = torch.default_generator.numbers.setstate
    torch.rand = torch.default_generator.numbers.random
    if cuda is not None:
        torch.cuda = cuda
    return torch


def test_torch_is_seeded_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = torch_stand_in()
    monkeypatch.setitem(sys.modules, "torch", torch)
    before = torch.get_rng_state()
    assert seeded(7, torch.rand) == random.Random(7).random()
    assert torch.get_rng_state() == before
    assert len({seeded(number, torch.rand) for number in (0, -1, 1, 2**64, 2**64 + 1)}) == 5


def test_torch_devices_are_seeded_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = _Device(is_up=True)
    monkeypatch.setitem(sys.modules, "torch", torch_stand_in(cuda))
    before = cuda.get_rng_state_all()
    assert seeded(7, cuda.rand) == [random.Random(7).random(), random.Random(8).random()]
    assert cuda.get_rng_state_all() == before


def test_devices_are_not_initialized(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = _Device(is_up=False)
    monkeypatch.setitem(sys.modules, "torch", torch_stand_in(cuda))
    seeded(7, draw)
    assert not cuda.up
    assert cuda._lazy_seed_tracker.call_order == []


def test_devices_initialized_by_the_function_are_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = _Device(is_up=False)
    monkeypatch.setitem(sys.modules, "torch", torch_stand_in(cuda))
    cuda.manual_seed_all(3)  # the program's own seed, still waiting for the devices
    assert seeded(7, cuda.rand) == [random.Random(7).random(), random.Random(8).random()]
    assert cuda.rand() == [random.Random(3).random(), random.Random(4).random()]


def tensorflow_stand_in() -> tuple[Any, Any, Any]:
    """Imitates tensorflow, its eager context, and its module with the global generator."""
    context = types.SimpleNamespace(_seed=None, _rng=None, _initialized=True)
    eager: Any = types.ModuleType("tensorflow.python.eager.context")
    eager.context = lambda: context
    stateful: Any = types.ModuleType("tensorflow.python.ops.stateful_random_ops")
    stateful.global_generator = None

    class Generator:
        def __init__(self, seed: int) -> None:
            self.value = seed
            self.state = types.SimpleNamespace(numpy=lambda: self.value)

        def reset(self, state: int) -> None:
            self.value = state

        reset_from_seed = reset
        from_seed = classmethod(lambda cls, seed: cls(seed))

    def set_seed(seed: int) -> None:
        context._seed, context._rng = seed, random.Random(seed)

    tensorflow: Any = types.ModuleType("tensorflow")
    tensorflow.random = types.SimpleNamespace(
        set_seed=set_seed,
        Generator=Generator,
        get_global_generator=lambda: stateful.global_generator,
        set_global_generator=lambda generator: setattr(stateful, "global_generator", generator),
    )
    return tensorflow, eager, stateful


def test_tensorflow_is_seeded_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    tensorflow, eager, stateful = tensorflow_stand_in()
    for module in (tensorflow, eager, stateful):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    context = eager.context()

    def use() -> tuple[float, int]:
        generator = tensorflow.random.get_global_generator()
        generator.value += 1  # one number drawn
        return context._rng.random(), generator.value

    # No seed was set before, and there was no global generator.
    assert seeded(7, use) == (random.Random(7).random(), 8)
    assert (context._seed, context._rng, stateful.global_generator) == (None, None, None)

    tensorflow.random.set_seed(1)
    own = tensorflow.random.Generator(20)
    tensorflow.random.set_global_generator(own)
    assert seeded(7, use) == (random.Random(7).random(), 8)
    assert (context._seed, context._rng.random()) == (1, random.Random(1).random())
    assert stateful.global_generator is own
    assert own.value == 20


def test_cupy_is_seeded_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    class RandomState:
        def __init__(self, seed: np.uint64) -> None:
            assert type(seed) is np.uint64
            self.numbers = random.Random(int(seed))

    current = [RandomState(np.uint64(3))]
    cupy: Any = types.ModuleType("cupy")
    cupy.random = types.SimpleNamespace(
        RandomState=RandomState,
        get_random_state=lambda: current[0],
        set_random_state=lambda state: current.__setitem__(0, state),
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    own = current[0]
    assert seeded(7, lambda: [current[0].numbers.random()]) == [random.Random(7).random()]
    assert current[0] is own
    assert own.numbers.random() == random.Random(3).random()


def _raising() -> Any:
    class Raising(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("no driver")

    return Raising("x")


@pytest.mark.parametrize("name", ["numpy", "torch", "tensorflow", "cupy", "random"])
@pytest.mark.parametrize("make", [lambda: None, lambda: types.ModuleType("x"), object, _raising])
def test_partially_imported_module_is_skipped(
    monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[], Any]
) -> None:
    monkeypatch.setitem(sys.modules, name, make())
    assert run_seeded(7, frozenset({name}), lambda: 42, (), {}) == 42


def test_a_library_that_refuses_the_seed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = torch_stand_in()
    torch.default_generator = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "torch", torch)
    with pytest.warns(CacheWarning, match="may not be reproducible: torch could not be seeded"):
        assert seeded(7, random.random) == random.Random(7).random()
    reasons: list[str] = []
    seeded(7, draw, on_problem=reasons.append)
    assert len(reasons) == 1


def test_unrestorable_state_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = torch_stand_in()
    torch.set_rng_state = None
    monkeypatch.setitem(sys.modules, "torch", torch)
    before = states()
    with pytest.warns(CacheWarning, match="random state of torch could not be put back"):
        seeded(7, draw)
    assert states() == before


def test_referenced_modules_are_imported_before_seeding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text(
        "import random, types\n"
        "default_generator = random.Random(0)\n"
        "default_generator.manual_seed = default_generator.seed\n"
        "get_rng_state, set_rng_state = default_generator.getstate, default_generator.setstate\n"
    )
    (tmp_path / "library_above_torch.py").write_text("import torch\n")
    (tmp_path / "library_that_fails.py").write_text("raise OSError('no such device')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)

    def function() -> float:
        import torch

        return torch.default_generator.random()  # type: ignore[attr-defined]

    modules = frozenset({"library_above_torch", "library_that_fails", "no_such.library"})
    try:
        assert run_seeded(7, modules, function, (), {}) == random.Random(7).random()
    finally:
        for name in ("torch", "library_above_torch"):
            sys.modules.pop(name, None)


# Threads


def many(threads: int) -> list[tuple[int, Any]]:
    """Draws in several threads at once, each with its seed and many chances to be interrupted."""

    def slow() -> list[float]:
        numbers = []
        for _ in range(5):
            numbers += [random.random(), np.random.rand()]
            time.sleep(0.001)
        return numbers

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(seeded, seed % 3, slow) for seed in range(2 * threads)]
        return [(seed % 3, future.result()) for seed, future in enumerate(futures)]


def test_seeded_runs_in_several_threads_do_not_mix() -> None:
    before = states()
    alone = {}
    for seed in range(3):
        random.seed(seed)
        np.random.seed(seed)
        alone[seed] = [draw() for _ in range(5) for draw in (random.random, np.random.rand)]
    random.setstate(before[0])  # type: ignore[arg-type]
    for seed, numbers in many(8):
        assert numbers == alone[seed]
    assert random.getstate() == before[0]


def pool_inside(reasons: list[str] | None = None) -> tuple[list[float], list[float]]:
    """Runs seeded helpers in other threads, and draws between their results."""
    own = [random.random()]
    theirs = []
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for number in pool.map(lambda seed: seeded(seed, random.random), range(6)):
            theirs.append(number)
            own.append(random.random())
    return own, theirs


#: Without the lock, a thread that was woken may look as if it waited: such calls are reported, see docs/guarantees.md.
locked = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="needs the interpreter lock"
)


@locked
@pytest.mark.usefixtures("impatient")
def test_pool_of_seeded_calls_within_a_seeded_call_is_reproducible() -> None:
    before = states()
    reasons: list[str] = []
    own, theirs = seeded(7, pool_inside, on_problem=reasons.append)
    numbers = random.Random(7)
    assert own == [numbers.random() for _ in range(7)]
    assert theirs == [random.Random(seed).random() for seed in range(6)]
    assert reasons == []
    assert states() == before


@locked
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("wait", ["join", "queue", "event", "event loop"])
def test_all_ways_to_wait_for_a_thread_are_recognized(wait: str) -> None:
    import queue

    def outer() -> float:
        box: Any = queue.Queue()
        done = threading.Event()

        def work() -> None:
            box.put(seeded(8, random.random))
            done.set()

        if wait == "event loop":

            async def main() -> float:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(None, seeded, 8, random.random)

            return asyncio.run(main())
        thread = threading.Thread(target=work)
        thread.start()
        if wait == "join":
            thread.join()
        elif wait == "event":
            assert done.wait(60)
        return box.get(timeout=60)

    assert seeded(7, outer) == random.Random(8).random()


@pytest.mark.usefixtures("impatient")
def test_two_locks_taken_in_opposite_order_do_not_hang() -> None:
    """One thread owns the generators and waits for a lock of the program; the other one the reverse."""
    lock = threading.Lock()
    has_lock, has_turn = threading.Event(), threading.Event()

    def turn_first() -> float:
        has_turn.set()
        has_lock.wait(10)
        with lock:
            return random.random()

    def lock_first() -> float:
        with lock:
            has_lock.set()
            has_turn.wait(10)
            return seeded(8, random.random)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(seeded, 7, turn_first)
        second = pool.submit(lock_first)
        assert second.result(30) == random.Random(8).random()
        assert first.result(30) == random.Random(7).random()


def test_thread_known_to_descend_from_the_run_overtakes_early() -> None:
    def outer() -> float:
        context = contextvars.copy_context()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(context.run, seeded, 8, random.random).result()

    start = time.monotonic()
    assert seeded(7, outer) == random.Random(8).random()
    assert time.monotonic() - start < generator_lock._THREAD_WAIT_SECONDS / 2


def test_a_run_that_works_is_waited_for_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(generator_lock, "_THREAD_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(generator_lock, "_IDLE_SECONDS", 0.05)
    started = threading.Event()

    def busy() -> float:
        started.set()
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            sum(range(1000))
        return random.random()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(seeded, 7, busy)
        started.wait(10)
        assert seeded(
            8, lambda: (future.done() or not generator_lock._stack[1:], random.random())
        ) == (
            True,
            random.Random(8).random(),
        )
        assert future.result() == random.Random(7).random()


@pytest.mark.usefixtures("impatient")
def test_mixed_runs_are_reported() -> None:
    """The outer run resumes while another thread, for which it seemed to wait, runs a seeded call."""
    inside, wake = threading.Event(), threading.Event()
    reasons: dict[str, list[str]] = {"outer": [], "inner": []}

    def inner() -> None:
        inside.set()
        wake.wait(10)
        time.sleep(0.05)
        random.random()

    def outer() -> None:
        inside.wait(10)
        random.random()
        wake.set()

    before = states()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(seeded, 7, outer, on_problem=reasons["outer"].append)
        while not generator_lock._stack:
            time.sleep(0.001)
        second = pool.submit(seeded, 8, inner, on_problem=reasons["inner"].append)
        first.result(30)
        second.result(30)
    assert [len(found) for found in reasons.values()] == [1, 1]
    assert "at the same time" in reasons["outer"][0]
    assert states() == before


@pytest.mark.usefixtures("impatient")
def test_stalled_run_resuming_without_draws_is_stored() -> None:
    inside, wake = threading.Event(), threading.Event()
    reasons: list[str] = []

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(
            seeded, 7, lambda: (inside.wait(10), wake.set()), on_problem=reasons.append
        )
        while not generator_lock._stack:
            time.sleep(0.001)
        second = pool.submit(
            seeded, 8, lambda: (inside.set(), wake.wait(10)), on_problem=reasons.append
        )
        first.result(30)
        second.result(30)
    assert reasons == []


def test_waiting_run_yields_and_regains_the_generators() -> None:
    lock = threading.Lock()
    reasons: list[str] = []

    def other() -> float:
        try:
            return seeded(8, random.random, on_problem=reasons.append)
        finally:
            lock.release()

    def outer(pool: concurrent.futures.Executor) -> Any:
        first = random.random()
        lock.acquire()
        future = pool.submit(other)
        with waiting():
            lock.acquire()
        return first, random.random(), future.result()

    numbers = random.Random(7)
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        got = seeded(7, outer, pool, on_problem=reasons.append)
    assert got == (numbers.random(), numbers.random(), random.Random(8).random())
    assert reasons == []
    assert time.monotonic() - start < generator_lock._THREAD_WAIT_SECONDS / 2


def test_waiting_outside_of_a_seeded_run_does_nothing() -> None:
    with waiting():
        assert not generator_lock._stack


def test_interrupt_while_waiting_for_the_generators_propagates() -> None:
    started, end = threading.Event(), threading.Event()

    def busy() -> None:
        started.set()
        while not end.is_set():
            time.sleep(0.001)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(seeded, 7, busy)
        started.wait(10)

        def interrupt(_: float) -> bool:
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(generator_lock._changed, "wait", interrupt)
            with pytest.raises(KeyboardInterrupt):
                seeded(8, draw)
        end.set()
        future.result(10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_forked_during_a_run_of_another_thread_is_not_seeded_and_does_not_hang(
    python: Any,
) -> None:
    script = """
import os, random, threading, warnings
import numpy as np
from funes._call.seeding import run_seeded
warnings.simplefilter("ignore")
random.seed(1); np.random.seed(1)
inside, end = threading.Event(), threading.Event()
def hold():
    random.random(); np.random.rand()
    inside.set(); end.wait()
thread = threading.Thread(target=run_seeded, args=(7, frozenset(), hold, (), {}))
thread.start(); inside.wait()
child = os.fork()
if not child:
    right = np.random.rand() == np.random.RandomState(1).rand()
    numbers = random.Random(7)
    right = right and random.random() not in (numbers.random(), numbers.random())
    right = right and run_seeded(8, frozenset(), random.random, (), {}) == random.Random(8).random()
    os._exit(0 if right else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
end.set(); thread.join()
print(random.random() == random.Random(1).random())
"""
    assert python("-c", script).stdout.split() == ["0", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_child_forked_within_a_run_continues_it(python: Any) -> None:
    script = """
import os, random
import numpy as np
from funes._call.seeding import run_seeded
np.random.seed(1)
def function():
    child = os.fork()
    nested = run_seeded(8, frozenset(), random.random, (), {})
    return child, nested, np.random.rand()
child, nested, own = run_seeded(7, frozenset(), function, (), {})
right = nested == random.Random(8).random() and own == np.random.RandomState(7).rand()
right = right and np.random.rand() == np.random.RandomState(1).rand()
if not child:
    os._exit(0 if right else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), right)
"""
    assert python("-c", script).stdout.split() == ["0", "True"]


# Coroutines


async def draw_slowly(times: int = 4) -> list[Any]:
    numbers = []
    for _ in range(times):
        numbers.append((random.random(), np.random.rand(), random.gauss(0, 1)))
        await asyncio.sleep(0)
    return numbers


def start(seed: int | None, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return run_seeded_async(seed, NOTHING, function, args, {}, **options)


def test_a_seeded_coroutine_draws_what_a_seeded_function_draws() -> None:
    assert asyncio.run(start(7, draw_slowly, 1)) == [
        seeded(7, lambda: (random.random(), np.random.rand(), random.gauss(0, 1)))
    ]


def test_concurrent_seeded_tasks_draw_what_they_draw_alone() -> None:
    alone = [asyncio.run(start(seed, draw_slowly)) for seed in range(5)]

    async def together() -> list[Any]:
        return await asyncio.gather(*(start(seed, draw_slowly) for seed in range(5)))

    assert asyncio.run(together()) == alone


def test_code_between_steps_sees_its_own_states() -> None:
    async def main() -> list[float]:
        task = asyncio.ensure_future(start(7, draw_slowly, 10))
        mine = []
        while not task.done():
            mine.append(random.random())
            await asyncio.sleep(0)
        return mine

    random.seed(3)
    mine = asyncio.run(main())
    numbers = random.Random(3)
    assert len(mine) > 5
    assert mine == [numbers.random() for _ in mine]


def test_seeded_tasks_may_be_nested_and_call_seeded_functions() -> None:
    async def outer(inner: bool) -> list[float]:
        first = random.random()
        if inner:
            assert await start(8, draw_slowly) == alone
            assert seeded(9, random.random) == random.Random(9).random()
        return [first, random.random()]

    alone = asyncio.run(start(8, draw_slowly))
    assert asyncio.run(start(7, outer, True)) == asyncio.run(start(7, outer, False))


def test_a_coroutine_without_a_seed_has_fresh_numbers() -> None:
    before = states()
    assert asyncio.run(start(None, draw_slowly)) != asyncio.run(start(None, draw_slowly))
    assert states() == before


def test_coroutine_exception_propagates_and_states_are_restored() -> None:
    async def fail() -> None:
        random.random()
        await asyncio.sleep(0)
        raise KeyError("mine")

    before = states()
    with pytest.raises(KeyError, match="mine"):
        asyncio.run(start(7, fail))
    assert states() == before


def test_cancelling_reaches_the_coroutine_which_may_clean_up_with_its_own_numbers() -> None:
    seen = []

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append(random.random())
            raise

    async def main() -> None:
        task = asyncio.ensure_future(start(7, wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    before = states()
    asyncio.run(main())
    assert seen == [random.Random(7).random()]
    assert states() == before


def test_asyncio_timeouts_work() -> None:
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(start(7, asyncio.sleep, 60), 0.01)

    asyncio.run(main())


@types.coroutine
def ask(question: object) -> Any:
    return (yield question)


def test_any_event_loop_can_drive_a_seeded_coroutine() -> None:
    """Yielded, sent and thrown values and `close` pass through, as trio and curio need."""
    log = []

    async def function() -> str:
        log.append(await ask("first"))
        try:
            await ask("second")
        except OSError as error:
            log.append(str(error))
        try:
            await ask("third")
        finally:
            log.append(random.random())

    before = states()
    coroutine = start(7, function)
    assert coroutine.send(None) == "first"
    assert coroutine.send("answer") == "second"
    assert coroutine.throw(OSError("thrown")) == "third"
    assert states() == before
    coroutine.close()
    assert log == ["answer", "thrown", random.Random(7).random()]
    assert states() == before


def test_all_awaitables_are_seeded() -> None:
    class Later:
        def __await__(self) -> Iterator[Any]:
            yield from asyncio.sleep(0).__await__()
            return random.random()

    assert asyncio.run(start(7, Later)) == random.Random(7).random()


def test_suspended_coroutine_does_not_own_the_generators() -> None:
    """A seeded coroutine waits for a seeded function in another thread."""

    async def outer() -> list[Any]:
        loop = asyncio.get_running_loop()
        first = random.random()
        inner = await loop.run_in_executor(None, seeded, 8, random.random)
        return [first, random.random(), inner]

    numbers = random.Random(7)
    begin = time.monotonic()
    assert asyncio.run(start(7, outer)) == [
        numbers.random(),
        numbers.random(),
        random.Random(8).random(),
    ]
    assert time.monotonic() - begin < generator_lock._THREAD_WAIT_SECONDS / 2


def test_loops_in_several_threads_do_not_mix() -> None:
    alone = [asyncio.run(start(seed, draw_slowly)) for seed in range(3)]

    def run(seed: int) -> list[Any]:
        return asyncio.run(start(seed, draw_slowly))

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, itertools.chain(range(3), range(3)))) == alone * 2


def test_problem_of_a_seeded_coroutine_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = torch_stand_in()
    torch.default_generator = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "torch", torch)
    reasons: list[str] = []
    asyncio.run(start(7, draw_slowly, on_problem=reasons.append))
    assert len(reasons) == 1
