"""``funes diff``, ``funes explain`` and ``funes adopt``."""

from __future__ import annotations

import itertools
import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
Data = Callable[..., Any]
Define = Callable[..., Any]

TEXT = """\
from funes import memorious

RATE = 0.1

def step(x):
    return x * RATE

@memorious
def train(lr, depth=3, verbose=False):
    return step(lr) * depth
"""


@pytest.fixture
def define(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Define]:
    """``define(before, after, ...)`` defines `train` in a module `mine` from `TEXT` with replacements."""
    numbers = itertools.count()
    monkeypatch.syspath_prepend(str(tmp_path))

    def defined(*edits: str) -> Any:
        text = TEXT
        for before, after in zip(edits[::2], edits[1::2], strict=True):
            assert before in text
            text = text.replace(before, after)
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
        # Each text has its own file name, so that its source is found.
        path = tmp_path / f"text{next(numbers)}.py"
        path.write_text(text, encoding="utf-8")
        module = types.ModuleType("mine")
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, "mine", module)
        exec(compile(text, str(path), "exec"), module.__dict__)
        return module.train

    yield defined
    assert cache.exists()


# diff


def test_diff_shows_values_as_lines_and_code_as_diff(define: Define, run: Run) -> None:
    old, new = define(), define("RATE = 0.1", "RATE = 0.2", "return x * RATE", "return x - RATE")
    old(1)
    new(1)
    result = run("diff", "train", old.definition[:8], new.definition[:8])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "mine.step (function) changed: 1 line added, 1 line removed",
        "    --- mine.step before",
        "    +++ mine.step after",
        "    @@ -1,2 +1,2 @@",
        "     def step(x):",
        "    -    return x * RATE",
        "    +    return x - RATE",
        "RATE: 0.1 -> 0.2",
    ]


def test_diff_compares_with_latest_version_and_prints_json(define: Define, data: Data) -> None:
    old, new = define(), define("RATE = 0.1", "RATE = 0.2")
    old(1)
    new(1)
    assert data("diff", "mine.train", old.definition) == [
        {
            "how": "changed",
            "what": "value",
            "name": "RATE",
            "of": "mine.step",
            "before": "0.1",
            "after": "0.2",
            "diff": "",
        }
    ]


def test_diff_needs_recorded_code(define: Define, run: Run) -> None:
    old, new = define(), define("RATE = 0.1", "RATE = 0.2")
    old(1)
    new(1)
    assert run("diff", "train", "0" * 40).exit_code == 1
    (old.cache_path / "definition.json").unlink()
    result = run("diff", "train", old.definition)
    assert result.exit_code == 1
    assert "definition.json is missing or damaged" in result.stderr


def test_control_characters_are_escaped(define: Define, run: Run) -> None:
    old = define()
    new = define("return x * RATE", "return x * RATE  # \x1b[31m")
    newer = define("return x * RATE", "return x - RATE  # \x1b[31m")
    old(1)
    newer(1)
    assert new.definition == old.definition
    assert "\\x1b[31m" in run("diff", "train", old.definition).stdout


# explain


def test_explain_prints_reason_and_sets_exit_code(define: Define, run: Run) -> None:
    train = define()
    result = run("explain", "mine:train", "0.5")
    assert result.exit_code == 1
    assert result.stdout == "train: not cached: nothing is stored of this function\n"
    train(0.5)
    train(-1, verbose=True)
    found = run("explain", "mine:train", "0.5", "depth=3").stdout.splitlines()
    assert found[0] == "train: cached, in memory"
    assert found[1].startswith("computed with Python 3.")
    assert run("explain", "mine:train", "-1", "verbose=True").exit_code == 0
    result = run("explain", "mine:train", "lr=0.25")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "  lr: 0.5 -> 0.25"


def test_explain_prints_json(define: Define, data: Data) -> None:
    old = define()
    old(0.5)
    new = define("RATE = 0.1", "RATE = 0.2")
    found = data("explain", "mine:train", "0.5")
    assert (found["hit"], found["why"]) == (False, "definition")
    assert (found["definition"], found["arguments"]) == new.key(0.5)[:2]
    assert found["version"] == old.definition
    assert found["is_cached_there"] is True
    assert [change["name"] for change in found["changes"]] == ["RATE"]
    new(0.5)
    found = data("explain", "mine:train", "0.75")
    assert found["path"] == str(new.key(0.5).path)
    assert found["differences"] == [{"path": "lr", "before": "0.5", "after": "0.75"}]
    assert (found["looked_at"], found["entries"], found["version"]) == (1, 1, None)


