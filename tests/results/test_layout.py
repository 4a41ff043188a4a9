"""Tables fit the width of the terminal: one line per row, no number is cut, nothing is left out without a word."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funes._results.layout import Column, fit, lines_of

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=12)


@st.composite
def tables(draw: st.DrawFn) -> list[Column]:
    rows = draw(st.integers(1, 4))
    columns = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=8, unique=True)):
        is_number = draw(st.booleans())
        longest = 8 if is_number else 100
        text = st.text(string.ascii_letters, max_size=longest)
        columns.append(Column(name, draw(st.lists(text, min_size=rows, max_size=rows)), is_number))
    return columns


@given(tables(), st.integers(20, 200), st.booleans())
def test_every_column_is_shown_lifted_or_named(
    columns: list[Column], width: int, lift: bool
) -> None:
    shown = fit(columns, width, 60, lift=lift)
    names = [each.name for each in shown.columns]
    assert sorted([*names, *dict(shown.constant), *shown.left_out]) == sorted(
        each.name for each in columns
    )
    lines = lines_of(shown.columns)
    assert len(lines) == 1 + len(columns[0].texts)
    if len(shown.columns) > 1:
        assert max(map(len, lines)) <= width
    by_name = {each.name: each for each in columns}
    for each in shown.columns:
        if each.is_number:
            assert each.texts == by_name[each.name].texts
    for name, text in shown.constant:
        assert lift
        assert len(set(by_name[name].texts)) == 1
        assert len(text) <= 60


@given(tables())
def test_nothing_is_cut_where_there_is_room(columns: list[Column]) -> None:
    shown = fit(columns, 10_000, 200)
    assert shown.columns == columns
    assert (shown.constant, shown.left_out) == ([], [])


def test_longest_texts_are_cut_first_and_in_the_middle() -> None:
    columns = [
        Column("path", ["/data/one/model.pt" * 5, "/data/two/model.pt" * 5]),
        Column("kind", ["short", "shorter"]),
        Column("loss", ["0.123456", "100.5"], True),
    ]
    shown = fit(columns, 50, 60)
    path, kind, loss = shown.columns
    assert (kind, loss) == (columns[1], columns[2])
    assert all("..." in text[5:-5] and text.endswith("model.pt") for text in path.texts)
    assert shown.left_out == []


def test_texts_are_left_out_before_numbers() -> None:
    columns = [
        Column("lr", ["0.10000000", "0.20000000"], True),
        Column("first", ["a" * 60] * 2),
        Column("second", ["b" * 60] * 2),
        Column("loss", ["123456.789", "1.5"], True),
    ]
    assert fit(columns, 32, 60).left_out == ["second"]
    assert fit(columns, 22, 60).left_out == ["first", "second"]
    assert fit(columns, 15, 60).left_out == ["first", "second", "loss"]


@pytest.mark.parametrize(("rows", "lifted"), [(1, []), (2, [("opt", "adam")])])
def test_equal_columns_are_lifted_from_two_rows_on(
    rows: int, lifted: list[tuple[str, str]]
) -> None:
    columns = [
        Column("opt", ["adam"] * rows),
        Column("lr", [str(row) for row in range(rows)], True),
    ]
    assert fit(columns, 80, 60, lift=True).constant == lifted


def test_a_table_of_equal_rows_keeps_a_column() -> None:
    columns = [Column("a", ["1", "1"], True), Column("b", ["2", "2"], True)]
    shown = fit(columns, 80, 60, lift=True)
    assert [each.name for each in shown.columns] == ["a"]
    assert shown.constant == [("b", "2")]
