"""A model test: after any change of files by threads, processes and users, calls equal a dict."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import models
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from funes import load_cached_results, memorious
from funes._funes import close_segments
from funes._results.cache import open_cache

KEYS = st.integers(0, 4)
WHICH = st.integers(0, 5)
#: Sizes on both sides of the border between entries that are read and those that are mapped.
SIZES = (1, 3, 1000, 40_000, 400_000)


def value(x: int) -> list[bytes]:
    return [bytes([x]) * SIZES[x]]


def functions(folder: Path) -> list[Any]:
    """Define a function with several options: in memory, on disk, always verified, without waiting, packed."""
    options: list[dict[str, Any]] = [
        {},
        {"memory": 0},
        {"verify": "always", "memory": 0},
        {"single_flight": False},
        {"packed": True},
        {"packed": True, "memory": 0, "single_flight": False},
    ]
    made = []
    for option in options:

        @memorious(cache_dir=folder, large_argument=100, **option)
        def spell(x: int, padding: str) -> list[bytes]:
            return [bytes([x]) * (1, 3, 1000, 40_000, 400_000)[x]]

        made.append(spell)
    return made


PADDING = "stored apart " * 20


def call_in_child(folder: Path, keys: list[int], results: Any) -> None:
    warnings.simplefilter("ignore")
    spell = functions(folder)[1 if keys[0] % 2 else 5]
    results.put([spell(x, PADDING) == value(x) for x in keys])


class Model(RuleBasedStateMachine):
    """Compares with `value`, a function of the key that stands for a dict."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="funes-stress-"))
        self.cache = self.folder / "cache"
        self.functions = functions(self.cache)

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def files(self) -> list[Path]:
        return sorted(path for path in self.cache.rglob("*") if path.is_file())

    @rule(x=KEYS, which=WHICH)
    def call(self, x: int, which: int) -> None:
        result = self.functions[which](x, PADDING)
        assert result == value(x)
        result.append(b"the caller's")

    @rule(keys=st.lists(KEYS, min_size=2, max_size=6))
    def call_in_threads(self, keys: list[int]) -> None:
        with ThreadPoolExecutor(4) as pool:
            calls = [
                pool.submit(self.functions[n % len(self.functions)], x, PADDING)
                for n, x in enumerate(keys)
            ]
            assert [call.result(60) for call in calls] == [value(x) for x in keys]

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3), kill=st.booleans())
    def call_in_processes(self, keys: list[int], kill: bool) -> None:
        context = multiprocessing.get_context("fork")
        # A queue per process: a killed process may leave its queue locked.
        queues = [context.SimpleQueue() for _ in range(2)]
        children = [
            context.Process(target=call_in_child, args=(self.cache, keys, queue))
            for queue in queues
        ]
        for child in children:
            child.start()
        if kill:
            time.sleep(0.002 * len(keys))
            children[0].kill()  # it may have ended already
        for child in children:
            child.join(60)
        assert children[1].exitcode == 0
        assert queues[1].get() == [True] * len(keys)
        for queue in queues:
            queue.close()

    @rule(which=WHICH)
    def list_results(self, which: int) -> None:
        for entry in load_cached_results(self.functions[which]):
            assert entry["output"] == value(entry["input"]["x"])

    @rule(x=KEYS, which=WHICH)
    def forget(self, x: int, which: int) -> None:
        with suppress(IsADirectoryError):  # a folder in the way of the file is not deleted
            self.functions[which].forget(x, PADDING)
        assert not self.functions[which].is_cached(x, PADDING)

    @rule(is_pack=st.booleans(), close=st.booleans())
    def pack(self, is_pack: bool, close: bool) -> None:
        if close:
            close_segments()
        if not self.cache.exists():
            return
        for function in open_cache(self.cache).functions():
            for version in function.versions():
                # What is in the way of a file cannot be replaced.
                with suppress(OSError):
                    version.pack() if is_pack else version.unpack()

    @rule(number=st.integers(0, 50))
    def delete(self, number: int) -> None:
        files = self.files()
        if files:
            files[number % len(files)].unlink()

    @rule(
        number=st.integers(0, 50),
        at=st.integers(0, 1 << 20),
        bit=st.integers(0, 7),
        cut=st.booleans(),
    )
    def damage(self, number: int, at: int, bit: int, cut: bool) -> None:
        files = [path for path in self.files() if path.stat().st_size]
        if files:
            path = files[number % len(files)]
            content = bytearray(path.read_bytes())
            at %= len(content)
            content[at] ^= 1 << bit
            # Replaces the file, since changing a mapped file in place is not supported.
            (self.folder / "changed").write_bytes(content[:at] if cut else content)
            (self.folder / "changed").replace(path)

    @rule(number=st.integers(0, 50), other=st.integers(0, 50))
    def exchange(self, number: int, other: int) -> None:
        files = self.files()
        if files:
            one, two = files[number % len(files)], files[other % len(files)]
            shutil.copy(one, self.folder / "changed")
            (self.folder / "changed").replace(two)

    @rule(depth=st.integers(0, 3))
    def remove_a_folder(self, depth: int) -> None:
        folders = [self.cache, *sorted(path for path in self.cache.rglob("*") if path.is_dir())]
        shutil.rmtree(folders[depth % len(folders)], ignore_errors=True)

    @rule(depth=st.integers(0, 2))
    def put_something_in_the_way(self, depth: int) -> None:
        entries = [path for path in self.files() if path.suffix == ".dill"]
        if entries:
            path = entries[depth % len(entries)]
            path.unlink()
            kinds = path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero")
            kinds[depth]()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks and pipes of Unix")
@pytest.mark.slow
def test_calls_are_correct_after_any_change_of_files(
    full: bool,
) -> None:
    models.run(Model, 12, 25, full=full)
