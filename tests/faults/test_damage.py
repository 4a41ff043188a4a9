"""Damage to every file that funes stores: no wrong result, no error, and no call that hangs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

import pytest

from funes import load_cached_results, memorious

PADDING = "an argument that is stored apart " * 4

Change = Callable[[bytes], bytes]


def truncations(length: int) -> Iterator[tuple[str, Change]]:
    for kept in range(length):
        yield f"cut to {kept}", lambda whole, kept=kept: whole[:kept]


def flips(length: int, full: bool) -> Iterator[tuple[str, Change]]:
    # The full form flips each bit, the short form one bit of each byte.
    for position in range(length):
        for bit in range(8) if full else [position % 8]:

            def flip(whole: bytes, position: int = position, bit: int = bit) -> bytes:
                changed = whole[position] ^ 1 << bit
                return whole[:position] + bytes([changed]) + whole[position + 1 :]

            yield f"bit {bit} of byte {position} flipped", flip


def others() -> Iterator[tuple[str, Change]]:
    yield "garbage", lambda whole: os.urandom(len(whole))
    yield "zeros", lambda whole: bytes(len(whole))
    yield "something behind it", lambda whole: whole + b"\0"
    yield "something before it", lambda whole: b"\0" + whole
    yield "twice", lambda whole: whole * 2


class Stored:
    """A cache with two entries, whose files can be changed, tested and restored."""

    def __init__(self, cache: Path) -> None:
        @memorious(cache_dir=cache, memory=0, large_argument=64)
        def describe(number: int, padding: str) -> str:
            return f"{number} and {len(padding)}"

        self.describe = describe
        self.cache = cache
        self.right = {number: f"{number} and {len(PADDING)}" for number in (1, 2)}
        self.call()
        self.sound = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
        self.entries = sorted(Path(self.describe.cache_path).glob("*.dill"))

    def call(self) -> None:
        for number, result in self.right.items():
            assert self.describe(number, PADDING) == result

    def survives(self, what: str, path: Path) -> None:
        """Check that calls are correct and listings leave out at most the damaged file."""
        try:
            for entry in load_cached_results(self.describe):
                assert entry["output"] == self.right[entry["input"]["number"]]
            self.call()
            self.call()
        except BaseException as error:
            raise AssertionError(f"{path.name}: {what}") from error

    def restore(self) -> None:
        for path, content in self.sound.items():
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif os.path.lexists(path):
                path.unlink()
            path.write_bytes(content)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Stored(tmp_path / "cache")


def test_any_change_of_any_file(stored: Stored, full: bool) -> None:
    kinds = {path.suffix for path in stored.sound}
    assert {".dill", ".json"} <= kinds
    assert any("objects" in path.parts for path in stored.sound)
    for path, whole in stored.sound.items():
        changes = [truncations(len(whole)), flips(len(whole), full), others()]
        # definition.json only informs users: a sample of changes is enough.
        step = 1 if full or path.suffix == ".dill" else 16
        for what, change in islice(chain(*changes), 0, None, step):
            path.unlink(missing_ok=True)
            path.write_bytes(change(whole))
            stored.survives(what, path)
            if path in stored.entries:
                # The checksum covers every byte, so that every change is detected.
                (path.parent / "damaged" / path.name).unlink()
            stored.restore()


def test_entries_with_swapped_names_are_damaged(stored: Stored) -> None:
    first, second = stored.entries
    first.write_bytes(stored.sound[second])
    second.write_bytes(stored.sound[first])
    stored.survives("changed places", first)
    assert len(list(first.parent.glob("damaged/*.dill"))) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and links as POSIX has them")
def test_other_file_types_at_any_path(stored: Stored, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"text of the user")
    kinds: dict[str, Callable[[Path], object]] = {
        "gone": lambda _: None,
        "a folder": Path.mkdir,
        "a pipe": os.mkfifo,
        "a link": lambda path: path.symlink_to(elsewhere),
        "a link to itself": lambda path: path.symlink_to(path.name),
        "a dangling link": lambda path: path.symlink_to(tmp_path / "nothing"),
    }
    for path in stored.sound:
        for what, make in kinds.items():
            path.unlink()
            make(path)
            stored.survives(what, path)
            stored.restore()
    assert elsewhere.read_bytes() == b"text of the user"
