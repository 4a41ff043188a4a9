"""Run records in a remote cache: they are sent and received with results, and may be missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_s3
import pytest
from click.testing import CliRunner, Result

import funes
from funes import memorious
from funes._entries import run_record
from funes._funes import close_segments
from funes._remote import remote
from funes._tools.cli.commands import funes as commands

Make = Callable[..., Any]
URL = "s3://bucket/team"


@pytest.fixture(autouse=True)
def _with_run_records(monkeypatch: pytest.MonkeyPatch, _no_run_records: None) -> Iterator[None]:
    monkeypatch.delenv("FUNES_RUNS")
    monkeypatch.setattr(run_record, "_written", {})
    yield
    funes.flush(10)


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Returns a function that forgets the listings of the bucket, and what was asked for."""
    return lambda: monkeypatch.setattr(remote, "_remotes", {})


def records(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_bytes()) for path in folder.glob("runs/*.json")}


def objects(server: fake_s3.FakeS3) -> list[str]:
    return [name for name in server.names() if "/runs/" in name]


@pytest.mark.parametrize("packed", [False, True])
def test_result_brings_its_record(
    server: fake_s3.FakeS3,
    machine: Make,
    another_process: Callable[[], None],
    tmp_path: Path,
    packed: bool,
) -> None:
    here = machine("here", packed=packed)
    here(1), here(2)
    assert funes.flush()
    [name] = objects(server)
    [run] = records(tmp_path / "here")
    assert name == f"team/runs/{run}.json"
    another_process()
    there = machine("there", packed=packed)
    assert (there(1), there(2)) == (3, 6)
    assert there.cache_info().misses == 0
    assert records(tmp_path / "there") == records(tmp_path / "here")
    assert there.explain(1).run == here.explain(1).run
    assert len(server.counted("PUT")) == len(server.names()), "nothing is sent twice"


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b"x" * (2 << 20)])
@pytest.mark.filterwarnings("error")
def test_missing_or_damaged_record_is_no_error(
    server: fake_s3.FakeS3,
    machine: Make,
    another_process: Callable[[], None],
    tmp_path: Path,
    content: bytes | None,
) -> None:
    machine("here")(1)
    assert funes.flush()
    [name] = objects(server)
    if content is None:
        del server.objects[name]
    else:
        server.put(name, content)
    another_process()
    there = machine("there")
    assert there(1) == 3
    assert there.cache_info().misses == 0
    assert records(tmp_path / "there") == {}
    assert there.explain(1).run is None


@pytest.mark.filterwarnings("error")
def test_refused_record_stops_neither_sending_nor_receiving(
    server: fake_s3.FakeS3, machine: Make, another_process: Callable[[], None]
) -> None:
    def refusing(handler: fake_s3.Handler) -> bool:
        return "/runs/" in handler.path and handler.refuse(403, "AccessDenied")

    server.fault = refusing
    machine("here")(1)
    assert funes.flush()
    assert [name for name in server.names() if name.endswith(".dill")]
    another_process()
    there = machine("there")
    assert (there(1), there.cache_info().misses) == (3, 0)
    there(2)
    assert funes.flush()


def test_damaged_record_is_not_sent(
    server: fake_s3.FakeS3, machine: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = memorious(cache_dir=tmp_path / "here")(machine("here").__wrapped__)
    f(1)
    [path] = (tmp_path / "here" / "runs").iterdir()
    path.write_text("{}")
    machine("here")(2)
    assert funes.flush()
    assert objects(server) == []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def run(*arguments: str | Path, code: int = 0) -> Result:
        monkeypatch.setattr(remote, "_remotes", {})
        result = CliRunner().invoke(commands, [str(each) for each in arguments])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.mark.parametrize("packed", [False, True])
def test_push_pull_show_and_verify_handle_records(
    server: fake_s3.FakeS3,
    machine: Make,
    run: Callable[..., Result],
    tmp_path: Path,
    packed: bool,
) -> None:
    here = machine("here", remote="", packed=packed)
    here(1)
    here._close()
    close_segments()
    run("push", tmp_path / "here", URL)
    [name] = objects(server)
    run("pull", tmp_path / "there", URL)
    assert records(tmp_path / "there") == records(tmp_path / "here")
    run("verify", "--cache", tmp_path / "there")
    (shown,) = json.loads(run("show", URL, "triple", "--runs", "--json").stdout)
    assert shown["run"]["id"] == name[-37:-5]
    assert "verified 2 objects" in run("verify", URL).stderr
    server.put(name, server.objects[name].content.replace(b"cpython", b"jython"))
    assert f"s3://bucket/{name}" in run("verify", URL, code=1).stdout
    run("gc", URL, "--older-than", "1d", "--yes")
    assert objects(server) == [name]
