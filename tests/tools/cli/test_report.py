"""`funes report` makes one page of the results of several functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from funes import memorious

Run = Callable[..., Result]


def functions_on(page: Path) -> list[str]:
    return re.findall(r'<section class="function"[^>]*aria-label="(\w+)"', page.read_text("utf-8"))


def data_on(page: Path) -> list[dict[str, Any]]:
    found = re.findall(
        r'<script type="application/json"[^>]*>(.*?)</script>', page.read_text("utf-8")
    )
    return [json.loads(each) for each in found]


@pytest.fixture
def page(cache: Path, tmp_path: Path) -> Path:
    @memorious
    def train(x: int) -> int:
        return x

    @memorious
    def slow(x: int) -> float:
        return sum(range(200_000)) / (x + 1)

    for x in range(3):
        train(x)
        slow(x)
    return tmp_path / "page.html"


def test_page_has_all_functions_the_costliest_first(run: Run, page: Path) -> None:
    result = run("report", "-o", page)
    assert result.exit_code == 0, result.output
    assert functions_on(page) == ["slow", "train"]
    assert re.search(r"6 results of 2 functions, 1\.\d MiB", result.stderr)
    text = page.read_text("utf-8")
    assert text.count('<th scope="row"><a href="#function-') == 2
    assert 'id="overview"' in text


def test_page_has_the_named_functions(run: Run, page: Path) -> None:
    assert run("report", "train", "--output", page, "--limit", 2).exit_code == 0
    assert functions_on(page) == ["train"]
    (data,) = data_on(page)
    assert data["rows"] == 2
    assert 'id="overview"' not in page.read_text("utf-8")


def test_functions_share_the_limit(run: Run, page: Path) -> None:
    @memorious
    def many(x: int) -> int:
        return x

    for x in range(20):
        many(x)
    assert run("report", "-o", page, "--limit", 14).exit_code == 0
    rows = {data["name"]: data["rows"] for data in data_on(page)}
    assert rows == {"slow": 3, "train": 3, "many": 8}
    assert "8 of 20 results" in page.read_text("utf-8")


def test_output_is_required(run: Run, page: Path) -> None:
    result = run("report")
    assert result.exit_code == 2
    assert "--output" in result.output


def test_nothing_to_report_is_an_error(run: Run, cache: Path, tmp_path: Path) -> None:
    cache.mkdir()
    page = tmp_path / "page.html"
    result = run("report", "-o", page)
    assert result.exit_code == 1
    assert "no results" in result.output
    assert not page.exists()


def test_unknown_function_and_unwritable_file_are_errors(run: Run, page: Path) -> None:
    assert run("report", "nothing", "-o", page).exit_code == 1
    assert not page.exists()
    result = run("report", "-o", page / "missing" / "page.html")
    assert result.exit_code == 1
    assert "no such file" in result.output


def test_damaged_result_is_left_out_with_a_warning(run: Run, page: Path, cache: Path) -> None:
    entry = next(cache.glob("train/*/*.dill"))
    entry.write_bytes(b"")
    with pytest.warns(UserWarning, match="left out"):
        assert run("report", "train", "-o", page).exit_code == 0
    assert data_on(page)[0]["rows"] == 2
