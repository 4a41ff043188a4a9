"""Tests `explain_definition` and the graph in `definition.json`."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from funes import CacheWarning, explain_definition, hash_value, memorious

RATE = 0.1
LAYERS = [1, 2]


class Opaque:
    def __init__(self) -> None:
        self.lock = threading.Event()


OPAQUE = Opaque()


def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


class Base:
    def area(self) -> float:
        return RATE


class Square(Base):
    SIDE = 3

    def area(self) -> float:
        return float(np.sqrt(self.SIDE)) + super().area()


@memorious
def everything(n: int) -> object:
    return even(n), Square().area(), LAYERS[0], OPAQUE is None


TREE = """\
test_definition_tree.everything (function)
|- global LAYERS = <list>
|- global OPAQUE: by its type only, test_definition_tree.Opaque, because 'global OPAQUE', which everything \
uses -> .lock: an event cannot be part of a key
|- global Square -> test_definition_tree.Square (class)
|  |- attribute SIDE = 3
|  |- attribute area -> test_definition_tree.Square.area (function)
|  |  |- captured __class__ -> test_definition_tree.Square (class), see above
|  |  `- global np by name = ('module', 'numpy')
|  `- base 0 -> test_definition_tree.Base (class)
|     `- attribute area -> test_definition_tree.Base.area (function)
|        `- global RATE = 0.1
`- global even -> test_definition_tree.even (function)
   `- global odd -> test_definition_tree.odd (function)
      `- global even -> test_definition_tree.even (function), see above
"""


def test_tree_shows_nodes_values_and_leaves() -> None:
    out = io.StringIO()
    explain_definition(everything, file=out)
    assert out.getvalue() == TREE


def test_tree_is_printed_to_stdout_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    explain_definition(odd)
    assert capsys.readouterr().out.startswith(
        "test_definition_tree.odd (function)\n`- global even ->"
    )
    explain_definition(np.sum)
    assert "counts by its name" in capsys.readouterr().out
    with pytest.raises(TypeError, match="takes a function or a class"):
        explain_definition(3)


@pytest.mark.usefixtures("cache")
def test_definition_file_is_written_beside_entries() -> None:
    everything._close()
    with pytest.warns(CacheWarning, match="'global OPAQUE'.* it counts by its type only"):
        everything(3)
    path = everything.cache_path / "definition.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    assert described["format"] == 2
    assert described["definition"] == everything.definition == everything.cache_path.name
    assert described["function"] == "everything"
    assert described["parameters"] == ["n"]
    assert described["depends_on"] == []
    root, *others = described["nodes"]
    assert root["name"] == "test_definition_tree.everything"
    assert root["source"].startswith("@memorious\ndef everything(n: int)")
    assert {node["name"] for node in others} == {
        "test_definition_tree.Base",
        "test_definition_tree.Base.area",
        "test_definition_tree.Square",
        "test_definition_tree.Square.area",
        "test_definition_tree.even",
        "test_definition_tree.odd",
    }
    [position] = root["links"]["global even"]["nodes"]
    assert described["nodes"][position]["name"] == "test_definition_tree.even"
    assert root["links"]["global LAYERS"] == {"value": hash_value(LAYERS), "shown": "<list>"}
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".tmp")] == []


@pytest.mark.usefixtures("cache")
def test_own_hash_identifies_changed_node(monkeypatch: pytest.MonkeyPatch) -> None:
    @memorious
    def f(n: int) -> bool:
        return even(n)

    def own() -> dict[str, str]:
        f(1)
        text = (f.cache_path / "definition.json").read_text(encoding="utf-8")
        return {node["name"]: node["own"] for node in json.loads(text)["nodes"]}

    before = own()
    monkeypatch.setattr(odd, "__code__", (lambda n: n % 2 == 1).__code__)
    after = own()
    assert [name for name in before if before[name] != after[name]] == ["test_definition_tree.odd"]


def test_failing_definition_file_does_not_affect_call(cache: Path) -> None:
    @memorious
    def f(n: int) -> bool:
        return even(n)

    f.cache_path.mkdir(parents=True)
    (f.cache_path / "definition.json").mkdir()
    assert f(2) is True
    assert f.is_cached(2)
