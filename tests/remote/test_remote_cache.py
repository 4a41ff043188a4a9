"""A result that one machine has stored is a hit on another machine, and the bucket holds the files of the cache."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_s3
import pytest

import funes
from funes import memorious
from funes._remote import remote

Make = Callable[..., Any]
Printed = Callable[[], list[str]]


def test_a_result_of_one_machine_is_a_hit_on_another(
    server: fake_s3.FakeS3, machine: Make, printed: Printed
) -> None:
    here, there = machine("here"), machine("there")
    assert here(2) == 6
    assert funes.flush()
    assert there(2) == 6
    assert printed() == ["computing 2"]
    assert there.cache_info().disk_hits == 1
    there.cache_clear()
    server.requests.clear()
    assert there(2) == 6
    assert server.requests == []  # it is in the cache folder now


def test_objects_are_the_files_of_the_cache_folder(
    server: fake_s3.FakeS3, machine: Make, tmp_path: Path
) -> None:
    here, there = machine("here"), machine("there")
    here(2)
    assert funes.flush()
    folder = here.cache_path
    names = {
        f"team/{path.relative_to(tmp_path / 'here')}": path.read_bytes()
        for path in folder.iterdir()
        if path.name != ".lock"
    }
    assert {name: found.content for name, found in server.objects.items()} == names
    there(2)
    path = there.key(2).path
    assert path.read_bytes() == here.key(2).path.read_bytes()
    assert path.stat().st_mtime_ns == here.key(2).path.stat().st_mtime_ns
    content = json.loads((there.cache_path / "definition.json").read_text())
    assert content["functions"] == [here._identity]


def test_a_prefix_is_listed_once_and_missing_names_cost_no_request(
    server: fake_s3.FakeS3, machine: Make
) -> None:
    here = machine("here")
    for x in range(20):
        here(x)
    assert funes.flush()
    folder = f"team/triple/{here.definition}/"
    assert [each for each in server.requests if each[0] != "PUT"] == [("LIST", folder)]
    assert len(server.counted("PUT")) == 21  # the definition file is one of them


def test_a_listing_is_renewed_after_a_minute(
    server: fake_s3.FakeS3, machine: Make, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machine("here"), machine("there")
    there(1)
    here(2)
    assert funes.flush()
    monkeypatch.setattr(remote, "_remotes", {})  # another process of the other machine
    assert there(2) == 6
    assert printed() == ["computing 1", "computing 2"]
    now = time.monotonic()
    other = machine("other")
    assert other(1) == 3
    server.objects.clear()
    server.counted("LIST")
    monkeypatch.setattr(time, "monotonic", lambda: now + remote.LISTED_SECONDS + 1)
    assert other(2) == 6
    assert len(server.counted("LIST")) == 1
    assert printed() == ["computing 2"]


def test_equal_results_of_two_machines_are_one_object(
    server: fake_s3.FakeS3, machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machine("here"), machine("there")
    here(2)
    there(1)  # lists the bucket, perhaps before the object is there
    assert funes.flush()
    first = dict(server.objects)
    monkeypatch.setattr(remote, "_remotes", {})
    with funes.mode("refresh"):
        pass
    server.requests.clear()
    third = machine("third", single_flight=False)
    fault = server.fault

    def hidden(handler: fake_s3.Handler) -> bool:
        if "list-type" in handler.path:
            handler.answer(200, b"<ListBucketResult></ListBucketResult>")
            return True
        return False

    server.fault = hidden
    third(2)  # computed, since the listing did not show it
    assert funes.flush()
    server.fault = fault
    assert {name: server.objects[name].content for name in first} == {
        name: found.content for name, found in first.items()
    }


def test_calls_without_single_flight_ask_the_remote_cache(
    server: fake_s3.FakeS3, machine: Make, printed: Printed
) -> None:
    machine("here")(2)
    assert funes.flush()
    assert machine("there", single_flight=False)(2) == 6
    assert printed() == ["computing 2"]


def test_concurrent_calls_ask_once(server: fake_s3.FakeS3, machine: Make, printed: Printed) -> None:
    from concurrent.futures import ThreadPoolExecutor

    machine("here")(2)
    assert funes.flush()
    server.requests.clear()
    there = machine("there", memory=0)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(there, [2] * 32)) == [6] * 32
    assert len(server.counted("GET")) == 1
    assert printed() == ["computing 2"]


def test_coroutine_functions_use_the_remote_cache_without_blocking_their_loop(
    server: fake_s3.FakeS3, tmp_path: Path, printed: Printed
) -> None:
    def make(name: str) -> Any:
        @memorious(cache_dir=tmp_path / name, remote="s3://bucket")
        async def triple(x: int) -> int:
            print("computing", x)
            return 3 * x

        return triple

    assert asyncio.run(make("here")(2)) == 6
    assert funes.flush()
    asked, answered = [], asyncio.Event()

    async def main() -> int:
        loop = asyncio.get_running_loop()

        def fault(handler: fake_s3.Handler) -> bool:
            if handler.command == "GET" and "list-type" not in handler.path:
                asked.append(handler.name)
                # The loop runs while the request is under way.
                loop.call_soon_threadsafe(answered.set)
                asyncio.run_coroutine_threadsafe(answered.wait(), loop).result(10)
            return False

        server.fault = fault
        result: int = await make("there")(2)
        return result

    assert asyncio.run(main()) == 6
    assert len(asked) == 1
    assert printed() == ["computing 2"]


def test_a_refreshed_result_replaces_the_object(
    server: fake_s3.FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(name: str) -> Any:
        @memorious(cache_dir=tmp_path / name, remote="s3://bucket", files="ignore")
        def read(path: str) -> str:
            with open(path) as file:
                return file.read()

        return read

    path = tmp_path / "input"
    path.write_text("first")
    here = make("here")
    assert here(str(path)) == "first"
    path.write_text("second")
    assert here(str(path)) == "first"
    assert here.refresh(str(path)) == "second"
    assert funes.flush()
    assert make("there")(str(path)) == "second"


def test_an_expired_object_is_computed_again_and_replaced(
    server: fake_s3.FakeS3, machine: Make, printed: Printed
) -> None:
    here = machine("here", max_age=3600.0)
    here(2)
    assert funes.flush()
    name = next(name for name in server.names() if name.endswith(".dill"))
    stored = server.objects[name]
    assert int(stored.metadata["funes-stored"]) == here.key(2).path.stat().st_mtime_ns
    there = machine("there", max_age=3600.0)
    assert there(2) == 6
    assert printed() == ["computing 2"]
    stored.metadata["funes-stored"] = str(time.time_ns() - 7200 * 10**9)
    other = machine("other", max_age=3600.0)
    assert other(2) == 6
    assert other(2) == 6
    assert printed() == ["computing 2"]
    assert funes.flush()
    assert int(server.objects[name].metadata["funes-stored"]) > time.time_ns() - 3600 * 10**9


def test_a_newer_object_replaces_an_expired_entry(
    server: fake_s3.FakeS3, machine: Make, printed: Printed
) -> None:
    there = machine("there", max_age=3600.0, remote="")
    there(2)
    old = time.time() - 7200
    os.utime(there.key(2).path, (old, old))
    machine("here", max_age=3600.0)(2)
    assert funes.flush()
    assert printed() == ["computing 2", "computing 2"]
    again = machine("there", max_age=3600.0)
    assert again(2) == 6
    assert printed() == []


def test_results_of_other_file_contents_are_shared(
    server: fake_s3.FakeS3, tmp_path: Path, printed: Printed
) -> None:
    def make(name: str) -> Any:
        @memorious(cache_dir=tmp_path / name, remote="s3://bucket")
        def read(path: str) -> str:
            print("reading")
            with open(path) as file:
                return file.read()

        return read

    path = tmp_path / "input"
    path.write_text("first")
    assert make("here")(str(path)) == "first"
    assert funes.flush()
    path.write_text("other")
    there = make("there")
    assert there(str(path)) == "other"  # the object was computed from another content
    assert funes.flush()
    assert printed() == ["reading", "reading"]
    third = make("third")
    assert third(str(path)) == "other"
    path.write_text("first")
    assert make("fourth")(str(path)) == "first"
    assert printed() == []


def test_large_arguments_are_sent(server: fake_s3.FakeS3, tmp_path: Path) -> None:
    @memorious(cache_dir=tmp_path / "here", remote="s3://bucket", large_argument=100)
    def length(text: str) -> int:
        return len(text)

    length("x" * 1000)
    assert funes.flush()
    (name,) = (name for name in server.names() if name.startswith("objects/"))
    assert server.objects[name].content == (tmp_path / "here" / name).read_bytes()


def test_a_large_entry_is_sent_and_received_in_parts(
    server: fake_s3.FakeS3, tmp_path: Path, printed: Printed
) -> None:
    def make(name: str) -> Any:
        @memorious(cache_dir=tmp_path / name, remote="s3://bucket")
        def filled(count: int) -> bytes:
            print("computing")
            return b"x" * count

        return filled

    here, there = make("here"), make("there")
    here(20 << 20)
    assert funes.flush()
    assert [method for method, _ in server.requests].count("POST") == 2  # begun and completed
    assert there(20 << 20) == here(20 << 20)
    assert printed() == ["computing"]
    assert there.key(20 << 20).path.read_bytes() == here.key(20 << 20).path.read_bytes()


def test_modes_that_write_nothing_read_the_remote_cache(
    server: fake_s3.FakeS3, machine: Make, printed: Printed, tmp_path: Path
) -> None:
    machine("here")(2)
    assert funes.flush()
    server.counted("PUT")
    there = machine("there")
    with funes.mode("readonly"):
        assert there(2) == 6
        assert there(5) == 15
    with funes.mode("offline"):
        assert there(2) == 6
        with pytest.raises(funes.CacheMissError):
            there(5)
    assert printed() == ["computing 2", "computing 5"]
    assert not (tmp_path / "there").exists()
    assert funes.flush()
    assert server.counted("PUT") == []
    with funes.mode("off"):
        server.requests.clear()
        assert there(2) == 6
        assert server.requests == []


def test_a_folder_is_a_remote_cache(tmp_path: Path, machine: Make, printed: Printed) -> None:
    pytest.importorskip("obstore")
    url = f"file://{tmp_path}/shared folder"
    here, there = machine("here", remote=url), machine("there", remote=url)
    here(2)
    assert funes.flush()
    assert there(2) == 6
    assert printed() == ["computing 2"]
    here.refresh(2)
    assert funes.flush()
    shutil.rmtree(tmp_path / "there")
    path = next((tmp_path / "shared folder").rglob("*.dill"))
    path.write_bytes(b"damaged")
    there.cache_clear()
    with pytest.warns(funes.CacheWarning, match="too short"):
        assert there(2) == 6
    assert funes.flush()
    assert path.read_bytes() == there.key(2).path.read_bytes()
