"""A model test of packed results: no returned result is lost, whatever packs, kills and copies come between.

Each run of the function returns another result, so that a result that is computed again is noticed. The model knows
for each cache and argument which results must be found, which may be, and which were deleted.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import models
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from funes import memorious
from funes._funes import close_segments
from funes._results.cache import open_cache
from funes._results.stored import StoredVersion

CONTEXT = multiprocessing.get_context("fork" if hasattr(os, "fork") else None)
ARGUMENTS = range(6)
KEYS = st.integers(0, ARGUMENTS[-1])
CACHES = st.integers(0, 1)

#: A call of a child process: its argument and its result.
Returned = tuple[int, str]


def functions(folder: Path) -> list[Any]:
    """Define a function three times: packed, packed without single flight, and in single files."""
    options: list[dict[str, Any]] = [{"packed": True}, {"packed": True, "single_flight": False}, {}]
    made = []
    for option in options:

        @memorious(cache_dir=folder, memory=0, **option)
        def draw(x: int) -> str:
            return f"{x} {os.urandom(8).hex()}"

        made.append(draw)
    return made


def call_in_child(folder: Path, which: int, keys: list[int], pipe: Connection) -> None:
    """Send each result as soon as the call has returned it."""
    warnings.simplefilter("ignore")
    draw = functions(folder)[which]
    for x in keys:
        pipe.send((x, draw(x)))


def look_in_child(folder: Path, pipe: Connection) -> None:
    """Send the stored result of each argument, as a new process finds it."""
    warnings.simplefilter("ignore")
    draw = functions(folder)[2]
    for x in ARGUMENTS:
        if draw.is_cached(x):
            pipe.send((x, draw(x)))


def verify_in_child(folder: Path, deleted: set[str], is_damaged: bool, pipe: Connection) -> None:
    """Verify everything, and read all entries."""
    assert is_damaged or not damages(folder)
    for version in versions(folder):
        for entry in version.entries():
            verified = entry.verify()
            # A listing does not read damaged records, which are none for any other use.
            if not is_damaged or verified.state != "absent":
                assert verified.is_sound, f"{entry}: {verified}"
                assert entry.load()["output"] not in deleted


def pack_in_child(folder: Path, is_pack: bool, pipe: Connection) -> None:
    """Pack or unpack all results."""
    pipe.send((0, ""))
    for version in versions(folder):
        version.pack() if is_pack else version.unpack()


def versions(folder: Path) -> list[StoredVersion]:
    if not folder.exists():
        return []
    return [version for each in open_cache(folder).functions() for version in each.versions()]


def damages(folder: Path) -> list[Any]:
    found = [damage for each in versions(folder) for _, _, damage in each.verify_packed()]
    return [damage for damage in found if damage]


class Child:
    """A forked process that sends results."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self.pipe, other = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=work, args=(*arguments, other))
        self.process.start()
        other.close()

    def received(self) -> Iterator[Returned]:
        """Yield what the process sends until it ends."""
        with suppress(EOFError):
            while True:
                yield self.pipe.recv()

    def end(self, may_be_killed: bool = False) -> list[Returned]:
        """Return what the process has sent after it has ended."""
        rest = [*self.received()]
        self.pipe.close()
        self.process.join(60)
        assert self.process.exitcode == 0 or may_be_killed
        return rest


