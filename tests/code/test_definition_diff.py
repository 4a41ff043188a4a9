"""Tests the comparison of two definitions, and `definition.json`."""

from __future__ import annotations

import itertools
import json
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import memorious
from funes._code.definition_diff import Change, changes
from funes._code.definition_file import (
    is_recorded,
    read_definition,
    read_functions,
    record_definition,
)
from funes._funes import definition_graph

Define = Callable[[str], dict[str, Any]]


@pytest.fixture
def define(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Define:
    """Returns ``define(text)``, which gives the record of `f` in a module `mine` with this text."""
    numbers = itertools.count()

    def defined(text: str) -> dict[str, Any]:
        # A new file name each time: the source of the file before is kept under its name.
        path = tmp_path / f"mine{next(numbers)}.py"
        path.write_text(text, encoding="utf-8")
        module = types.ModuleType("mine")
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, "mine", module)
        exec(compile(text, str(path), "exec"), module.__dict__)
        return {"nodes": definition_graph(module.f)}

    return defined


def lines(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [str(change) for change in changes(old, new)]


TEXT = """\
RATE = 0.1
LAYERS = [1, 2]

def step(x):
    return x * RATE

class Model:
    DEPTH = 3

    def run(self, x, scale=1):
        return step(x) * scale

def f(x):
    return Model().run(x) + step(x) + len(LAYERS)
"""


def test_equal_definitions_have_no_changes(define: Define) -> None:
    assert changes(define(TEXT), define("# a comment\n" + TEXT)) == []


def test_changed_function_has_source_diff(define: Define) -> None:
    [change] = changes(define(TEXT), define(TEXT.replace("x * RATE", "x - RATE")))
    assert str(change) == "mine.step (function) changed: 1 line added, 1 line removed"
    assert change.diff == (
        "--- mine.step before\n+++ mine.step after\n@@ -1,2 +1,2 @@\n"
        " def step(x):\n-    return x * RATE\n+    return x - RATE"
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("RATE = 0.1", "RATE = 0.2", ["RATE: 0.1 -> 0.2"]),
        ("LAYERS = [1, 2]", "LAYERS = [1, 3]", ["LAYERS: <list> -> another <list>"]),
        ("DEPTH = 3", "DEPTH = 4", ["mine.Model.DEPTH: 3 -> 4"]),
        ("DEPTH = 3", "DEPTH = 3; WIDTH = 1", ["mine.Model.WIDTH = 1 added"]),
        ("scale=1", "scale=2", ["default scale of mine.Model.run: 1 -> 2"]),
        (
            "    DEPTH = 3",
            "    DEPTH = 3\n    def rest(self): pass",
            ["mine.Model.rest (function) added"],
        ),
    ],
)
def test_each_edit_is_one_change(
    define: Define, before: str, after: str, expected: list[str]
) -> None:
    old, new = define(TEXT), define(TEXT.replace(before, after))
    assert lines(old, new) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("c = C()\nc.k = 1", "c = C()\nc.k = 2"),
        ("c = [C(), 1]", "c = [C(), 2]"),
        ("c = {'a': helper}", "c = {'b': helper}"),
    ],
)
def test_object_with_changed_code_is_reported(define: Define, before: str, after: str) -> None:
    code = "class C:\n    pass\ndef helper(): pass\n{}\ndef f(x):\n    return c\n"
    found = changes(define(code.format(before)), define(code.format(after)))
    assert [(change.how, change.what, change.name) for change in found] == [
        ("changed", "value", "c")
    ]
    assert not changes(define(code.format(before)), define(code.format(before)))


def test_value_read_by_two_functions_is_one_change(define: Define) -> None:
    text = TEXT.replace("len(LAYERS)", "len(LAYERS) + RATE")
    [change] = changes(define(text), define(text.replace("0.1", "0.2")))
    assert (str(change), change.of) == ("RATE: 0.1 -> 0.2", "mine.f")


def test_added_and_removed_values_and_code(define: Define) -> None:
    old = define(TEXT)
    new = define(TEXT.replace("Model().run(x) + ", "").replace("LAYERS)", "OTHER)") + "OTHER = 'o'")
    assert lines(old, new) == [
        "mine.f (function) changed: 1 line added, 1 line removed",
        "OTHER = 'o' added",
        "LAYERS = <list> removed",
        "mine.Model (class) removed",
        "mine.Model.run (function) removed",
    ]
    assert lines(new, old)[-2:] == [
        "mine.Model (class) added",
        "mine.Model.run (function) added",
    ]


def test_replaced_helper_is_reported(define: Define) -> None:
    text = "def a(x): return 1\ndef b(x): return 2\nhelper = a\ndef f(x): return helper(x)\n"
    assert lines(define(text), define(text.replace("helper = a", "helper = b"))) == [
        "helper: mine.a -> mine.b",
        "mine.b (function) added",
        "mine.a (function) removed",
    ]


def test_moved_reference_keeps_match(define: Define) -> None:
    text = "def far(x): return 1\ndef near(x): return far(x)\ndef f(x): return near(x)\n"
    moved = text.replace("def f(x): return near(x)", "def f(x): return near(x) + far(x)")
    assert [change.name for change in changes(define(text), define(moved))] == ["mine.f"]


def test_lambdas_are_matched_by_their_references(define: Define) -> None:
    text = "a = lambda x: 1\nb = lambda x: 2\ndef f(x): return a(x) + b(x)\n"
    [change] = changes(define(text), define(text.replace("2", "3")))
    assert change.name == "mine.<lambda>"
    assert "+b = lambda x: 3" in change.diff


def test_module_name_does_not_count(define: Define) -> None:
    old, new = define(TEXT), define(TEXT.replace("0.1", "0.2"))
    renamed = json.loads(json.dumps(old).replace('"mine.', '"__main__.'))
    assert lines(renamed, new) == ["RATE: 0.1 -> 0.2"]


