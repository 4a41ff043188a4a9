"""`funes push`, `pull` and `verify`, and `ls`, `show` and `gc` with the URL of a bucket."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_s3
import pytest
from click.testing import CliRunner, Result

import funes
from funes import memorious
from funes._funes import close_segments
from funes._remote import remote
from funes._tools.cli.commands import funes as commands

URL = "s3://bucket/team"
Run = Callable[..., Result]
Make = Callable[..., Any]
Printed = Callable[[], list[str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("push", folder, URL)`` calls a command that must end with the exit code `code`, 0 by default."""
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def run(*arguments: str | Path, code: int = 0) -> Result:
        result = CliRunner().invoke(commands, [str(each) for each in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def local(machine: Make) -> Make:
    """Returns ``local(name, **options)``: a function without a remote cache."""
    return lambda name, **options: machine(name, remote="", **options)


def test_push_sends_what_is_not_there(
    server: fake_s3.FakeS3, local: Make, run: Run, tmp_path: Path
) -> None:
    here = local("here")
    for x in range(5):
        here(x)
    shown = run("push", tmp_path / "here", URL, "--dry-run")
    assert shown.stdout.split("\t")[:2] == ["results", "triple"]
    assert "5 files" in shown.stderr
    assert "to be sent" in shown.stderr
    assert server.names() == []
    data = json.loads(run("push", tmp_path / "here", URL, "--json").stdout)
    (row,) = data["sent"]
    assert (row["what"], row["function"], row["files"]) == ("results", "triple", 5)
    assert (row["version"], data["left"], data["problems"]) == (here.definition, 0, [])
    assert server.entries() == 5
    server.requests.clear()
    assert "0 files" in run("push", tmp_path / "here", URL).stderr
    assert server.counted("PUT") == []


def test_push_sends_later_what_was_not_sent(
    server: fake_s3.FakeS3, machine: Make, run: Run, tmp_path: Path
) -> None:
    server.fault = fake_s3.refusing(403, "AccessDenied")
    with pytest.warns(funes.CacheWarning):
        machine("here")(1)
        assert not funes.flush()
    assert "403 Forbidden" in run("push", tmp_path / "here", URL, code=1).stderr
    server.fault = None
    run("push", tmp_path / "here", URL)
    assert server.entries() == 1


def test_push_goes_on_after_an_interruption(
    server: fake_s3.FakeS3, local: Make, run: Run, tmp_path: Path
) -> None:
    here = local("here")
    for x in range(50):
        here(x)
    count = 0

    def failing(handler: fake_s3.Handler) -> bool:
        nonlocal count
        count += handler.command == "PUT"
        return count > 20 and handler.refuse(403, "AccessDenied")

    server.fault = failing
    assert "goes on" in run("push", tmp_path / "here", URL, code=1).stderr
    server.fault = None
    sent = server.entries()
    assert 0 < sent < 50
    server.counted("PUT")
    run("push", tmp_path / "here", URL)
    assert server.entries() == 50
    assert len(server.counted("PUT")) <= 50 - sent + 1


def test_push_leaves_damaged_files_out(
    server: fake_s3.FakeS3, local: Make, run: Run, tmp_path: Path
) -> None:
    here = local("here")
    here(1)
    here(2)
    path = here.key(1).path
    path.write_bytes(path.read_bytes()[:-1])
    result = run("push", tmp_path / "here", URL, code=1)
    assert f"damaged\t{path}" in result.stdout
    assert server.entries() == 1
    assert path.exists()


def test_filters_select_function_version_and_age(
    server: fake_s3.FakeS3, local: Make, run: Run, tmp_path: Path
) -> None:
    here = local("here")
    here(1)
    here(2)
    old = time.time() - 10 * 86400
    os.utime(here.key(1).path, (old, old))

    @memorious(cache_dir=tmp_path / "here", remote="")
    def other(x: int) -> int:
        return x

    other(1)
    run("push", tmp_path / "here", URL, "--function", "triple", "--newer-than", "7d")
    assert [name for name in server.names() if name.endswith(".dill")] == [
        f"team/triple/{here.definition}/{here.key(2).arguments}.dill"
    ]
    run("push", tmp_path / "here", URL, "--function", "other", "--version", other.definition[:8])
    assert server.entries() == 2
    run("push", tmp_path / "here", URL, "--version", "ab", code=2)
    run("push", tmp_path / "here", URL, "--function", "missing", code=1)
    run("pull", tmp_path / "there", URL, "--function", "other")
    assert len(list((tmp_path / "there").rglob("*.dill"))) == 1


def test_pull_receives_what_is_not_there(
    server: fake_s3.FakeS3, local: Make, run: Run, tmp_path: Path, printed: Printed
) -> None:
    @memorious(cache_dir=tmp_path / "here", remote="", large_argument=100)
    def length(text: str) -> int:
        return len(text)

    here = local("here")
    for x in range(5):
        here(x)
    length("x" * 1000)
    run("push", tmp_path / "here", URL)
    printed()
    assert "6 files" in run("pull", tmp_path / "there", URL, "--dry-run").stderr
    assert not (tmp_path / "there").exists()
    run("pull", tmp_path / "there", URL)
    there = local("there")
    assert [there(x) for x in range(5)] == [0, 3, 6, 9, 12]
    assert printed() == []
    sent = {
        p.relative_to(tmp_path / "here"): p.read_bytes()
        for p in (tmp_path / "here").rglob("*")
        if p.is_file()
    }
    got = {
        p.relative_to(tmp_path / "there"): p.read_bytes()
        for p in (tmp_path / "there").rglob("*")
        if p.is_file()
    }
    assert {name: sent[name] for name in sent if name.suffix == ".dill"} == {
        name: got[name] for name in got if name.suffix == ".dill"
    }
    assert any(name.parts[0] == "objects" for name in got)
    listed = run("ls", "--cache", tmp_path / "there", "--json").stdout
    assert {row["function"] for row in json.loads(listed)} == {"length", "triple"}
    server.requests.clear()
    assert "0 files" in run("pull", tmp_path / "there", URL).stderr
    assert not [name for name in server.counted("GET") if name.endswith(".dill")]


def test_pull_refuses_damaged_objects_and_names_that_lead_elsewhere(
    server: fake_s3.FakeS3, local: Make, run: Run, tmp_path: Path
) -> None:
    here = local("here")
    here(1)
    here(2)
    run("push", tmp_path / "here", URL)
    name = f"team/triple/{here.definition}/{here.key(1).arguments}.dill"
    server.put(name, server.objects[name].content[:-1])
    digest = "0" * 40
    for bad in (
        f"team/.hidden/{digest}/{digest}.dill",
        f"team/f/{digest}/deep/{digest}.dill",
        "team/x",
    ):
        server.put(bad, b"bad")
    result = run("pull", tmp_path / "there", URL, code=1)
    assert f"damaged\ts3://bucket/{name}" in result.stdout
    assert len(list((tmp_path / "there").rglob("*.dill"))) == 1
    # obstore refuses such names as a whole.
    server.put(f"team/f/{digest}/../../../{digest}.dill", b"bad")
    run("pull", tmp_path / "there", URL, code=1)
    assert not list(tmp_path.rglob(f"*{digest}*"))


def test_packed_results_are_pushed_and_pulled(
    server: fake_s3.FakeS3, local: Make, run: Run, tmp_path: Path, printed: Printed
) -> None:
    here = local("here", packed=True)
    for x in range(100):
        here(x)
    close_segments()
    run("push", tmp_path / "here", URL)
    assert len(server.names()) == 2
    run("pull", tmp_path / "there", URL)
    printed()
    there = local("there")
    assert [there(x) for x in range(100)] == [3 * x for x in range(100)]
    assert printed() == []
    server.requests.clear()
    run("pull", tmp_path / "there", URL)
    assert not [name for name in server.counted("GET") if name.endswith(".seg")]


def test_verify_reads_every_object(
    server: fake_s3.FakeS3,
    local: Make,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = local("here")
    here(1)
    here(2)
    run("push", tmp_path / "here", URL)
    assert "verified 2 objects" in run("verify", URL).stderr
    here(3)
    result = run("verify", tmp_path / "here", URL, code=1)
    assert result.stdout.startswith(f"not sent\t{here.cache_path}")
    name = f"team/triple/{here.definition}/{here.key(1).arguments}.dill"
    content = server.objects[name].content
    server.put(name, content[:9] + bytes([content[9] ^ 1]) + content[10:])
    problems = json.loads(run("verify", URL, "--json", code=1).stdout)["problems"]
    assert [(each["state"], each["path"]) for each in problems] == [
        ("damaged", f"s3://bucket/{name}")
    ]
    monkeypatch.setenv("FUNES_SIGNING_KEY", "a key of the team, long enough")
    problems = json.loads(run("verify", URL, "--json", code=1).stdout)["problems"]
    assert sorted(each["state"] for each in problems) == ["damaged", "foreign"]


def test_ls_and_show_read_a_bucket(
    server: fake_s3.FakeS3, machine: Make, run: Run, tmp_path: Path
) -> None:
    here = machine("here")
    here(1)
    here(2)
    assert funes.flush()
    shutil.rmtree(tmp_path / "here")
    (row,) = json.loads(run("ls", URL, "--json").stdout)
    assert (row["function"], row["versions"], row["entries"]) == ("triple", 1, 2)
    assert row["computed"] is None
    (version,) = json.loads(run("ls", URL, "triple", "--json").stdout)
    assert version["version"] == here.definition
    shown = json.loads(run("show", URL, "triple", "--json").stdout)
    assert sorted((each["input"]["x"], each["output"]) for each in shown) == [(1, 3), (2, 6)]
    run("show", URL, "other", code=1)
    assert "nothing is stored in s3://bucket/empty" in run("ls", "s3://bucket/empty", code=1).stderr


def test_show_reads_packed_results_of_a_bucket(
    server: fake_s3.FakeS3, machine: Make, run: Run
) -> None:
    here = machine("here", packed=True)
    here(1)
    assert funes.flush()
    (shown,) = json.loads(run("show", URL, "triple", "--json").stdout)
    assert shown["output"] == 3


def test_gc_deletes_old_versions_of_a_bucket(
    server: fake_s3.FakeS3, machine: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("here")
    here(1)
    assert funes.flush()
    monkeypatch.setattr(remote, "_remotes", {})
    assert "would delete 2 files" in run("gc", URL, "--older-than", "30d", "--dry-run").stderr
    assert len(server.names()) == 2
    run("gc", URL, "--max-bytes", "1G", code=2)
    run("gc", URL, "--older-than", "30d", "--yes")
    assert server.names() == []
    here(2)
    assert "deleted 0 objects" in run("gc", URL, "--yes").stderr


def test_commands_report_a_bucket_that_cannot_be_used(
    server: fake_s3.FakeS3, run: Run, tmp_path: Path
) -> None:
    server.fault = fake_s3.refusing(403, "AccessDenied")
    for command in ("ls", "verify", "gc"):
        assert "403 Forbidden AccessDenied" in run(command, URL, code=1).stderr
    assert "must begin with" in run("pull", tmp_path, "ftp://x", code=2).stderr
    assert "password" in run("ls", "s3://key:hush@bucket", code=2).stderr
