"""``funes show``."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_cache import train

from funes import CacheWarning, memorious


@pytest.fixture
def versions(cache: Path) -> list[Any]:
    """Two versions of `train`, the second of which was added to last."""
    first, second = train(1), train(2)
    first(1), first(0.5)
    for moment, lr in enumerate((1, 0.5, "fast")):
        second(lr)
        os.utime(second.key(lr).path, (2e9 + moment, 2e9 + moment))
    return [first, second]


def test_a_line_is_a_result_of_the_latest_version_in_the_order_of_storing(
    versions: list[Any], lines: Callable[..., Any]
) -> None:
    shown = [line[:3] for line in lines("show", "train")]
    assert shown == [["1", "10", "20"], ["0.5", "10", "10.0"], ["fast", "10", "fast" * 20]]


def test_versions_are_chosen_by_their_hashes(
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


def test_json_has_each_result_as_it_was_stored(
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
def test_where_takes_literals_and_texts_and_all_must_hold(
    where: list[str], found: list[str], versions: list[Any], lines: Callable[..., Any]
) -> None:
    options = [part for each in where for part in ("--where", each)]
    assert [line[2] for line in lines("show", "train", *options)] == found


@pytest.mark.parametrize("where", ["lr=1.0", "lr=2"])
def test_nothing_found_is_a_failure(
    where: str, versions: list[Any], run: Callable[..., Any]
) -> None:
    done = run("show", "train", "--where", where)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no such result" in done.stderr


def test_csv_has_titles(versions: list[Any], run: Callable[..., Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(run("show", "train", "--csv").stdout)))
    assert list(rows[0]) == ["lr", "epochs", "loss", "time"]
    assert [row["loss"] for row in rows] == ["20", "10.0", "fast" * 20]


def test_values_that_are_no_numbers_or_texts_are_written_as_in_python(
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


def test_outputs_are_not_loaded_for_inputs_alone(
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
def test_what_excludes_each_other_or_says_nothing_is_refused(
    options: tuple[str, ...], versions: list[Any], run: Callable[..., Any]
) -> None:
    done = run("show", "train", *options)
    assert (done.exit_code, done.stdout) == (2, "")


def test_a_version_that_is_not_there_or_not_one_is_named(
    versions: list[Any], run: Callable[..., Any]
) -> None:
    missing = run("show", "train", "--version", "xyz")
    assert missing.exit_code == 1
    assert versions[0].definition in missing.stderr
    unclear = run("show", "train", "--version", "")
    assert unclear.exit_code == 2


def test_what_cannot_be_read_is_skipped_with_a_warning(
    versions: list[Any], run: Callable[..., Any]
) -> None:
    path = versions[1].key(1).path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(CacheWarning, match="a stored result was skipped"):
        done = run("show", "train")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 2
