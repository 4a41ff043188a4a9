"""Trust: signing keys, permissions, and links or other files at the path of an entry."""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning, load_cached_results, memorious

Printed = Callable[[], list[str]]

posix = pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")


def double_with(**options: Any) -> Any:
    @memorious(**options)
    def double(x: Any) -> Any:
        print(x)
        return x * 2

    return double


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_signed_entries_are_hits_only_with_the_key(cache: Path, printed: Printed) -> None:
    for _ in range(2):
        assert double_with(signing_key="ours")(21) == 42
    assert printed() == ["21"]
    for other in (double_with(signing_key=b"theirs"), double_with(signing_key="ours ")):
        with pytest.warns(CacheWarning, match="not signed with the key"):
            assert other(21) == 42
        assert printed() == ["21"]
        with pytest.warns(CacheWarning, match="not signed"):
            assert list(load_cached_results(other)) == []
    # Without a key no signature is checked, and the entry is still there.
    assert double_with()(21) == 42
    assert double_with(signing_key="ours")(21) == 42
    assert printed() == []


def test_environment_variable_sets_the_key(
    cache: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNES_SIGNING_KEY", "ours")
    double_with()(21)
    monkeypatch.delenv("FUNES_SIGNING_KEY")
    assert double_with(signing_key="ours")(21) == 42
    assert printed() == ["21"]


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_unsigned_entry_is_never_unpickled(
    size: int, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "trace"
    argument = "x" * size
    plain = double_with()
    store = plain._store
    key = plain.key(argument)
    entry = {"input": {"x": argument}, "output": Bomb(trace), "time": 0.0}
    store.write("double", key.definition, key.arguments, pickle.dumps(entry, 5))
    guarded = double_with(signing_key="ours")
    with pytest.warns(CacheWarning, match="not signed"):
        assert guarded(argument) == argument * 2
    with pytest.warns(CacheWarning, match="not signed"):
        assert list(load_cached_results(guarded)) == []
    assert not guarded.is_cached(argument)
    assert not trace.exists()
    plain(argument)
    assert trace.exists()  # proves that unpickling has an effect


def test_signed_entry_is_never_mapped(cache: Path) -> None:
    # Another process could change the mapped file after its signature was checked.
    np = pytest.importorskip("numpy")

    @memorious(signing_key="ours", memory=0)
    def ones(n: int) -> Any:
        return np.ones(n)

    ones(1 << 18)
    path = ones.key(1 << 18).path
    array = ones(1 << 18)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert array.sum() == 1 << 18
    with pytest.warns(CacheWarning, match="is damaged"):
        assert ones(1 << 18).sum() == 1 << 18


def test_signed_entry_at_another_path_is_a_miss(cache: Path, printed: Printed) -> None:
    double = double_with(signing_key="ours")
    double(1)
    shutil.copy(double.key(1).path, double.key(2).path)
    with pytest.warns(CacheWarning, match="is damaged"):
        assert double(2) == 4


def test_key_is_not_stored_in_the_cache(cache: Path) -> None:
    double = double_with(signing_key="hunter2hunter2")

    @memorious(signing_key="hunter2hunter2")
    def apply(function: Any, x: int) -> Any:
        return [function, function(x)]

    apply(double, 3)
    double("y")
    for path in cache.rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes(), path
    assert "hunter2" not in repr(double._options)


def test_function_without_its_key_reads_no_entry(cache: Path) -> None:
    double = double_with(signing_key="ours")

    @memorious(signing_key="ours")
    def same(function: Any) -> Any:
        return function

    same(double)
    stored = same(double)
    if stored is not double:
        with pytest.warns(CacheWarning, match="FUNES_SIGNING_KEY"):
            assert stored(4) == 8


def test_key_is_pickled_with_a_function_by_value(cache: Path) -> None:
    arrived = pickle.loads(pickle.dumps(double_with(signing_key="ours")))
    assert arrived._options.signing_key.reveal() == b"ours"


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
@pytest.mark.parametrize(("shared", "mode"), [(False, 0o700), (True, 0o770)])
def test_permissions_do_not_depend_on_umask(
    cache: Path, shared: bool, mode: int, umask: int
) -> None:
    double = double_with(shared=shared, large_argument=10)
    before = os.umask(umask)
    try:
        double("a large argument")
    finally:
        os.umask(before)
    made = list(cache.rglob("*"))
    assert any(path.parent.name == "objects" for path in made)
    assert any(path.name == "definition.json" for path in made)
    for path in [cache, *made]:
        expected = mode if path.is_dir() else mode & 0o666
        assert path.stat().st_mode & 0o777 == expected, path


@posix
def test_setgid_is_kept(cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o2770)
    double = double_with(shared=True)
    double(1)
    for folder in (double.cache_path, double.cache_path.parent):
        assert folder.stat().st_mode & 0o7777 == 0o2770


@posix
def test_non_file_at_the_path_of_an_entry_is_a_miss(cache: Path, tmp_path: Path) -> None:
    import socket

    double = double_with(memory=0)
    double(1)
    path = double.key(1).path
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    obstacles: list[Callable[[], Any]] = [
        lambda: path.symlink_to(elsewhere),
        lambda: path.symlink_to("nowhere"),
        lambda: path.symlink_to("/dev/zero"),
        lambda: os.mkfifo(path),
        path.mkdir,
    ]
    if os.geteuid() == 0:
        obstacles.append(lambda: os.mknod(path, 0o20600, os.makedev(1, 5)))
    for obstacle in obstacles:
        obstacle()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            assert double(1) == 2
            assert list(load_cached_results(double)) == []
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    with socket.socket(socket.AF_UNIX) as there:
        os.chdir(path.parent)  # the path of a socket must be short
        there.bind(path.name)
        assert double(1) == 2
