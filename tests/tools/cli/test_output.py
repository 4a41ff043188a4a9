"""Output of commands, and parsing of names, sizes and ages."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from funes._results import lookup
from funes._results import units as units_of_results
from funes._tools.cli import units
from funes._tools.cli.output import Column, print_rows, progress, to_json

COLUMNS = (Column("name"), Column("count", right=True))


def test_each_row_is_a_line_with_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "a\tb\nc\x1b[1m\u202e", "count": 1, "more": 2}, {"name": None, "count": 0}]
    assert print_rows(rows, COLUMNS) == 2
    assert capsys.readouterr().out == "a\\tb\\nc\\x1b[1m\\u202e\t1\n\t0\n"


def test_json_has_all_keys_and_one_row_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "é", "more": [1, None]}, {"name": "b"}]
    assert print_rows(iter(rows), COLUMNS, as_json=True) == 2
    out = capsys.readouterr().out
    assert json.loads(out) == rows
    assert len(out.splitlines()) == 4
    assert print_rows([], COLUMNS, as_json=True) == 0
    assert capsys.readouterr().out == "[]\n"


class Awkward:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def holds_itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (2**200, 2**200),
        (1.5, 1.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ("a\ud800", "a\\ud800"),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        ({1: 2}, {"1": 2}),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (b"x", "b'x'"),
        (1j, "1j"),
        ({1, 2}, "{1, 2}"),
        (Awkward(), "<Awkward that cannot be shown>"),
        (holds_itself(), "[[...]]"),
        (datetime(2026, 11, 25, tzinfo=timezone.utc), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_converts_to_json(value: Any, expected: Any) -> None:
    found = json.loads(json.dumps(to_json(value), allow_nan=False))
    if isinstance(value, datetime):
        assert datetime.fromisoformat(found) == value
    else:
        assert (type(found), found) == (type(expected), expected)


def test_huge_integer_is_hexadecimal() -> None:
    assert to_json(1 << 20_000) == hex(1 << 20_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("17", 17),
        ("2 ", 2),
        ("3B", 3),
        ("1.5k", 1536),
        ("500M", 500 << 20),
        ("10G", 10 << 30),
        ("1GiB", 1 << 30),
        ("1gb", 1 << 30),
        ("1T", 1 << 40),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert units.size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90d", 90 * 86400), ("12h", 43200), ("5m", 300), ("1.5s", 1.5), ("2w", 14 * 86400)],
)
def test_ages(text: str, expected: float) -> None:
    assert units.age(text) == expected


@pytest.mark.parametrize("text", ["", "x", "-1", "1X", "1e3", "K"])
def test_invalid_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a size"):
        units.size(text)


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1y", "1D"])
def test_invalid_age_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not an age"):
        units.age(text)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1 << 20, "1.0 MiB"),
        (150 << 20, "150 MiB"),
        (3 << 40, "3.0 TiB"),
        (1 << 62, "4 EiB"),
    ],
)
def test_format_of_sizes(count: int, shown: str) -> None:
    assert units_of_results.bytes_shown(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 us"),
        (1.2345e-6, "1.23 us"),
        (0.0125, "12.5 ms"),
        (1.0, "1 s"),
        (99.94, "99.9 s"),
        (100, "1 min 40 s"),
        (3599.4, "59 min 59 s"),
        (3599.9, "1 h 0 min"),
        (86400 * 2 - 31, "47 h 59 min"),
        (86400 * 2, "2 d 0 h"),
        (86400 * 400 + 7200, "400 d 2 h"),
    ],
)
def test_format_of_durations(seconds: float, shown: str) -> None:
    assert units_of_results.seconds_shown(seconds) == shown


def test_dates_are_in_local_time() -> None:
    moment = datetime(2026, 11, 25, 10, 4, 5, 678, tzinfo=timezone.utc)
    assert units_of_results.date_shown(moment) == moment.astimezone().strftime("%Y-%m-%d %H:%M")
    exact = datetime.fromisoformat(units_of_results.date_exact(moment))
    assert moment - exact < timedelta(seconds=1)


class Named:
    """Has the attributes of a `StoredFunction` that a lookup needs."""

    def __init__(self, *spellings: str) -> None:
        self.qualified_name = spellings[-1]
        self._spellings = lambda: set(spellings)


NAMES = {
    "a": Named("train", "mine.train"),
    "b": Named("fit", "mine.Model.fit"),
    "c": Named("fit2", "x.fit"),
}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("train", "a"), ("mine.train", "a"), ("fit", "b"), ("Model.fit", "b"), ("x.fit", "c")],
)
def test_function_is_found_by_name_or_end_of_qualified_name(wanted: str, found: str) -> None:
    functions: Any = NAMES.values()
    assert lookup.matches(functions, wanted) == [NAMES[found]]
    assert lookup.by_name(wanted, functions, Path("cache")) is NAMES[found]


def test_name_that_is_the_end_of_several_qualified_names_matches_all() -> None:
    both: Any = [Named("mine.fit"), Named("x.fit"), Named("fit2")]
    assert lookup.matches(both, "fit") == both[:2]
    assert lookup.matches(both, "it") == []
    with pytest.raises(
        lookup.AmbiguousNameError, match=r"'fit' may be any of mine\.fit, x\.fit: say"
    ):
        lookup.by_name("fit", both, Path("cache"))
    with pytest.raises(
        KeyError, match=r"no function 'it' in cache; there are mine\.fit, x\.fit, fit2"
    ):
        lookup.by_name("it", both, Path("cache"))


def test_hash_is_found_by_unique_prefix() -> None:
    hashes = ["abc1", "abd2", "b3"]
    assert lookup.by_prefix("version", "ABC", hashes, str) == "abc1"
    with pytest.raises(lookup.AmbiguousNameError, match="abc1, abd2: give more digits"):
        lookup.by_prefix("version", "ab", hashes, str)
    with pytest.raises(KeyError, match="no version 'c'; there are abc1, abd2, b3") as found:
        lookup.by_prefix("version", "c", hashes, str)
    assert not isinstance(found.value, lookup.AmbiguousNameError)
    with pytest.raises(KeyError, match="there are none"):
        lookup.by_prefix("version", "c", [], str)


def test_empty_prefix_is_ambiguous_even_if_one_hash_exists() -> None:
    with pytest.raises(lookup.AmbiguousNameError, match="may be any of abc1: give more digits"):
        lookup.by_prefix("version", "", ["abc1"], str)


def test_lookup_error_lists_at_most_ten_names() -> None:
    hashes = [f"{number:02}" for number in range(13)]
    with pytest.raises(KeyError, match=r"08, 09 and 3 more\W*$"):
        lookup.by_prefix("version", "x", hashes, str)
    with pytest.raises(KeyError, match=r"08, 09 and 3 more: give more digits\W*$"):
        lookup.by_prefix("version", "", iter(hashes), str)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_yields_all_items_and_draws_only_in_a_terminal(
    is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    assert list(progress(iter(range(3)), 3, "read [red]all[/red]")) == [0, 1, 2]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("read [red]all[/red]" in shown.err) is is_terminal