def test_explain_uses_given_cache(define: Define, run: Run, tmp_path: Path) -> None:
    train = define()
    train(0.5)
    assert run("explain", "mine:train", "0.5", "--cache", tmp_path / "other").exit_code == 1
    assert not (tmp_path / "other").exists()
    assert run("explain", "mine:train", "0.5", "--cache", tmp_path / "cache").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine"], "is not MODULE:FUNCTION: write mine.train:fit"),
        (["mine:"], "is not MODULE:FUNCTION: write mine.train:fit"),
        (["not_there:train"], "not_there:train cannot be imported: ModuleNotFoundError"),
        (["mine:other"], "cannot be imported: AttributeError"),
        (["mine:step"], "mine:step is not decorated with @memorious"),
        (["mine:train"], "does not take these arguments: missing a required argument: 'lr'"),
        (["mine:train", "1", "lr=2"], "does not take these arguments"),
    ],
)
def test_explain_refuses_invalid_calls(
    define: Define, run: Run, arguments: list[str], message: str
) -> None:
    define()(1)
    result = run("explain", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_explain_imports_from_the_working_directory(
    cache: Path, tmp_path: Path, python: Callable[..., Any]
) -> None:
    (tmp_path / "mine.py").write_text(TEXT, encoding="utf-8")
    (tmp_path / "run.py").write_text("import mine; mine.train(0.5)", encoding="utf-8")
    assert python(tmp_path / "run.py").returncode == 0
    done = python("-m", "funes", "explain", "mine:train", "0.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("train: cached, in ")


# adopt


def test_adopt_uses_current_definition_of_imported_code(define: Define, run: Run) -> None:
    old = define()
    old(0.5)
    new = define("step(lr) * depth", "depth * step(lr)")
    diff = [
        "mine.train (function) changed: 1 line added, 1 line removed",
        "    --- mine.train before",
        "    +++ mine.train after",
        "    @@ -1,3 +1,3 @@",
        "     @memorious",
        "     def train(lr, depth=3, verbose=False):",
        "    -    return step(lr) * depth",
        "    +    return depth * step(lr)",
        "no check of these versions is recorded: see funes check",
    ]
    outcome = f"1 result of {old.definition[:12]} to {new.definition[:12]}"
    result = run("adopt", "mine:train", old.definition[:8], "--dry-run")
    assert (result.exit_code, result.stdout.splitlines()) == (0, [*diff, f"would copy {outcome}"])
    assert not new.cache_path.exists()
    result = run("adopt", "mine:train", old.definition[:8], answer="y\n")
    assert (result.exit_code, result.stdout.splitlines()) == (2, diff)
    assert f"Copy {outcome}?" in result.stderr
    assert not new.cache_path.exists()
    result = run("adopt", "mine:train", old.definition[:8], new.definition[:6], "--yes")
    assert (result.exit_code, result.stdout.splitlines()) == (0, [*diff, f"copied {outcome}"])
    assert new.is_cached(0.5)


@pytest.mark.parametrize(("answer", "copies"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_adopt_prompts_in_a_terminal(
    answer: str, copies: bool, define: Define, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = define()
    old(0.5)
    new = define("step(lr) * depth", "depth * step(lr)")
    isatty = "click.testing._NamedTextIOWrapper.isatty"
    monkeypatch.setattr(isatty, lambda stream: stream.name == "<stdin>", raising=False)
    result = run("adopt", "mine:train", old.definition, answer=answer)
    assert (result.exit_code, new.is_cached(0.5)) == (0 if copies else 1, copies)


def test_adopt_needs_no_code_if_both_versions_are_recorded(
    define: Define, run: Run, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = define()
    old(0.5)
    new = define(
        "lr, depth=3, verbose=False", "rate, depth=3, act='relu'", "step(lr)", "step(rate)"
    )
    new(0.25)
    monkeypatch.delitem(sys.modules, "mine")
    options = ["--add", "act=relu", "--rename", "lr=rate", "--drop", "verbose", "--yes"]
    found = data("adopt", "train", old.definition[:8], new.definition[:8], *options)
    assert "mine.train" in [change["name"] for change in found.pop("changes")]
    assert found == {
        "definition": old.definition,
        "into": new.definition,
        "entries": 1,
        "left_out": [],
        "evidence": "",
    }
    assert "mine" not in sys.modules
    shown = data("show", "train", "--version", new.definition)
    assert sorted(row["input"]["rate"] for row in shown) == [0.25, 0.5]
    old.cache_path.rename(old.cache_path.parent / "elsewhere")
    assert new.is_cached(rate=0.5)


@pytest.mark.parametrize("function", ["mine:fit", "fit"])
def test_adopt_works_after_a_rename(function: str, define: Define, run: Run) -> None:
    old = define()
    old(0.5)
    train = define(
        "def train(", "def fit(", "@memorious", "@memorious\ndef train(): ...\n@memorious"
    )
    del train
    new = sys.modules["mine"].fit
    if function == "fit":
        new(0.25)
    result = run("adopt", function, old.definition[:8], "--yes")
    assert result.exit_code == 1
    assert "is no version" in result.stderr.replace("there ", "")
    result = run("adopt", function, old.definition[:8], "--function", "mine.train", "--yes")
    assert result.exit_code == 0, result.output
    assert new.is_cached(0.5)


def test_explain_proposes_a_rename(define: Define, run: Run, data: Data) -> None:
    old = define()
    old(0.5)
    define("def train(", "def fit(", "@memorious", "@memorious\ndef train(): ...\n@memorious")
    short = old.definition[:12]
    assert run("explain", "mine:fit", "0.5").stdout.splitlines() == [
        "fit: not cached: nothing is stored of this function",
        "mine.train has the same code and results: if the function was renamed,"
        f" f.adopt({short!r}, function='mine.train')",
    ]
    found = data("explain", "mine:fit", "0.5")
    assert (found["renamed_from"], found["version"]) == ("mine.train", old.definition)
    assert found["is_cached_there"] is True
    assert data("explain", "mine:fit", "0.75")["is_cached_there"] is False


@pytest.mark.parametrize(
    "edit",
    [
        ("return step(lr) * depth", "return step(lr) + depth"),
        ("RATE = 0.1", "RATE = 0.2"),
        ("return x * RATE", "return x - RATE"),
        ("depth=3", "depth=4"),
    ],
)
def test_explain_proposes_no_rename_for_different_code(
    edit: tuple[str, str], define: Define, data: Data
) -> None:
    define()(0.5)
    define(
        "def train(", "def fit(", "@memorious", "@memorious\ndef train(): ...\n@memorious", *edit
    )
    found = data("explain", "mine:fit", "0.5")
    assert (found["why"], found["renamed_from"]) == ("never called", None)


def test_adopt_error_says_what_to_do(define: Define, run: Run) -> None:
    old = define()
    old(0.5)
    old(0.5, verbose=True)
    result = run("adopt", "train", old.definition)
    assert result.exit_code == 2
    assert "give NEW, or give the function as MODULE:FUNCTION" in result.stderr
    define("lr, depth=3, verbose=False", "lr, depth=3")
    for options, code, message in (
        ([], 1, "drop='verbose'"),
        (["--drop", "verbose"], 1, "two results would have the same key"),
        (["--rename", "lr"], 2, "'lr' is not OLD=NEW"),
        (["--add", "act"], 2, "'act' is not NAME=VALUE"),
    ):
        result = run("adopt", "mine:train", old.definition, *options, "--yes")
        assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert run("adopt", "mine:train", "0" * 40).exit_code == 1
    assert run("adopt", "mine:train", old.definition, "0" * 40).exit_code == 2


def test_adopt_reports_omissions(define: Define, run: Run) -> None:
    old = define()
    old(0.5)
    old(0.5, global_seed=1)
    define("verbose=False", "global_seed=None")
    result = run(
        "adopt",
        "mine:train",
        old.definition,
        "--drop",
        "verbose",
        "--add",
        "global_seed=None",
        "--yes",
    )
    assert result.exit_code == 1
    assert "left out: " in result.stdout
    assert str(old.key(0.5, global_seed=1).path) in result.stdout.replace("\n", "")


def test_adopt_without_recorded_parameters_needs_the_code(define: Define, run: Run) -> None:
    old, new = define(), define("RATE = 0.1", "RATE = 0.2")
    old(0.5)
    new(0.25)
    path = new.cache_path / "definition.json"
    content = json.loads(path.read_bytes())
    del content["parameters"]
    path.write_text(json.dumps(content), encoding="utf-8")
    result = run("adopt", "train", old.definition, new.definition)
    assert result.exit_code == 1
    assert "give the function as MODULE:FUNCTION" in result.stderr
    assert run("adopt", "mine:train", old.definition, "--yes").exit_code == 0
