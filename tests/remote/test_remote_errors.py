"""Remembered errors (`remember_errors=`) are sent to the remote cache and found in it, as results are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fake_s3
import pytest
from click.testing import CliRunner

import funes
from funes import memorious
from funes._tools.cli.commands import funes as commands

Make = Callable[..., Any]
Printed = Callable[[], list[str]]

URL = "s3://bucket/team"


@pytest.fixture
def failing(tmp_path: Path) -> Make:
    """Returns ``failing(name, **options)``: a function that fails for odd arguments and remembers it."""

    def make(name: str, **options: Any) -> Any:
        given: dict[str, Any] = {"remote": URL, "remember_errors": ValueError, **options}

        @memorious(cache_dir=tmp_path / name, **given)
        def half(x: int) -> int:
            print("computing", x)
            if x % 2:
                raise ValueError("odd", x)
            return x // 2

        return half

    return make


def fails(call: Any, *arguments: Any) -> ValueError:
    with pytest.raises(ValueError, match="odd") as found:
        call(*arguments)
    return found.value


def test_an_error_of_one_machine_is_raised_on_another(
    server: fake_s3.FakeS3, failing: Make, printed: Printed
) -> None:
    here, there = failing("here"), failing("there")
    fails(here, 3)
    assert funes.flush()
    assert any(name.endswith(".error") for name in server.names())
    context = KeyError("context")
    try:
        raise context
    except KeyError:
        error = fails(there, 3)
    assert error.args == ("odd", 3)
    assert error.__context__ is context
    assert printed() == ["computing 3"]
    assert there.cache_info().disk_hits == 1
    server.requests.clear()
    fails(there, 3)
    assert server.requests == []  # it is in the cache folder now
    assert there(4) == 2


def test_a_function_that_does_not_name_the_error_computes(
    server: fake_s3.FakeS3, failing: Make, printed: Printed
) -> None:
    fails(failing("here"), 3)
    assert funes.flush()
    for number, types in enumerate(((), KeyError)):
        fails(failing(f"there-{number}", remember_errors=types), 3)
    assert printed() == ["computing 3"] * 3


def test_a_result_counts_more_than_an_error(
    server: fake_s3.FakeS3, failing: Make, printed: Printed
) -> None:
    here, there = failing("here"), failing("there")
    assert here(2) == 1
    fails(here, 3)
    assert funes.flush()
    names = server.names()
    error = next(name for name in names if ".error" in name)
    moved = error.replace(here.key(3).arguments, here.key(2).arguments)
    server.objects[moved] = server.objects[error]
    assert there(2) == 1
    assert printed() == ["computing 2", "computing 3"]


@pytest.mark.parametrize("mode", ["readonly", "offline"])
def test_an_error_is_read_in_a_mode_that_writes_nothing(
    server: fake_s3.FakeS3, failing: Make, printed: Printed, tmp_path: Path, mode: str
) -> None:
    here, there = failing("here"), failing("there")
    fails(here, 3)
    assert funes.flush()
    with funes.mode(mode):
        assert fails(there, 3).args == ("odd", 3)
    assert printed() == ["computing 3"]
    assert not list(tmp_path.glob("there/**/*.dill"))


def test_an_expired_error_is_computed_again_and_replaced(
    server: fake_s3.FakeS3, failing: Make, printed: Printed
) -> None:
    fails(failing("here"), 3)
    assert funes.flush()
    (name,) = (each for each in server.names() if ".error" in each)
    server.objects[name].metadata["funes-stored"] = "1000000000"
    there = failing("there", max_age=3600)
    fails(there, 3)
    assert printed() == ["computing 3"] * 2
    assert funes.flush()
    assert server.objects[name].metadata["funes-stored"] != "1000000000"


def test_a_damaged_error_gives_one_warning_and_is_replaced(
    server: fake_s3.FakeS3, failing: Make, printed: Printed
) -> None:
    here, there = failing("here"), failing("there")
    fails(here, 3)
    assert funes.flush()
    (name,) = (each for each in server.names() if ".error" in each)
    content = server.objects[name].content
    server.objects[name].content = content[:-40] + bytes(40)
    with pytest.warns(funes.CacheWarning, match="was not used") as found:
        fails(there, 3)
    assert len(found) == 1
    assert printed() == ["computing 3"] * 2
    assert funes.flush()
    assert len(server.objects[name].content) > len(content) - 20
    fails(failing("other"), 3)
    assert printed() == []


def test_push_pull_and_verify_transfer_errors(
    server: fake_s3.FakeS3, failing: Make, printed: Printed, tmp_path: Path
) -> None:
    here, there = failing("here", remote=""), failing("there", remote="")
    fails(here, 3)
    here(4)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(commands, arguments)
        assert done.exit_code == 0, done.output
        return done.stderr

    assert "2 files" in run("push", str(tmp_path / "here"), URL)
    assert "0 files" in run("push", str(tmp_path / "here"), URL)
    assert "2 files" in run("pull", str(tmp_path / "there"), URL)
    fails(there, 3)
    assert there(4) == 2
    assert printed() == ["computing 3", "computing 4"]
    run("verify", URL)
    (name,) = (each for each in server.names() if ".error" in each)
    server.objects[name].content = server.objects[name].content[:-1]
    done = CliRunner().invoke(commands, ["verify", URL])
    assert done.exit_code == 1
    assert name.removeprefix("team/") in done.output


def test_a_sweep_receives_errors(server: fake_s3.FakeS3, failing: Make, printed: Printed) -> None:
    here, there = failing("here"), failing("there")
    for x in range(10):
        with suppress(ValueError):
            here(x)
    assert funes.flush()
    printed()
    with pytest.warns(funes.CacheWarning, match="5 of 10 points failed"):
        assert list(there.map(range(10), progress=False, on_error="collect")) == list(range(5))
    assert printed() == []


def test_a_coroutine_raises_an_error_of_another_machine(
    server: fake_s3.FakeS3, tmp_path: Path, printed: Printed
) -> None:
    def make(name: str) -> Any:
        @memorious(cache_dir=tmp_path / name, remote=URL, remember_errors=ValueError)
        async def half(x: int) -> int:
            print("computing", x)
            raise ValueError("odd", x)

        return half

    for name in ("here", "there"):
        fails(lambda name=name: asyncio.run(make(name)(3)))
        assert funes.flush()
    assert printed() == ["computing 3"]
