"""The definition files of two machines are merged in the bucket, and nothing of them is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_s3
import pytest

import funes
from funes._code.definition_file import FILE_NAME
from funes._remote import remote

Make = Callable[..., Any]


def described(server: fake_s3.FakeS3) -> str:
    (name,) = (each for each in server.names() if each.endswith(FILE_NAME))
    return name


def functions(server: fake_s3.FakeS3) -> list[str]:
    content = json.loads(server.objects[described(server)].content)
    return list(content["functions"])


def of_another_module(server: fake_s3.FakeS3) -> None:
    """Makes the definition file one that another machine has sent for an equal function of another module."""
    stored = server.objects[described(server)]
    content = json.loads(stored.content)
    content["functions"] = ["other:triple"]
    stored.content = json.dumps(content, indent=1).encode()


@pytest.fixture
def there(server: fake_s3.FakeS3, machine: Make, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function of another machine, after one has stored a result."""
    here = machine("here")
    here(1)
    assert funes.flush()
    monkeypatch.setattr(remote, "_remotes", {})
    return machine("there")


def test_the_functions_of_two_machines_are_kept(server: fake_s3.FakeS3, there: Any) -> None:
    of_another_module(server)
    there(2)
    assert funes.flush()
    assert functions(server) == ["other:triple", there._identity]
    # What is there is not sent again.
    server.requests.clear()
    there(3)
    assert funes.flush()
    assert [each[0] for each in server.requests] == ["PUT"]


def test_a_machine_that_is_faster_loses_nothing(server: fake_s3.FakeS3, there: Any) -> None:
    of_another_module(server)
    name = described(server)
    rounds = []

    def overtake(handler: fake_s3.Handler) -> bool:
        if handler.command == "PUT" and handler.name == name and len(rounds) < 2:
            rounds.append(name)
            stored = server.objects[name]
            content = json.loads(stored.content)
            content["functions"].append(f"faster{len(rounds)}:triple")
            server.objects[name] = fake_s3.Stored(
                json.dumps(content).encode(), stored.metadata, stored.time
            )
        return False

    server.fault = overtake
    there(2)
    assert funes.flush()
    assert functions(server) == [
        "other:triple",
        "faster1:triple",
        "faster2:triple",
        there._identity,
    ]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b'{"format": 2}', b"[" * 100_000])
def test_a_damaged_definition_file_is_replaced(
    server: fake_s3.FakeS3, there: Any, damage: bytes
) -> None:
    server.objects[described(server)].content = damage
    there(2)
    assert funes.flush()
    assert functions(server) == [there._identity]


def test_a_definition_file_of_a_newer_format_stays(server: fake_s3.FakeS3, there: Any) -> None:
    newer = b'{"format": 99}'
    server.objects[described(server)].content = newer
    there(2)
    assert funes.flush()
    assert server.objects[described(server)].content == newer


def test_files_in_a_folder_are_merged(machine: Make, tmp_path: Path) -> None:
    pytest.importorskip("obstore")
    url = f"file://{tmp_path / 'shared'}"
    here, there = machine("here", remote=url), machine("there", remote=url)
    here(1)
    assert funes.flush()
    (path,) = (tmp_path / "shared").rglob(FILE_NAME)
    content = json.loads(path.read_text())
    content["functions"] = ["other:triple"]
    path.write_text(json.dumps(content))
    remote._remotes.pop(url)
    there(2)
    assert funes.flush()
    assert json.loads(path.read_text())["functions"] == ["other:triple", there._identity]
