"""``funes verify``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_cache import train

from funes import CacheWarning, memorious


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


@pytest.fixture
def load(cache: Path) -> Any:
    """A function with a large argument in objects/."""

    @memorious(large_argument=100)
    def load(data: bytes) -> int:
        return len(data)

    load(bytes(1000))
    return load


def test_sound_cache_succeeds(load: Any, run: Callable[..., Any], data: Callable[..., Any]) -> None:
    train(1)(1)
    done = run("verify")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "verified 3 files" in done.stderr
    found = data("verify")
    assert (found["files"], found["sound"], found["problems"]) == (3, True, [])


def test_damaged_entry_fails(load: Any, cache: Path, run: Callable[..., Any]) -> None:
    path = load.key(bytes(1000)).path
    flip(path)
    done = run("verify")
    assert done.exit_code == 1
    assert done.stdout.split("\t")[:2] == ["damaged", str(path)]
    assert path.exists(), "nothing is moved"


def test_damaged_large_argument_fails(
    load: Any, cache: Path, run: Callable[..., Any], data: Callable[..., Any]
) -> None:
    (path,) = (cache / "objects").glob("*.dill")
    flip(path)
    assert run("verify").exit_code == 1
    (problem,) = data("verify")["problems"]
    assert (problem["state"], problem["path"]) == ("damaged", str(path))
    assert run("verify", "load").exit_code == 0, "no function owns large arguments"


def test_only_given_function_is_verified(load: Any, cache: Path, run: Callable[..., Any]) -> None:
    flip(load.key(bytes(1000)).path)
    train(1)(1)
    assert run("verify", "train").exit_code == 0
    assert run("verify", "load").exit_code == 1


def test_quarantined_file_is_listed_and_does_not_fail(cache: Path, run: Callable[..., Any]) -> None:
    first, again = train(1), train(1)
    first(1)
    flip(first.key(1).path)
    with pytest.warns(CacheWarning, match="is damaged"):
        again(1)
    done = run("verify")
    assert done.exit_code == 0
    assert done.stdout.split("\t")[0] == "set aside"
    assert run("verify", "train").stdout == done.stdout


def test_entry_without_signature_of_the_key_is_foreign(
    cache: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(1)(1)
    assert run("verify").exit_code == 0
    monkeypatch.setenv("FUNES_SIGNING_KEY", "a key")
    train(2)(1)
    done = run("verify")
    assert done.exit_code == 1
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["foreign"]
