"""Threads call functions while another thread changes what they read: no call returns a number of another time.

A writer sets each kind of state to a growing number. A call must return a number that the state had between the
beginning and the end of the call. At the end, each number is set once more, and what is stored for it is compared.

    python tests/faults/storm.py [SECONDS] [THREADS]
"""

from __future__ import annotations

import faulthandler
import gc
import os
import random
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from funes import load_cached_results, memorious

ARGUMENTS = 12
MEMORY = 48 << 10

GLOBAL = 0
LIST = [0]
SETTINGS = {"number": 0, "other": 1}


class Base:
    """A class whose attribute counts in the derived class, too."""

    number = 0


class Derived(Base):
    """A class without attributes."""


class Settings:
    """An object with an attribute."""

    number = 0


OBJECT = Settings()


def helper() -> int:
    return 0


def helper_of(number: int) -> Callable[[], int]:
    def helper() -> int:
        return number

    return helper


def of_global(x: int) -> int:
    return GLOBAL


def of_class(x: int) -> int:
    return Base.number


def of_derived(x: int) -> int:
    return Derived.number


def of_helper(x: int) -> int:
    return helper()


def of_list(x: int) -> int:
    return LIST[0]


def of_dict(x: int) -> int:
    return SETTINGS["number"]


def of_object(x: int) -> int:
    return OBJECT.number


def set_global(number: int) -> None:
    global GLOBAL
    GLOBAL = number


def set_helper(number: int) -> None:
    global helper
    helper = helper_of(number)


def cell() -> tuple[Any, Callable[[int], None]]:
    """Returns a function that returns a captured variable, and one that sets it."""
    captured = 0

    def of_cell(x: int) -> int:
        return captured

    def set_cell(number: int) -> None:
        nonlocal captured
        captured = number

    return of_cell, set_cell


OF_CELL, SET_CELL = cell()

#: By name: what returns a number, and what sets it.
STATES: dict[str, tuple[Callable[[int], int], Callable[[int], None]]] = {
    "global": (of_global, set_global),
    "class": (of_class, lambda number: setattr(Base, "number", number)),
    "derived class": (of_derived, lambda number: setattr(Base, "number", number)),
    "helper": (of_helper, set_helper),
    "list": (of_list, lambda number: LIST.__setitem__(0, number)),
    "dict": (of_dict, lambda number: SETTINGS.__setitem__("number", number)),
    "object": (of_object, lambda number: setattr(OBJECT, "number", number)),
    "cell": (OF_CELL, SET_CELL),
}


class Storm:
    """Threads that call, and threads that disturb them, for some seconds."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        self.mistakes: list[str] = []
        self.memos = {name: memorious(function) for name, (function, _) in STATES.items()}
        self.last = 0

        @memorious
        def mutable(x: int) -> list[Any]:
            return [x, {"double": 2 * x}]

        @memorious(memory=MEMORY)
        def evicted(x: int) -> bytes:
            return bytes(400) + str(x).encode()

        self.mutable, self.evicted = mutable, evicted

    def mistake(self, *what: object) -> None:
        self.mistakes.append(" ".join(map(str, what)))

    def write(self) -> None:
        """Sets all states to the next number, again and again."""
        while time.monotonic() < self.end:
            self.last += 1
            for _, set_number in STATES.values():
                set_number(self.last)
                time.sleep(0.0005)
            time.sleep(0.01)

    def call_state(self, random_: random.Random) -> None:
        name = random_.choice([*STATES])
        read, x = STATES[name][0], random_.randrange(ARGUMENTS)
        for _ in range(20):
            before = read(x)
            found = self.memos[name](x)
            after = read(x)
            if not before <= found <= after:
                self.mistake(
                    name, x, "is between", before, "and", after, "but the call returned", found
                )

    def call_mutable(self, random_: random.Random) -> None:
        x = random_.randrange(200)
        found = self.mutable(x)
        if found != [x, {"double": 2 * x}]:
            self.mistake("a caller got", found, "for", x)
        found[1]["double"] = None
        found.append("the caller's")

    def call_evicted(self, random_: random.Random) -> None:
        x = random_.randrange(3000)
        if self.evicted(x) != bytes(400) + str(x).encode():
            self.mistake("wrong bytes for", x)

    def disturb(self, random_: random.Random) -> None:
        x = random_.randrange(ARGUMENTS)
        memo = random_.choice([*self.memos.values(), self.mutable, self.evicted])
        work = random_.choice(["clear", "forget", "ask", "collect", "list"])
        if work == "clear":
            memo.cache_clear()
        elif work == "forget":
            memo.forget(x)
        elif work == "ask":
            memo.is_cached(x)
            memo.cache_info()
            memo.key(x)
        elif work == "collect":
            gc.collect()
        else:
            for number, entry in enumerate(load_cached_results(self.mutable)):
                x = entry["input"]["x"]
                if entry["output"] != [x, {"double": 2 * x}]:
                    self.mistake("a stored entry is", entry)
                if number > ARGUMENTS:
                    break

    def work(self, seed: int) -> None:
        random_ = random.Random(seed)
        calls = [self.call_state, self.call_mutable, self.call_evicted]
        while time.monotonic() < self.end and len(self.mistakes) < 10:
            for do in [*(random_.choice(calls) for _ in range(60)), self.disturb]:
                try:
                    do(random_)
                except Exception:
                    self.mistake(traceback.format_exc())
                self.counts[do.__name__] += 1

    def look_back(self) -> None:
        """Sets the last numbers once more, and compares what is stored."""
        for number in range(max(self.last - 20, 0), self.last + 1):
            for name, (_, set_number) in STATES.items():
                set_number(number)
                for x in range(ARGUMENTS):
                    found = self.memos[name](x)
                    if found != number:
                        self.mistake(
                            name, x, "is", number, "but afterwards the call returned", found
                        )

    def run(self, threads: int) -> None:
        running = [threading.Thread(target=self.write)]
        running += [threading.Thread(target=self.work, args=(seed,)) for seed in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        self.look_back()


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    # A deadlock ends with the stacks of all threads.
    faulthandler.enable()
    faulthandler.dump_traceback_later(seconds + 600, exit=True)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FUNES_CACHE_DIR"] = folder
        storm = Storm(seconds)
        storm.run(threads)
    for mistake in storm.mistakes[:10]:
        print(mistake)
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(
        f"{sum(storm.counts.values())} calls, {storm.last} states, {len(storm.mistakes)} mistakes,",
        "with" if has_lock else "without",
        "the interpreter lock",
    )
    return bool(storm.mistakes)


if __name__ == "__main__":
    sys.exit(main())
