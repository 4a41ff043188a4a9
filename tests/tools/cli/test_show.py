"""``funes show``."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_cache import train

from funes import CacheWarning, load_cached_results, memorious, open_cache
from funes._entries import writer


@pytest.fixture
def versions(cache: Path) -> list[Any]:
    """Two versions of `train`; the second has the latest result."""
    first, second = train(1), train(2)
    first(1), first(0.5)
    for moment, lr in enumerate((1, 0.5, "fast")):
        second(lr)
        os.utime(second.key(lr).path, (2e9 + moment, 2e9 + moment))
    return [first, second]


def test_lines_are_results_of_latest_version_in_order(
    versions: list[Any], lines: Callable[..., Any]
) -> None:
    shown = [line[:3] for line in lines("show", "train")]
    assert shown == [["1", "10", "20"], ["0.5", "10", "10.0"], ["fast", "10", "fast" * 20]]


def test_versions_are_selected_by_prefix(
    versions: list[Any], lines: Callable[..., Any], data: Callable[..., Any]
) -> None:
    first, second = (each.definition for each in versions)
    assert sorted(line[2] for line in lines("show", "train", "--version", first[:8])) == [
        "10",
        "5.0",
    ]
    assert len(lines("show", "train", "--version", first, "--version", second)) == 5
    everything = data("show", "train", "--all-versions")
    assert sorted({each["definition"] for each in everything}) == sorted([first, second])
    assert len(everything) == 5
    assert "definition" not in data("show", "train")[0]


def test_json_has_results_with_input_output_and_time(
    versions: list[Any], data: Callable[..., Any]
) -> None:
    first, *_ = data("show", "train")
    assert first["time"] >= 0
    assert {key: first[key] for key in ("input", "output")} == {
        "input": {"lr": 1, "epochs": 10},
        "output": {"loss": 20},
    }


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["lr=1"], ["20"]),
        (["lr=0.5"], ["10.0"]),
        (["lr=fast"], ["fast" * 20]),
        (["lr='fast'", "epochs=10"], ["fast" * 20]),
    ],
)
def test_where_takes_literals_and_strings_that_must_all_match(
    where: list[str], found: list[str], versions: list[Any], lines: Callable[..., Any]
) -> None:
    options = [part for each in where for part in ("--where", each)]
    assert [line[2] for line in lines("show", "train", *options)] == found


@pytest.mark.parametrize("where", ["lr=1.0", "lr=2"])
def test_no_matching_result_fails(where: str, versions: list[Any], run: Callable[..., Any]) -> None:
    done = run("show", "train", "--where", where)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no result of train matches" in done.stderr


def test_csv_has_titles(versions: list[Any], run: Callable[..., Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(run("show", "train", "--csv").stdout)))
    assert list(rows[0]) == ["lr", "epochs", "loss", "time"]
    assert [row["loss"] for row in rows] == ["20", "10.0", "fast" * 20]


def test_other_values_are_printed_as_python_literals(
    cache: Path, run: Callable[..., Any], lines: Callable[..., Any]
) -> None:
    @memorious
    def pair(x: Any) -> Any:
        return x, None

    pair("a\tb\n\x1b[1m")
    pair([1, {"k": None}])
    shown = sorted(line[:2] for line in lines("show", "pair"))
    assert shown == [
        ["[1, {'k': None}]", "([1, {'k': None}], None)"],
        [r"a\tb\n\x1b[1m", r"('a\tb\n\x1b[1m', None)"],
    ]
    rows = list(csv.reader(io.StringIO(run("show", "pair", "--csv").stdout)))
    assert ["a\tb\n\x1b[1m", r"('a\tb\n\x1b[1m', None)"] in [row[:2] for row in rows]


def test_inputs_only_loads_no_outputs(
    cache: Path, tmp_path: Path, run_python: Callable[..., str], data: Callable[..., Any]
) -> None:
    (tmp_path / "theirs.py").write_text("class Thing: pass\n", encoding="utf-8")
    run_python(
        "import theirs\nfrom funes import memorious\n"
        "@memorious\ndef make(x):\n    return theirs.Thing()\nmake(1)\n"
    )
    assert [each["input"] for each in data("show", "make", "--inputs-only")] == [{"x": 1}]
    assert "output" not in data("show", "make", "--inputs-only")[0]


def test_parquet_is_written_to_a_file(
    versions: list[Any], tmp_path: Path, run: Callable[..., Any]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "results.parquet"
    version = versions[0].definition
    done = run("show", "train", "--version", version, "--parquet", path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert sorted(parquet.read_table(path).column("loss").to_pylist()) == [5.0, 10.0]
    mixed = run("show", "train", "--parquet", path)
    assert mixed.exit_code == 1
    assert "'lr'" in mixed.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--csv", "--json"),
        ("--csv", "--parquet", "x"),
        ("--version", "0", "--all-versions"),
        ("--where", "lr"),
        ("--where", "=1"),
    ],
)
def test_conflicting_and_invalid_options_are_refused(
    options: tuple[str, ...], versions: list[Any], run: Callable[..., Any]
) -> None:
    done = run("show", "train", *options)
    assert (done.exit_code, done.stdout) == (2, "")


def test_missing_and_ambiguous_versions_are_refused(
    versions: list[Any], run: Callable[..., Any]
) -> None:
    missing = run("show", "train", "--version", "xyz")
    assert missing.exit_code == 1
    assert versions[0].definition[:12] in missing.stderr
    unclear = run("show", "train", "--version", "")
    assert unclear.exit_code == 2


def test_unreadable_result_is_skipped_with_a_warning(
    versions: list[Any], run: Callable[..., Any]
) -> None:
    path = versions[1].key(1).path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(CacheWarning, match="a stored result was skipped"):
        done = run("show", "train")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 2


THEIRS = "import dataclasses\n@dataclasses.dataclass\nclass Config:\n    lr: float\n"


@pytest.fixture
def with_configs(
    cache: Path, tmp_path: Path, run_python: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project with a function `make` and three results, whose arguments have a class of the project."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "configs_here.py").write_text(THEIRS, encoding="utf-8")
    run_python(
        f"import sys; sys.path.insert(0, {str(project)!r})\n"
        "from configs_here import Config\nfrom funes import memorious\n"
        "@memorious\ndef make(config, tag='a'):\n    return config.lr\n"
        "for lr in (1, 2, 3): make(Config(lr))\n"
    )
    monkeypatch.delitem(sys.modules, "configs_here", raising=False)
    return project


def test_classes_are_found_in_the_working_directory(
    with_configs: Path,
    run: Callable[..., Any],
    lines: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(with_configs)
    assert sorted(line[2] for line in lines("show", "make")) == ["1", "2", "3"]
    assert len(lines("rm", "make", "--where", "tag=a", "--dry-run")) == 1
    monkeypatch.delitem(sys.modules, "configs_here")


def test_equal_failures_are_one_line(
    with_configs: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.warns(CacheWarning) as given:
        done = run("show", "make")
    assert len(given) == 1
    text = str(given[0].message)
    assert text.startswith("3 stored results were skipped: the file cannot be read (ModuleNotFound")
    assert "run it where your code is, or set PYTHONPATH" in text
    assert done.exit_code == 1
    assert "no result can be read; 3 failed" in done.stderr
    done = run("rm", "make", "--where", "tag=a", "--yes")
    assert done.exit_code == 1
    assert done.stderr.count("\n") <= 2
    assert "3 entries stay: the file cannot be read (ModuleNotFoundError" in done.stderr
    assert len(list((open_cache().path / "make").rglob("*.dill"))) == 3


@pytest.mark.parametrize("command", ["show", "rm"])
@pytest.mark.parametrize(
    ("where", "named"),
    [("nope=3", "no"), ("verbose=True", "verbose"), ("epochs=10 --where lrr=1", "lrr")],
)
def test_unknown_argument_error_lists_arguments(
    command: str, where: str, named: str, cache: Path, run: Callable[..., Any]
) -> None:
    @memorious(ignore="verbose")
    def train(lr: float, epochs: int = 10, verbose: bool = False) -> float:
        return lr

    train(1)
    done = run(command, "train", "--where", *where.split(), *(["--yes"] * (command == "rm")))
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"there is no argument '{named}" in done.stderr
    assert "there are 'lr', 'epochs'" in done.stderr
    assert train.is_cached(1)


def test_where_accepts_keywords(cache: Path, lines: Callable[..., Any]) -> None:
    @memorious
    def train(lr: float, **more: Any) -> float:
        return lr

    train(1, depth=3), train(2, depth=4, global_seed=1)
    assert [line[0] for line in lines("show", "train", "--where", "depth=4")] == ["2"]
    assert [line[0] for line in lines("show", "train", "--where", "global_seed=1")] == ["2"]


def test_unrecorded_parameters_accept_any_name(
    versions: list[Any], run: Callable[..., Any]
) -> None:
    for each in versions:
        (each.cache_path / "definition.json").unlink()
    assert "no result of train matches" in run("show", "train", "--where", "nope=3").stderr
    with pytest.raises(KeyError, match="there is no argument 'nope'"):
        load_cached_results(versions[0], where={"nope": 3})


@dataclasses.dataclass
class Holder:
    array: Any


def made_by_polars() -> list[Any]:
    """Returns nothing where polars has no wheel."""
    with contextlib.suppress(ImportError):
        import polars as pl

        return [pl.DataFrame({"a": range(2000)}), pl.Series(range(2000))]
    return []


@pytest.mark.parametrize(
    "value",
    [
        np.arange(5000),
        np.arange(6000.0).reshape(3, 2000),
        [np.arange(2000), {"a": np.arange(2000)}],
        pd.DataFrame({"a": range(2000), "b": range(2000)}),
        pd.Series(range(2000)),
        *made_by_polars(),
        Holder(np.arange(2000)),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("options", [["--csv"], ["--json"], []], ids=["csv", "json", "lines"])
def test_output_to_a_file_is_complete(
    options: list[str], value: Any, cache: Path, run: Callable[..., Any]
) -> None:
    def make(x: int) -> Any:
        raise AssertionError

    memo = memorious(make)
    call = memo._core.key(memo, (1,), {})
    pickled = writer.dump_entry({"x": 1}, value, 0.0)
    memo._store.write("make", call.definition, call.arguments, *pickled)
    done = run("show", "make", *options)
    assert done.exit_code == 0
    assert "..." not in done.stdout
    assert "1234" in done.stdout


def test_arrays_in_csv_are_lists(cache: Path, run: Callable[..., Any]) -> None:
    @memorious
    def make(n: int) -> Any:
        return {"values": np.arange(n), "pair": (np.arange(2), "a")}

    make(1500)
    [row] = csv.DictReader(io.StringIO(run("show", "make", "--csv").stdout))
    assert json.loads(row["values"]) == list(range(1500))
    assert row["pair"] == "([0, 1], 'a')"


@pytest.mark.parametrize("command", [["ls"], ["show", "f"], ["gc"], ["rm", "f"]])
def test_invalid_cache_folder_is_refused(
    command: list[str], tmp_path: Path, run: Callable[..., Any]
) -> None:
    path = tmp_path / "afile"
    path.touch()
    done = run(*command, "--cache", path)
    assert done.exit_code == 1
    assert f"{path} is a file, not a cache folder" in done.stderr
    if command[0] == "rm":
        done = run(*command, "--cache", "s3://bucket/cache")
        assert done.exit_code == 2
        assert "'s3://bucket/cache' is a URL" in done.stderr


def test_errors_are_shown_if_asked_and_expired_results_are_marked(
    cache: Path, lines: Callable[..., Any], data: Callable[..., Any]
) -> None:
    assert cache.parent == Path.cwd()

    @memorious(remember_errors=ValueError, max_age=3600)
    def root(x: float) -> float:
        if x < 0:
            raise ValueError(f"no root of {x}")
        return x

    for x in (4, -1, 9):
        with contextlib.suppress(ValueError):
            root(x)
    for path in (root.key(4).path, root.key(-1).path.with_suffix(".error")):
        os.utime(path, (1e9, 1e9))
    assert [[x, y, expired] for x, y, _, expired in lines("show", "root")] == [
        ["4", "4", "True"],
        ["9", "9", "False"],
    ]
    shown = data("show", "root", "--errors")
    assert [(each["input"]["x"], each.get("output"), each.get("error")) for each in shown] == [
        (-1, None, "ValueError('no root of -1')"),
        (4, 4, None),
        (9, 9, None),
    ] or shown[0]["input"]["x"] == 4
    frame = load_cached_results(root, errors=True).to_pandas()
    assert sorted(frame.columns) == ["error", "expired", "output", "time", "x"]
    assert set(frame["error"].dropna()) == {"ValueError: no root of -1"}
    (version,) = open_cache().function("root").versions()
    assert len(version.results()) == 2
    assert len(version.results(errors=True)) == 3
    entries = list(version.entries(errors=True))
    assert [(each.is_error, each.is_expired) for each in entries[2:]] == [(True, True)]
    assert entries[2].load().keys() == {"input", "error", "time"}
    assert [each.arguments for each in entries[2:]] == [root.key(-1).arguments]

    (listed,) = data("ls", "--errors")
    assert (listed["entries"], listed["expired"], listed["errors"]) == (2, 1, 1)
    assert "errors" not in data("ls")[0]
    assert data("ls", "--quick")[0]["expired"] is None
    assert data("verify")["files"] == 3
    assert data("rm", "root", "--where", "x=-1", "--yes")["deleted"]["files"] == 1
    assert data("verify")["files"] == 2


def test_a_large_argument_of_a_remembered_error_is_in_use(
    cache: Path, data: Callable[..., Any]
) -> None:
    @memorious(remember_errors=ValueError, large_argument=100)
    def size(text: str) -> int:
        raise ValueError(len(text))

    with contextlib.suppress(ValueError):
        size("x" * 1000)
    (stored,) = (cache / "objects").iterdir()
    os.utime(stored, (1e9, 1e9))
    assert open_cache().unused_objects() == []
    assert data("gc", "--yes")["deleted"]["files"] == 0
    (result,) = load_cached_results(size, errors=True)
    assert result["input"] == {"text": "x" * 1000}
    assert data("gc", "--yes", "--max-bytes", "0")["deleted"]["files"] >= 2
    assert not list(cache.rglob("*.error"))


# Columns, order, number


@pytest.fixture
def mixed(cache: Path) -> Any:
    @memorious
    def mixed(x: int, cfg: Any = None) -> dict[str, Any]:
        values = [3, "b", None, 2.5, float("nan"), "a", True, [1]]
        return {"value": values[x], "twice": 2 * x} if x < 8 else {"twice": 2 * x}

    for moment, x in enumerate(range(9)):
        mixed(x, {"lr": x / 10})
        os.utime(mixed.key(x, {"lr": x / 10}).path, (2e9 + moment, 2e9 + moment))
    return mixed


def test_rows_are_sorted_by_numbers_then_strings_and_missing_ones_are_last(
    mixed: Any, lines: Callable[..., Any]
) -> None:
    def order(*options: str) -> list[int]:
        return [int(line[0]) for line in lines("show", "mixed", *options)]

    assert order("--sort", "value") == [6, 3, 0, 5, 1, 7, 2, 4, 8]
    assert order("--sort", "-value") == [7, 1, 5, 0, 3, 6, 2, 4, 8]
    assert order("--sort", "-x", "--limit", "3") == [8, 7, 6]
    assert order("--limit", "2") == [0, 1]


def test_columns_are_chosen_in_the_given_order(mixed: Any, run: Callable[..., Any]) -> None:
    done = run("show", "mixed", "--columns", "twice, x", "--csv", "--limit", "2")
    assert done.stdout == "twice,x\n0,0\n2,1\n"
    done = run(
        "show", "mixed", "--flatten", "--columns", "cfg.lr", "--sort", "-cfg.lr", "--limit=1"
    )
    assert done.stdout == "0.8\n"


@pytest.mark.parametrize("option", ["--columns=x,lr", "--sort=lr", "--sort=-lr"])
def test_unknown_column_error_lists_columns(
    option: str, mixed: Any, run: Callable[..., Any]
) -> None:
    done = run("show", "mixed", option)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no column 'lr'; there are 'x', 'cfg', 'value', 'twice', 'time'" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--json", "--sort", "x"),
        ("--json", "--columns", "x"),
        ("--parquet", "file", "--limit", "1"),
        ("--json", "--flatten"),
    ],
)
def test_options_of_tables_are_refused_elsewhere(
    options: tuple[str, ...], mixed: Any, run: Callable[..., Any]
) -> None:
    assert run("show", "mixed", *options).exit_code == 2


def test_where_takes_parts_of_arguments(mixed: Any, lines: Callable[..., Any]) -> None:
    assert [line[0] for line in lines("show", "mixed", "--where", "cfg.lr=0.3")] == ["3"]