def test_cycle_is_compared_once(define: Define) -> None:
    text = "def f(n): return n and odd(n - 1)\ndef odd(n): return not n or f(n - 1)\n"
    assert [c.name for c in changes(define(text), define(text.replace("not n", "n == 0")))] == [
        "mine.odd"
    ]


def test_unrecorded_difference_is_reported_as_unknown() -> None:
    node = {"name": "f", "kind": "function", "own": "1", "source": "", "links": {}}
    old = {"definition": "1", "nodes": [node]}
    new = {"definition": "2", "nodes": [node]}
    [change] = changes(old, new)
    assert change.what == "unknown"
    assert "depends_on=" in str(change)
    assert str(Change("changed", "function", "f")) == (
        "f (function) changed; no source is recorded"
    )


@pytest.mark.usefixtures("cache")
def test_depends_on_is_compared(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"

    library = types.ModuleType("library")
    library.__version__ = "2.3"  # type: ignore[attr-defined]

    def recorded(content: str, version: int) -> dict[str, Any]:
        data.write_text(content, encoding="utf-8")

        @memorious(depends_on=(data, version, library))
        def f(x: int, verbose: bool = False) -> int:
            return x

        f(1)
        found = read_definition(f.cache_path)
        assert found is not None
        return found

    first = recorded("1,2", 1)
    assert [said["shown"] for said in first["depends_on"]] == [str(data), "1", "library 2.3"]
    assert lines(first, recorded("1,2", 2)) == ["depends_on: 1 -> 2"]
    assert lines(first, recorded("1,3", 1)) == [f"depends_on: {data} -> another {data}"]


# The file


def content(definition: str, *functions: str, nodes: Any = ()) -> dict[str, Any]:
    return {
        "format": 2,
        "definition": definition,
        "functions": list(functions or ("mine:f",)),
        "nodes": list(nodes),
    }


NODE = {"name": "mine.f", "kind": "function", "own": "1", "source": "", "links": {}}


def test_existing_file_is_kept(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert read_definition(folder) is None
    record_definition(folder, content(tmp_path.name) | {"function": "first"}, shared=True)
    record_definition(folder, content(tmp_path.name) | {"function": "second"})
    assert read_definition(folder) == content(tmp_path.name) | {"function": "first"}
    assert [path.name for path in tmp_path.iterdir()] == ["definition.json"]
    if os.name == "posix":
        assert (tmp_path / "definition.json").stat().st_mode & 0o777 == 0o660


def test_all_functions_of_a_definition_are_recorded(tmp_path: Path) -> None:
    folder = str(tmp_path)
    for function in ("mine:f", "other:f", "mine:f"):
        assert is_recorded(folder, function) is (function in read_functions(folder))
        record_definition(folder, content(tmp_path.name, function, nodes=[NODE]))
        assert is_recorded(folder, function)
    assert read_functions(folder) == ("mine:f", "other:f")
    assert [path.name for path in tmp_path.iterdir()] == ["definition.json"]


def test_nodes_are_added_to_file_without_nodes(tmp_path: Path) -> None:
    folder = str(tmp_path)
    record_definition(folder, content(tmp_path.name, "mine:f"))
    assert not is_recorded(folder, "mine:f")
    record_definition(folder, content(tmp_path.name, "other:f", nodes=[NODE]))
    assert read_definition(folder) == content(tmp_path.name, "mine:f", "other:f", nodes=[NODE])
    record_definition(folder, content(tmp_path.name, "mine:f"))
    assert read_definition(folder) == content(tmp_path.name, "mine:f", "other:f", nodes=[NODE])


@pytest.mark.parametrize(
    "text", ["", "{", '{"functions": 3}', '{"functions": ["mine:f"]}', '{"functions": [1]}']
)
def test_file_without_valid_functions_is_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "definition.json"
    path.write_text(text, encoding="utf-8")
    assert read_functions(str(tmp_path)) == ()
    record_definition(str(tmp_path), content(tmp_path.name))
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.skipif(os.name != "posix", reason="there are no pipes")
def test_pipe_instead_of_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "definition.json")
    assert read_functions(str(tmp_path)) == ()
    assert is_recorded(str(tmp_path), "mine:f")


def test_concurrent_writers_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "definition.json"
    monkeypatch.setattr(os.path, "lexists", lambda _: False)  # neither process sees the other file
    record_definition(str(tmp_path), content(tmp_path.name))
    record_definition(str(tmp_path), content(tmp_path.name, "other:f") | {"function": "second"})
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["functions"] == ["mine:f", "other:f"]
    assert [path.name for path in tmp_path.iterdir()] == ["definition.json"]


@pytest.mark.parametrize("refused", ["link", "unlink"])
def test_file_is_written_without_hard_links_or_unlink(
    refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not here")

    monkeypatch.setattr(os, refused, refuse)
    record_definition(str(tmp_path), content(tmp_path.name))
    assert read_definition(tmp_path) == content(tmp_path.name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": 3, "definition": "NAME", "nodes": []}',
        '{"format": 2, "definition": "other", "nodes": []}',
        '{"format": 2, "definition": "NAME", "nodes": [{"name": "f"}]}',
        '{"format": 2, "definition": "NAME", "nodes": [{"name": "f", "kind": "", "own": "",'
        ' "source": "", "links": {"a": {"nodes": [1]}}}]}',
        "[" * 100_000,
    ],
)
def test_damaged_file_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "definition.json"
    path.write_text(text.replace("NAME", tmp_path.name), encoding="utf-8")
    with pytest.raises(ValueError, match=r"definition\.json"):
        read_definition(tmp_path)