class Cache:
    """A cache folder, and what must be in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.functions = functions(folder)
        #: One result of each set must be found.
        self.stored: dict[int, set[str]] = defaultdict(set)
        #: Results that may be found.
        self.possible: dict[int, set[str]] = defaultdict(set)
        #: Results that must not be found.
        self.deleted: set[str] = set()
        #: True if a file may have got another content under its name, which a process need not notice.
        self.is_changed = False
        self.is_damaged = False

    def files(self, *suffixes: str) -> list[Path]:
        every = self.folder.rglob("*")
        return sorted(path for path in every if path.is_file() and path.suffix in suffixes)

    def note(self, x: int, result: str, may_be_new: bool = False) -> None:
        """Check a result that a call has returned."""
        assert result.split(maxsplit=1)[0] == str(x)
        assert result not in self.deleted
        if result not in self.stored[x] | self.possible[x]:
            assert not self.stored[x] or may_be_new, f"{self.stored[x]} was lost"
        self.stored[x].add(result)

    def delete(self, x: int) -> None:
        self.deleted |= self.stored.pop(x, set()) | self.possible.pop(x, set())

    def look(self) -> dict[int, str]:
        return dict(Child(look_in_child, self.folder).end())

    def check(self) -> None:
        """Check what a new process finds."""
        there = self.look()
        for x in ARGUMENTS:
            assert x in there or not self.stored[x], f"{self.stored[x]} was lost"
        for x, result in there.items():
            self.note(x, result)
        Child(verify_in_child, self.folder, self.deleted, self.is_damaged).end()


class Model(RuleBasedStateMachine):
    """Two caches of one function."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="funes-packed-"))
        self.caches = [Cache(self.folder / name) for name in ("one", "two")]

    def teardown(self) -> None:
        close_segments()
        for cache in self.caches:
            cache.check()
        shutil.rmtree(self.folder, ignore_errors=True)

    @rule(number=CACHES, x=KEYS, which=st.integers(0, 2))
    def call(self, number: int, x: int, which: int) -> None:
        cache = self.caches[number]
        # Only a call with single flight looks for what other processes have stored within some milliseconds.
        cache.note(x, cache.functions[which](x), may_be_new=cache.is_changed or which > 0)

    @rule(number=CACHES, x=KEYS, which=st.integers(0, 2))
    def forget(self, number: int, x: int, which: int) -> None:
        cache = self.caches[number]
        if not cache.is_changed:
            cache.functions[which].forget(x)
            cache.delete(x)

    @rule(number=CACHES, x=KEYS, which=st.integers(0, 2))
    def refresh(self, number: int, x: int, which: int) -> None:
        cache = self.caches[number]
        if not cache.is_changed:
            result = cache.functions[which].refresh(x)
            cache.delete(x)
            cache.note(x, result)

    @rule(
        number=CACHES,
        keys=st.lists(KEYS, min_size=1, max_size=4),
        which=st.integers(0, 2),
        kill=st.booleans(),
    )
    def call_in_processes(self, number: int, keys: list[int], which: int, kill: bool) -> None:
        cache = self.caches[number]
        children = [Child(call_in_child, cache.folder, n, keys) for n in (which, 0)]
        if kill:
            first = next(children[0].received(), None)
            children[0].process.kill()
            returned = [first] if first else []
        else:
            returned = []
        for child in children:
            returned += child.end(may_be_killed=kill)
        # Without single flight, a result may be computed twice.
        before = {x: bool(cache.stored[x]) for x in ARGUMENTS}
        for x, result in returned:
            cache.note(x, result, may_be_new=not before[x])

    @rule()
    def close(self) -> None:
        close_segments()

    @rule(number=CACHES, is_pack=st.booleans())
    def pack(self, number: int, is_pack: bool) -> None:
        cache = self.caches[number]
        for version in versions(cache.folder):
            done = version.pack() if is_pack else version.unpack()
            assert done is not None
        # Damaged files are in the quarantine now, unless there was nothing to pack.
        cache.is_damaged &= bool(damages(cache.folder))
        cache.check()

    @rule(
        number=CACHES,
        is_pack=st.tuples(st.booleans(), st.booleans()),
        kill=st.booleans(),
        x=KEYS,
    )
    def pack_in_processes(
        self, number: int, is_pack: tuple[bool, bool], kill: bool, x: int
    ) -> None:
        cache = self.caches[number]
        children = [Child(pack_in_child, cache.folder, each) for each in is_pack]
        for child in children:
            next(child.received(), None)
        for argument in (x, *ARGUMENTS):
            if cache.stored[argument]:
                # A call that misses while its single file is being packed may compute the result again.
                cache.note(argument, cache.functions[0](argument), may_be_new=True)
        if kill:
            children[0].process.kill()
        for child in children:
            child.end(may_be_killed=kill)
        cache.check()

    @rule(number=CACHES, grows=st.booleans(), start=st.integers(0, 3))
    def merge(self, number: int, grows: bool, start: int) -> None:
        """Copy one cache into the other while a process appends to it."""
        source, target = self.caches[number], self.caches[1 - number]
        child = None
        if grows:
            keys = [*ARGUMENTS[start:], *ARGUMENTS] * 20
            child = Child(call_in_child, source.folder, 0, keys)
            source.note(*next(child.received()), source.is_changed)  # type: ignore[misc]
        stored = {x: set(results) for x, results in source.stored.items()}
        copy(source.folder, target.folder)
        if child:
            for returned in child.end():
                source.note(*returned, source.is_changed)
        deleted = source.deleted | target.deleted
        for x in ARGUMENTS:
            sure = stored.get(x, set()) | target.stored[x]
            target.possible[x] |= sure | source.stored[x] | source.possible[x]
            # Which of two files is kept is not known.
            target.stored[x] = sure if not sure & deleted else set()
        # A copy may bring back what was deleted, if a pack has dropped the tombstones.
        there = {x for each in (source.stored, source.possible) for x in chained(each.values())}
        target.deleted -= there
        target.is_changed = True
        target.is_damaged |= source.is_damaged
        target.check()

    @rule(number=CACHES, at=st.integers(0, 1 << 20), bit=st.integers(0, 7))
    def damage(self, number: int, at: int, bit: int) -> None:
        cache = self.caches[number]
        packs = cache.files(".pack")
        if not packs:
            return
        content = bytearray(packs[0].read_bytes())
        content[at % len(content)] ^= 1 << bit
        packs[0].write_bytes(content)
        cache.deleted = set()  # a tombstone may be damaged
        there = cache.look()
        lost = [x for x in ARGUMENTS if cache.stored[x] and x not in there]
        named = damages(cache.folder)
        assert named or not lost
        cache.is_damaged |= bool(named)
        for x in lost:
            cache.possible[x] |= cache.stored.pop(x)
        for x, result in there.items():
            cache.note(x, result, may_be_new=True)


def chained(sets: Iterable[set[str]]) -> set[str]:
    return {each for some in sets for each in some}


def copy(source: Path, target: Path) -> None:
    """Copy files as for a merge of caches: of two segments of a name, the longer is kept.

    Copies again if files got other names meanwhile.
    """
    before: list[Path] = []
    while before != (paths := sorted(source.rglob("*"))):
        before = paths
        for path in paths:
            with suppress(FileNotFoundError):
                copy_one(path, target / path.relative_to(source))


def copy_one(path: Path, there: Path) -> None:
    if path.is_dir():
        there.mkdir(parents=True, exist_ok=True)
    elif not there.exists() or (
        path.suffix == ".seg" and path.stat().st_size > there.stat().st_size
    ):
        shutil.copy2(path, there)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks and pipes of Unix")
@pytest.mark.slow
def test_no_packed_result_is_lost_by_packs_kills_and_copies(full: bool) -> None:
    models.run(Model, 8, 20, full=full)
