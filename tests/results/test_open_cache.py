"""`open_cache`: listing, verification and deletion without the code of the functions."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funes import (
    CacheWarning,
    DamagedEntryError,
    FunesError,
    load_cached_results,
    memorious,
    open_cache,
)
from funes._entries import large_arguments
from funes.types import StoredEntry, StoredFunction, StoredVersion

pytestmark = pytest.mark.usefixtures("cache")

posix = pytest.mark.skipif(os.name != "posix", reason="links and permissions as POSIX has them")


def only_version(cache: Path, **options: Any) -> StoredVersion:
    (function,) = open_cache(cache, **options).functions()
    (version,) = function.versions()
    return version


def only_entry(cache: Path) -> StoredEntry:
    (entry,) = only_version(cache).entries()
    return entry


def functions_of(cache: Path, folder: str) -> list[StoredFunction]:
    return [each for each in open_cache(cache).functions() if each.folder.name == folder]


def store_at(memo: Any, second: int, *args: Any) -> Path:
    memo(*args)
    path: Path = memo.key(*args).path
    os.utime(path, (second, second))
    return path


# Listing


def test_functions_versions_and_entries_are_listed(double: Any, cache: Path) -> None:
    @memorious
    def another(x: int) -> int:
        return x

    another(1)
    paths = [store_at(double, second, second) for second in (10, 20, 30)]
    opened = open_cache(cache)
    assert opened.path == cache
    assert [function.name for function in opened.functions()] == ["another", "double"]
    function = opened.function("double")
    assert function.folder == cache / "double"
    (version,) = function.versions()
    assert version.definition == double.definition
    assert version.folder == double.cache_path
    assert version.function is function
    summary = version.summary
    assert (summary.entries, summary.bytes) == (3, sum(path.stat().st_size for path in paths))
    assert summary.first == datetime(1970, 1, 1, 0, 0, 10, tzinfo=timezone.utc)
    assert summary.last == datetime(1970, 1, 1, 0, 0, 30, tzinfo=timezone.utc)
    entries = sorted(version.entries(), key=lambda entry: entry.stored)
    assert [entry.path for entry in entries] == paths
    assert [entry.input for entry in entries] == [{"x": 10}, {"x": 20}, {"x": 30}]
    assert [entry.load()["output"] for entry in entries] == [20, 40, 60]
    assert entries[0].arguments == double.key(10).arguments
    assert version.seconds() == pytest.approx(sum(entry.time for entry in entries))
    assert version.description is not None
    assert version.description["nodes"][0]["kind"] == "function"


def test_version_with_latest_result_comes_first(cache: Path) -> None:
    def define(factor: int) -> Any:
        @memorious
        def scale(x: int) -> int:
            return factor * x

        return scale

    old, new = define(2), define(3)
    store_at(new, 20, 1)
    store_at(old, 10, 1)
    versions = open_cache(cache).function("scale").versions()
    assert [version.definition for version in versions] == [new.definition, old.definition]


def test_versions_and_entries_are_found_by_prefix(double: Any, cache: Path) -> None:
    double(1)
    double(2)
    function = open_cache(cache).function("double")
    version = function.version(double.definition[:6])
    assert version.definition == double.definition
    arguments = double.key(2).arguments
    assert version.entry(arguments[:12]).input == {"x": 2}
    with pytest.raises(KeyError, match="there is no version 'zz'"):
        function.version("zz")
    with pytest.raises(KeyError, match="give more digits"):
        version.entry("")
    with pytest.raises(KeyError, match=r"no function 'trouble' in .*; there are .*double"):
        open_cache(cache).function("trouble")


def test_other_files_and_folders_are_not_listed(double: Any, cache: Path) -> None:
    double(1)
    for folder in ("notes", "objects", "other/not-a-hash"):
        (cache / folder).mkdir(parents=True)
    (cache / "README").write_text("mine")
    (double.cache_path / "notes.txt").write_text("mine")
    (double.cache_path / f"{'0' * 40}.dill").mkdir()
    assert only_entry(cache).input == {"x": 1}


def test_default_cache_is_that_of_functions(
    double: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double(1)
    assert open_cache().path == cache
    assert open_cache("cache").path == cache
    monkeypatch.delenv("FUNES_CACHE_DIR")
    assert open_cache().path == cache
    with pytest.raises(FileNotFoundError):
        open_cache(cache / "missing")
    with pytest.raises(NotADirectoryError):
        open_cache(double.key(1).path)
    with pytest.raises(TypeError, match="signing_key must be a string or bytes, and not empty"):
        open_cache(signing_key="")
    with pytest.raises(ValueError, match="verify must be"):
        open_cache(verify="sometimes")


def test_names_that_folders_cannot_have_are_restored(cache: Path) -> None:
    def make() -> list[Any]:
        def objects(x: int) -> int:
            return x

        dotted = memorious(lambda x: x)
        objects.__name__ = objects.__qualname__ = "a.b"
        return [dotted, memorious(objects)]

    functions = make()
    for function in functions:
        function(1)
    opened = open_cache(cache)
    assert [function.name for function in opened.functions()] == ["<lambda>", "a.b"]
    for function in opened.functions():
        (version,) = function.versions()
        (entry,) = version.entries()
        assert entry.verify().is_sound
        assert entry.input == {"x": 1}


def test_entry_with_unknown_function_name_is_listed_but_not_read(cache: Path) -> None:
    @memorious
    def named(x: int) -> int:
        return x

    named.__wrapped__.__name__ = "a.b"
    named(1)
    (named.cache_path / "definition.json").unlink()
    entry = only_entry(cache)
    assert entry.version.function.name == named.cache_path.parent.name
    assert entry.verify().state == "unreadable"
    with pytest.raises(FunesError, match=r"definition\.json beside it does not record it"):
        entry.load()
    assert entry.remove()


@posix
def test_functions_that_share_a_folder_are_separated(cache: Path) -> None:
    """`F` and `f` share a folder on file systems that ignore case."""

    @memorious
    def lower(x: int) -> int:
        return x

    @memorious
    def Lower(x: int) -> int:  # noqa: N802 - that is the point
        return -x

    lower(1)
    Lower(1)
    Lower.cache_path.rename(lower.cache_path.parent / Lower.definition)
    (cache / "Lower").rmdir()
    (cache / "Lower").symlink_to(cache / "lower")
    (function,) = (each for each in functions_of(cache, "lower") if each.name == "lower")
    (other,) = (each for each in functions_of(cache, "lower") if each.name == "Lower")
    for version in (*function.versions(), *other.versions()):
        assert [entry.verify().state for entry in version.entries()] == ["found"]
    assert [result["output"] for result in function.results()] == [1]
    assert [result["output"] for result in other.results()] == [-1]
    assert [r["output"] for r in load_cached_results(lower, versions="all")] == [1]


def test_listing_imports_no_user_code_but_reading_does(
    cache: Path, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    (tmp_path / "shop.py").write_text(
        "from funes import memorious\n"
        "class Apple: ...\n"
        "@memorious\n"
        "def buy(what):\n"
        "    return Apple()\n"
    )
    run_python("import shop\nshop.buy(shop.Apple())\n")
    output = run_python(
        "import sys\n"
        "from funes import open_cache\n"
        "for function in open_cache('cache').functions():\n"
        "    for version in function.versions():\n"
        "        print(function.name, version.summary.entries, version.description['nodes'][0]['name'])\n"
        "        for entry in version.entries():\n"
        "            print(entry.verify().state, entry.time >= 0, 'shop' in sys.modules)\n"
        "            print(type(entry.input['what']).__name__, 'shop' in sys.modules)\n"
    )
    assert output.splitlines() == ["buy 1 shop.buy", "found True False", "Apple True"]


# Verifying


def test_verify_distinguishes_states(double: Any, cache: Path) -> None:
    double(1)
    path: Path = double.key(1).path
    content = path.read_bytes()
    entry = only_entry(cache)
    assert entry.verify() == ("found", "")
    path.write_bytes(content[:5] + bytes([content[5] ^ 1]) + content[6:])
    verdict = entry.verify()
    assert verdict.state == "damaged"
    assert "checksum" in verdict.text
    assert not verdict.is_sound
    with pytest.raises(DamagedEntryError):
        entry.load()
    newer = (7).to_bytes(4, "little") + (~7 & 0xFFFFFFFF).to_bytes(4, "little")
    path.write_bytes(content[:-16] + newer + content[-8:])
    assert entry.verify().state == "format"
    path.write_bytes(content)
    (foreign,) = open_cache(cache, signing_key="secret").function("double").versions()[0].entries()
    assert foreign.verify().state == "foreign"
    with pytest.raises(PermissionError):
        foreign.input  # noqa: B018 - the property raises
    path.unlink()
    assert entry.verify().state == "absent"
    with pytest.raises(FileNotFoundError, match="has been deleted"):
        entry.time  # noqa: B018 - the property raises


@posix
def test_file_that_cannot_be_opened_is_unreadable(double: Any, cache: Path) -> None:
    import resource

    double(1)
    entry = only_entry(cache)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        verdict = entry.verify()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert verdict.state == "unreadable"
    assert "Too many open files" in verdict.text
    assert entry.verify().is_sound


def test_signed_cache_is_verified_with_its_key(cache: Path) -> None:
    @memorious(signing_key="secret")
    def signed(x: int) -> int:
        return x

    signed(1)
    (entry,) = open_cache(cache, signing_key=b"secret").functions()[0].versions()[0].entries()
    assert entry.verify().is_sound
    assert entry.input == {"x": 1}


def test_verify_reads_every_byte_each_time(cache: Path) -> None:
    @memorious
    def large(x: int) -> Any:
        return np.zeros(1 << 20, dtype=np.uint8)

    large(1)
    entry = only_entry(cache)
    assert entry.verify().is_sound
    assert entry.load()["output"].nbytes == 1 << 20
    with open(entry.path, "r+b") as file:
        file.seek(1 << 19)
        file.write(b"\x01")
    assert entry.verify().state == "damaged"
    assert only_version(cache, verify="never").seconds() > 0
    assert only_version(cache, verify="always").seconds() == 0


def test_seconds_skips_unreadable_entries(double: Any, cache: Path) -> None:
    double(1)
    double(2)
    version = only_version(cache)
    expected = version.entry(double.key(2).arguments).time
    double.key(1).path.write_bytes(b"")
    assert version.seconds() == expected


# Large arguments and quarantined files


def test_large_arguments_and_quarantined_files_are_listed(cache: Path) -> None:
    @memorious(large_argument=1000)
    def size(data: bytes) -> int:
        return len(data)

    data = bytes(5000)
    size(data)
    (stored,) = open_cache(cache).objects()
    assert stored.path.parent == cache / "objects"
    assert stored.bytes == stored.path.stat().st_size
    assert stored.load() == data
    assert stored.verify().is_sound
    assert only_entry(cache).input == {"data": data}

    size.key(data).path.write_bytes(b"")
    size.cache_clear()
    with pytest.warns(CacheWarning):
        size(data)
    (damaged,) = only_version(cache).damaged()
    assert damaged.path.parent.name == "damaged"
    assert damaged.bytes == 0
    stored.path.write_bytes(b"")
    assert stored.verify().state == "damaged"
    with pytest.raises(DamagedEntryError):
        stored.load()
    paths = {file.path for file in open_cache(cache).damaged()}
    assert paths == {damaged.path, cache / "objects" / "damaged" / stored.path.name}
    assert all(file.remove() for file in open_cache(cache).damaged())
    assert list(open_cache(cache).damaged()) == []


def test_old_large_arguments_without_references_are_unused(cache: Path) -> None:
    @memorious(large_argument=1000)
    def size(data: bytes, n: int) -> int:
        return len(data) + n

    shared, single = bytes(5000), bytes(6000)
    size(shared, 1)
    size(shared, 2)
    size(single, 3)
    opened = open_cache(cache)
    objects = {stored.load(): stored for stored in opened.objects()}
    entries = {entry.input["n"]: entry for entry in only_version(cache).entries()}
    assert entries[1].objects == entries[2].objects == {objects[shared].hash}
    entries[1].remove()
    entries[3].remove()
    assert opened.unused_objects() == []
    for stored in objects.values():
        os.utime(stored.path, (0, 0))
    assert [stored.hash for stored in opened.unused_objects()] == [objects[single].hash]
    entries[2].path.write_bytes(b"")
    assert len(opened.unused_objects()) == 2


def test_unreadable_entry_keeps_all_large_arguments(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @memorious(large_argument=1000)
    def size(data: bytes) -> int:
        return len(data)

    size(bytes(5000))
    (stored,) = open_cache(cache).objects()
    os.utime(stored.path, (0, 0))
    assert open_cache(cache, signing_key="another key").unused_objects() == []

    def refuse(path: str) -> Iterator[str]:
        raise PermissionError(13, "refused", path)

    monkeypatch.setattr(large_arguments, "named_in", refuse)
    with pytest.raises(PermissionError):
        open_cache(cache).unused_objects()


def test_references_are_found_at_any_offset(tmp_path: Path) -> None:
    path = tmp_path / "entry"
    name = b"<in objects/" + b"0123456789" * 4 + b".dill: "
    piece = large_arguments._CHUNK_BYTES
    for before in (0, 1, piece - len(name), piece - len(name) + 1, piece - 1, piece, 2 * piece - 9):
        path.write_bytes(bytes(before) + name + bytes(100))
        assert set(large_arguments.named_in_file(str(path))) == {"0123456789" * 4}


# Deleting


def test_entry_is_deleted_once(double: Any, cache: Path) -> None:
    double(1)
    double(2)
    entry = only_version(cache).entry(double.key(1).arguments)
    assert entry.remove()
    assert not entry.remove()
    assert [entry.input for entry in only_version(cache).entries()] == [{"x": 2}]


def test_version_is_deleted_with_all_files_of_funes(double: Any, cache: Path) -> None:
    double(1)
    double(2)
    double.key(1).path.write_bytes(b"")
    double.cache_clear()
    with pytest.warns(CacheWarning):
        double(1)
    folder: Path = double.cache_path
    (folder / ".tmp-left").write_text("half")
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    removed = only_version(cache).remove()
    assert removed == (len(sizes), sum(sizes))
    assert not folder.exists()
    assert folder.parent.exists()
    assert open_cache(cache).functions() == []


def test_user_files_stay_with_their_folders(double: Any, cache: Path) -> None:
    double(1)
    shutil.rmtree(cache / "runs")
    mine = [double.cache_path / "notes.txt", double.cache_path.parent / "plot.png"]
    for path in mine:
        path.write_text("mine")
    removed = open_cache(cache).function("double").remove()
    assert removed.files >= 1
    left = [path for path in cache.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(mine)


def test_function_is_deleted_with_its_folder(double: Any, cache: Path) -> None:
    double(1)
    function = open_cache(cache).function("double")
    function.remove()
    assert [path.name for path in cache.iterdir()] == ["runs"]
    assert function.remove() == (0, 0)
    assert list(function.results()) == []


@posix
def test_nothing_is_deleted_behind_a_link(double: Any, cache: Path, tmp_path: Path) -> None:
    double(1)
    elsewhere = tmp_path / "elsewhere"
    double.cache_path.parent.rename(elsewhere)
    (cache / "double").symlink_to(elsewhere)
    entry = only_entry(cache)
    assert entry.input == {"x": 1}
    for remove in (entry.remove, entry.version.remove, entry.version.function.remove):
        with pytest.raises(OSError, match="is a link"):
            remove()
    assert entry.verify().is_sound

    (cache / "double").unlink()
    elsewhere.rename(cache / "double")
    target = tmp_path / "target"
    target.write_text("mine")
    (double.cache_path / f"{'1' * 40}.dill").symlink_to(target)
    (double.cache_path / "damaged").symlink_to(tmp_path)
    only_version(cache).remove()
    assert target.read_text() == "mine"
    assert sorted(os.listdir(double.cache_path)) == [f"{'1' * 40}.dill", "damaged"]


@posix
def test_cache_folder_can_be_a_link(double: Any, cache: Path, tmp_path: Path) -> None:
    double(1)
    cache.rename(tmp_path / "disk")
    cache.symlink_to(tmp_path / "disk")
    open_cache(cache).function("double").remove()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["runs"]


def test_reprs(double: Any, cache: Path) -> None:
    double(1)
    entry = only_entry(cache)
    assert repr(open_cache(cache)) == f"<Cache {cache}>"
    assert repr(entry.version.function) == f"<StoredFunction double in {cache}>"
    assert repr(entry.version) == f"<StoredVersion {double.definition[:12]} of double>"
    assert repr(entry) == f"<StoredEntry {entry.path}, {entry.bytes} bytes>"


def test_import_funes_does_not_load_entries(run_python: Callable[..., str]) -> None:
    output = run_python("import sys, funes\nprint('funes._entries' in sys.modules)\n")
    assert output.split() == ["False"]


def test_property_takes_no_lock_that_a_forked_child_would_lack(cache: Path) -> None:
    @memorious
    def f(x: int) -> int:
        return x

    f(1)
    first, second = open_cache(cache).functions()[0], open_cache(cache).functions()[0]
    begun, go_on = threading.Event(), threading.Event()

    class Identity(str):
        """A text that takes time: another thread computes a property, as if this process were its forked child."""

        def rpartition(self, separator: str, /) -> tuple[str, str, str]:
            begun.set()
            assert go_on.wait(60)
            return super().rpartition(separator)

    first._identity = Identity(first._identity)
    for function in (first, second):
        vars(function).pop("name")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: first.name)
        assert begun.wait(60)
        with ThreadPoolExecutor(1) as another:
            try:
                assert another.submit(lambda: second.name).result(60) == "f"
            finally:
                go_on.set()
        assert slow.result(60) == "f"
