"""Values that are deep, large or changed by other threads get a hash or an error, never a crash."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from funes import hash_value

SMALL_STACKS = """
import collections, functools, os, threading, types
from funes import UnhashableArgumentError, hash_value

class Plain:
    def __init__(self, part): self.part = part

class Reduced(Plain):
    def __reduce__(self): return Reduced, (self.part,)

class Keyed(Plain):
    def __funes_key__(self): return self.part

class Again(Plain):
    def __funes_key__(self): return hash_value(self.part)

def nested(depth, make):
    value = 1
    for _ in range(depth):
        value = make(value)
    return value

makers = [
    lambda it: [it], lambda it: (it,), lambda it: {"a": it}, lambda it: collections.deque([it]),
    lambda it: types.SimpleNamespace(a=it), lambda it: functools.partial(int, it), lambda it: ValueError(it),
    Plain, Reduced, Keyed, Again,
]
values = [nested(depth, make) for make in makers for depth in (20, 300, 890, 3000)]
values.append(nested(100_000, lambda it: [it]))

def hash_all():
    for value in values:
        try:
            assert len(hash_value(value)) == 40
            outcomes.add("hash")
        except UnhashableArgumentError as error:
            assert "deep" in str(error) or "recursion" in str(error), error
            outcomes.add("error")

for make in makers:
    hash_value(make(1))  # imports modules, which Python 3.14 cannot compile on the smallest stack
for size in (64, 128, 256, 1024, 8192):
    outcomes = set()
    threading.stack_size(size << 10)
    thread = threading.Thread(target=hash_all)
    thread.start()
    thread.join()
    print(size, *sorted(outcomes), flush=True)
os._exit(0)  # the interpreter takes deep values apart by recursion, which is its own affair
"""


@pytest.mark.slow
def test_deep_values_are_hashed_or_refused_on_stacks_of_every_size(
    run_python: Callable[..., str],
) -> None:
    lines = run_python(SMALL_STACKS).splitlines()
    assert lines == [f"{size} error hash" for size in (64, 128, 256, 1024, 8192)]


def test_other_threads_run_while_a_large_buffer_is_hashed() -> None:
    array = np.zeros(1 << 23)  # 64 MiB, about 10 ms
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        for _ in range(200):
            begin = time.perf_counter()
            hash_value(array)
            end = time.perf_counter()
            # If the interpreter lock is held, no tick can be counted meanwhile.
            if any(begin + 0.001 < at < end - 0.001 for at in ticks):
                return
    finally:
        done.set()
        thread.join()
    raise AssertionError("no other thread ran")


def test_containers_changed_by_threads_are_hashed_or_refused(
    run_python: Callable[..., str],
) -> None:
    assert run_python(CHANGING).split() == ["list", "dict", "object", "deque", "bytearray"]


CHANGING = """
import collections, itertools, sys, threading
from funes import UnhashableArgumentError, hash_value

sys.setswitchinterval(1e-6)

class Part:
    def __init__(self, number): self.number = number
    def __reduce__(self): return Part, (self.number,)  # Python code, in which other threads get their turn

class Plain:
    pass

def swap(add, remove):
    add()
    remove()

made_list, made_dict, made_object = [Part(i) for i in range(50)], {i: Part(i) for i in range(50)}, Plain()
vars(made_object).update({f"a{i}": Part(i) for i in range(50)})
made_deque, made_bytes = collections.deque(made_list), bytearray(1 << 17)
numbers = itertools.count(50)
changes = {
    "list": (made_list, lambda: swap(lambda: made_list.append(Part(0)), made_list.pop)),
    "dict": (made_dict, lambda: swap(lambda: made_dict.update({next(numbers): Part(0)}), made_dict.popitem)),
    "object": (made_object, lambda: swap(lambda: setattr(made_object, "b", 1), lambda: delattr(made_object, "b"))),
    "deque": (made_deque, lambda: swap(lambda: made_deque.append(Part(0)), made_deque.popleft)),
    "bytearray": (made_bytes, lambda: swap(lambda: made_bytes.extend(b"x"), made_bytes.pop)),
}
for name, (value, change) in changes.items():
    stop = threading.Event()
    def work():
        while not stop.is_set():
            try:
                change()
            except BufferError:  # it is being hashed
                pass
    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(200):
        try:
            assert len(hash_value(value)) == 40
        except UnhashableArgumentError as error:
            assert "changed" in str(error) or "mutated" in str(error), error
    stop.set()
    thread.join()
    print(name)
"""
