"""Packed results are exchanged as whole segments and packs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_s3
import pytest

import funes
from funes._funes import close_segments, pack
from funes._remote import remote

Make = Callable[..., Any]
Printed = Callable[[], list[str]]


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Returns a function that forgets what this process knows of buckets."""
    return lambda: monkeypatch.setattr(remote, "_remotes", {})


def test_packed_results_are_few_objects_and_hits_elsewhere(
    server: fake_s3.FakeS3, machine: Make, printed: Printed, another_process: Callable[[], None]
) -> None:
    here, there = machine("here", packed=True), machine("there", packed=True)
    assert [here(x) for x in range(1000)] == [3 * x for x in range(1000)]
    assert server.names() == []
    assert funes.flush()
    assert sorted(name.rpartition(".")[2] for name in server.names()) == ["json", "seg"]
    printed()
    another_process()
    server.requests.clear()
    assert [there(x) for x in range(1000)] == [3 * x for x in range(1000)]
    assert printed() == []
    assert len(server.counted("GET")) == 1
    assert len(server.counted("LIST")) == 1


def test_a_function_without_packed_reads_packed_results(
    server: fake_s3.FakeS3, machine: Make, printed: Printed, another_process: Callable[[], None]
) -> None:
    machine("here", packed=True)(1)
    assert funes.flush()
    another_process()
    assert machine("there")(1) == 3
    assert printed() == ["computing 1"]


def test_what_was_sent_or_received_is_not_exchanged_again(
    server: fake_s3.FakeS3, machine: Make, printed: Printed, another_process: Callable[[], None]
) -> None:
    here, there = machine("here", packed=True), machine("there", packed=True)
    for x in range(3):
        here(x)
        assert funes.flush()
        another_process()
    assert len(server.counted("PUT")) == 4
    assert there(0) == 0
    assert there(7) == 21  # goes to a segment of its own
    assert funes.flush()
    assert len(server.counted("PUT")) == 1
    assert sum("packed" in name for name in server.counted("GET")) == 3
    # Merging the files does not make them unknown.
    close_segments()
    assert pack(there._store, "triple", there.definition, files=True)[2] == 4
    another_process()
    assert there(8) == 24
    assert server.counted("GET") == []


def test_a_damaged_segment_is_reported_once_and_not_used(
    server: fake_s3.FakeS3,
    machine: Make,
    printed: Printed,
    another_process: Callable[[], None],
    tmp_path: Path,
) -> None:
    here, there = machine("here", packed=True), machine("there", packed=True)
    for x in range(3):
        here(x)
    assert funes.flush()
    name = next(name for name in server.names() if name.endswith(".seg"))
    content = server.objects[name].content
    server.put(name, content[:100] + bytes([content[100] ^ 1]) + content[101:])
    another_process()
    with pytest.warns(funes.CacheWarning, match=r"\.seg was not used: at byte") as found:
        assert [there(x) for x in range(3)] == [0, 3, 6]
    assert len(found) == 1
    assert not list((tmp_path / "there").rglob(name.rpartition("/")[2]))
    assert len(server.counted("GET")) == 1


def test_signed_packed_results_of_another_team_are_not_used(
    server: fake_s3.FakeS3, machine: Make, printed: Printed, another_process: Callable[[], None]
) -> None:
    machine("here", packed=True)(1)
    assert funes.flush()
    another_process()
    there = machine("there", packed=True, signing_key="the key of this team, long enough")
    with pytest.warns(funes.CacheWarning, match="not signed with the key in use"):
        assert there(1) == 3
    assert printed() == ["computing 1", "computing 1"]


def test_results_of_many_processes_are_found(
    server: fake_s3.FakeS3, machine: Make, another_process: Callable[[], None], tmp_path: Path
) -> None:
    for number in range(30):
        here = machine(f"here{number}", packed=True)
        here(number)
        assert funes.flush()
        shutil.rmtree(tmp_path / f"here{number}")
        another_process()
    there = machine("there", packed=True)
    assert [there(x) for x in range(30)] == [3 * x for x in range(30)]
    assert there.cache_info().misses == 0
