"""What commands print, and how they read what people type."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from typing import Any

import click
import numpy as np
import pytest

from funes._results.find_function import named
from funes._tools.cli import resolve, units
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import Column, print_rows, to_json

COLUMNS = (Column("name"), Column("count", right=True))


def test_a_line_is_a_row_and_nothing_in_it_breaks_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "a\tb\nc\x1b[1m\u202e", "count": 1, "more": 2}, {"name": None, "count": 0}]
    assert print_rows(rows, COLUMNS) == 2
    assert capsys.readouterr().out == "a\\tb\\nc\\x1b[1m\\u202e\t1\n\t0\n"


def test_json_has_all_keys_and_a_row_a_line(capsys: pytest.CaptureFixture[str]) -> None:
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
def test_any_value_has_a_form_in_json(value: Any, expected: Any) -> None:
    found = json.loads(json.dumps(to_json(value), allow_nan=False))
    if isinstance(value, datetime):
        assert datetime.fromisoformat(found) == value
    else:
        assert (type(found), found) == (type(expected), expected)


def test_a_number_of_more_digits_than_python_prints_is_hexadecimal() -> None:
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
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no size"):
        units.size(text)


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1y", "1D"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no age"):
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
def test_bytes_for_people(count: int, shown: str) -> None:
    assert units.bytes_shown(count) == shown


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
def test_seconds_for_people(seconds: float, shown: str) -> None:
    assert units.seconds_shown(seconds) == shown


def test_dates_are_those_of_the_local_clock() -> None:
    moment = datetime(2026, 11, 25, 10, 4, 5, 678, tzinfo=timezone.utc)
    assert units.date_shown(moment) == moment.astimezone().strftime("%Y-%m-%d %H:%M")
    exact = datetime.fromisoformat(units.date_exact(moment))
    assert moment - exact < timedelta(seconds=1)


class Named:
    """What is asked of a `StoredFunction`."""

    def __init__(self, *spellings: str) -> None:
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
def test_a_name_is_found_by_itself_or_by_its_end(wanted: str, found: str) -> None:
    functions: Any = NAMES.values()
    assert named(functions, wanted) == [NAMES[found]]


def test_a_name_that_several_end_with_is_that_of_each() -> None:
    both: Any = [Named("mine.fit"), Named("x.fit"), Named("fit2")]
    assert named(both, "fit") == both[:2]
    assert named(both, "it") == []


def test_a_hash_is_found_by_its_beginning() -> None:
    hashes = ["abc1", "abd2", "b3"]
    assert resolve.by_prefix("ABC", hashes, str, "version") == "abc1"
    with pytest.raises(click.UsageError, match="abc1, abd2: give more digits"):
        resolve.by_prefix("ab", hashes, str, "version")
    with pytest.raises(NotFound, match="no version 'c'; there are abc1, abd2, b3"):
        resolve.by_prefix("c", hashes, str, "version")


def test_an_error_names_ten_of_those_that_there_are() -> None:
    hashes = [f"{number:02}" for number in range(13)]
    with pytest.raises(NotFound, match=r"08, 09 and 3 more$"):
        resolve.by_prefix("x", hashes, str, "version")
