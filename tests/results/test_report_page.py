"""The page of `Results.to_html`: its structure, data, size and escaping. The browser's part has tests of its own."""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import json
import platform
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funes import CacheWarning, load_cached_results, memorious
from funes._results.report import page
from funes._results.report.cells import Column, fit

pytestmark = pytest.mark.usefixtures("cache")

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "line\u2028paragraph\u2029nul\x00surrogate\ud800",
    "'\"&amp;",
]


class Parsed(HTMLParser):
    """The elements of a page, the contents of its scripts, and its texts."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.text = ""
        self._within = ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            kind, before = self.scripts[-1]
            self.scripts[-1] = kind, before + data
        elif self._within != "style":
            self.text += data

    @property
    def data(self) -> list[dict[str, Any]]:
        return [json.loads(content) for kind, content in self.scripts if kind is not None]

    def column(self, name: str) -> list[Any]:
        """Returns the values of a column of the only function."""
        (data,) = self.data
        (column,) = [each for each in data["columns"] if each["name"] == name]
        if "numbers" in column:
            numbers: list[Any] = column["numbers"]
            return numbers
        return [None if at is None else column["texts"][at] for at in column["at"]]


def page_of(memo: Any, **options: Any) -> Parsed:
    content = load_cached_results(memo, **options).to_html()
    assert content is not None
    return Parsed(content)


def test_page_is_returned_or_written(double: Any, tmp_path: Path) -> None:
    double(21)
    results = load_cached_results(double)
    content = results.to_html()
    assert content is not None
    assert content.startswith("<!DOCTYPE html>")
    assert results.to_html(tmp_path / "page.html") is None
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    made = re.compile(r"on \d{4}-\d\d-\d\d \d\d:\d\d")
    assert made.sub("", written) == made.sub("", content)
    found = Parsed(content)
    assert found.column("x") == [21]
    assert found.column("output") == [42]
    assert "1 result, 1 version" in found.text


def test_page_loads_nothing_and_allows_only_its_scripts(double: Any) -> None:
    double(1)
    found = page_of(double)
    for name, attributes in found.elements:
        for attribute in ("src", "href", "action", "srcset", "data"):
            assert (attributes.get(attribute) or "#").startswith(("#", "data:,")), name
        assert not [each for each in attributes if each.startswith("on")]
    (policy,) = [
        attributes["content"] or ""
        for name, attributes in found.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    run = [content for kind, content in found.scripts if kind is None]
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in run]
    assert re.findall(r"sha256-([^']+)", policy) == hashes
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2]
    assert not {"@import", "url("} & set(re.findall(r"@import|url\(", page._resource("page.css")))


def test_chart_library_is_the_released_file() -> None:
    folder = Path(page.__file__).parent
    content = (folder / "echarts.min.js").read_bytes()
    digest = "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0"
    assert hashlib.sha256(content).hexdigest() == digest
    licence = (folder / "echarts.LICENSE.txt").read_text(encoding="utf-8")
    assert all(name in licence for name in ("Apache License", "Mike Bostock", "Baidu"))


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_stay_texts(value: str) -> None:
    @memorious
    def echo(x: Any) -> Any:
        return {"value": x}

    echo(value)
    found = page_of(echo)
    names = [name for name, _ in found.elements]
    assert names.count("script") == 3
    assert not {"img", "iframe", "object"} & set(names)
    (shown,) = found.column("x")
    assert shown == value.replace("\u2028", " ").replace("\u2029", " ").replace(
        "\x00", "\\x00"
    ).replace("\ud800", "\\ud800")


def test_hostile_names_stay_texts(load_module: Callable[[str], Any]) -> None:
    module = load_module(
        """
        @memorious
        def f(**kwargs): return {"<b>key</b></script>": 1}
        """
    )
    module.f(**{"</script><img>": 1})
    found = page_of(module.f)
    assert found.column("</script><img>") == [1]
    assert found.column("<b>key</b></script>") == [1]
    assert not {"img", "b"} & {name for name, _ in found.elements}


def test_numbers_texts_and_missing_values_are_told_apart() -> None:
    given = [0.1, float("nan"), float("-inf"), np.float32(0.5), np.array(3), True, None, "3", 2**60]

    @memorious
    def echo(at: int) -> Any:
        return {f"value{at}": given[at]}

    for at in range(len(given)):
        echo(at)
    found = page_of(echo)
    shown = [found.column(f"value{at}") for at in range(len(given))]
    assert all(len(each) == len(given) and each.count(None) == len(given) - 1 for each in shown)
    values = [next(value for value in each if value is not None) for each in shown]
    assert values == [0.1, "NaN", "-Infinity", 0.5, 3, "True", "None", "3", str(2**60)]


def test_column_with_one_large_integer_keeps_all_digits() -> None:
    fitted = fit([Column("seed", "input", {0: 1, 1: 2**64 + 1})], 2, 10_000).columns[0]
    assert fitted["texts"] == ["1", "18446744073709551617"]


def test_equal_texts_of_different_values_stay_different() -> None:
    texts = {0: "a" * 500 + "1" + "b" * 500, 1: "a" * 500 + "2" + "b" * 500}
    fitted = fit([Column("path", "input", texts)], 2, 10_000).columns[0]
    assert fitted["at"] == [0, 1]
    assert len(fitted["texts"][0]) == 200


def test_configurations_have_columns_of_their_own() -> None:
    @memorious
    def train(config: Any) -> Any:
        return argparse.Namespace(loss=config.lr * 2)

    train(argparse.Namespace(lr=0.5, layers=[8, 8]))
    found = page_of(train)
    assert found.column("config.lr") == [0.5]
    assert found.column("config.layers") == ["[8, 8]"]
    assert found.column("loss") == [1.0]
    roles = {each["name"]: each["role"] for each in found.data[0]["columns"]}
    assert (roles["config.lr"], roles["loss"], roles["time"]) == ("input", "output", "about")


def test_provenance_is_complete(double: Any) -> None:
    double(1)
    found = page_of(double)
    key = double.key(1)
    assert found.column("argument hash") == [key.arguments]
    assert found.column("definition hash") == [double.definition]
    assert found.column("stored") == [round(key.path.stat().st_mtime, 3)]
    assert found.column("size") == [key.path.stat().st_size]
    assert found.column("time") == [load_cached_results(double)[0]["time"]]
    made_by = f"Python {platform.python_version()}, "
    assert found.column("computed with")[0].startswith(made_by)
    assert found.column("computed with")[0].endswith(f"on {platform.node()}")
    folder, definition, file = key.path.parts[-3:]
    assert found.data[0]["folder"] == folder
    assert definition == double.definition
    assert file == key.arguments + found.data[0]["extensions"][0]


def test_expired_results_and_errors_are_marked() -> None:
    @memorious(max_age=1e-9, remember_errors=(ValueError,))
    def invert(x: int) -> float:
        if x == 0:
            raise ValueError("<zero>")
        return 1 / x

    invert(2)
    with pytest.raises(ValueError, match="zero"):
        invert(0)
    found = page_of(invert, errors=True)
    assert sorted(found.column("x")) == [0, 2]
    assert sorted(map(str, found.column("error"))) == ["None", "ValueError: <zero>"]
    at = found.column("x").index(0)
    assert found.data[0]["errors"] == [at]
    assert found.column("expired")[1 - at] == "True"


def test_large_outputs_and_arguments_are_not_loaded(cache: Path) -> None:
    @memorious(large_argument=1000)
    def train(data: Any) -> Any:
        return np.zeros(200_000)

    train(np.arange(1000))
    for file in (cache / "objects").iterdir():
        file.unlink()  # loading it would say so
    found = page_of(train)
    assert re.fullmatch(r"<1,\d{3},\d{3} bytes>", found.column("output")[0])
    assert re.fullmatch(r"<in objects/.*\.dill: \d+ bytes>", found.column("data")[0])


def test_unreadable_result_is_left_out_with_a_warning(double: Any) -> None:
    double(1)
    double(2)
    double.key(2).path.write_bytes(b"")
    with pytest.warns(CacheWarning, match="skipped"):
        found = page_of(double)
    assert found.column("x") == [1]
    assert "1 of 2 results" in found.text


def test_results_are_selected_and_limited_to_the_newest() -> None:
    @memorious
    def train(x: int, y: int) -> int:
        return x * y

    for x in range(5):
        train(x, x % 2)
    assert sorted(page_of(train, where={"y": 0}).column("x")) == [0, 2, 4]
    content = load_cached_results(train).to_html(limit=2)
    assert content is not None
    found = Parsed(content)
    assert len(found.column("x")) == 2
    assert "2 of 5 results" in found.text
    with pytest.raises(ValueError, match="limit"):
        load_cached_results(train).to_html(limit=0)


STUDY = """
from funes import memorious

API_TOKEN = "{secret}"

def helper(x):
    password = "{secret}"
    return x + {step}  # <b>

@memorious
def f(x):
    return helper(x), len(API_TOKEN)
"""


def test_versions_are_shown_with_changes_and_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for step, secret in enumerate(("hunter1", "hunter22", "hunter333")):
        (tmp_path / "edited_study.py").write_text(STUDY.format(step=step, secret=secret))
        sys.modules.pop("edited_study", None)
        importlib.invalidate_caches()
        study = importlib.import_module("edited_study")
        study.f(1)
    sys.modules.pop("edited_study")
    found = page_of(study.f, versions="all")
    assert "3 results, 3 versions" in found.text
    assert found.text.count("The first version with results") == 1
    assert found.text.count("edited_study.helper (function) changed") == 2
    assert "-    return x + 0" in found.text
    assert "+    return x + 2" in found.text
    assert "API_TOKEN: <" in found.text
    assert "hunter" not in found.text
    assert not {"b"} & {name for name, _ in found.elements}
    assert len(set(found.column("version"))) == 3


def test_2000_results_have_less_than_3_megabytes(double: Any) -> None:
    @memorious(packed=True)
    def train(**config: Any) -> Any:
        return {f"metric {at}": config["seed"] / (at + 3) for at in range(12)}

    for seed in range(2000):
        train(
            seed=seed,
            rate=1 / (seed + 3),
            path="/data/runs/" + f"{seed:08}/" * 40,
            words=[f"word {seed}"] * 30,
            **{f"option {at}": at * seed / 7 for at in range(8)},
        )
    content = load_cached_results(train).to_html()
    assert content is not None
    assert len(content.encode()) < 3_000_000
    assert Parsed(content).column("seed") == list(range(2000))


def test_columns_without_room_are_named() -> None:
    @memorious
    def wide(x: int) -> Any:
        return {f"metric {at:05}": f"{at:0100}" for at in range(3000)}

    wide(1)
    found = page_of(wide)
    (data,) = found.data
    assert data["columns"][0]["name"] == "x"
    assert re.search(r"no room for the columns (metric \d+(, )?){20} and [\d,]+ more\.", found.text)
    assert found.column("time")


def test_page_of_no_results_says_so(double: Any) -> None:
    found = page_of(double)
    assert "0 results" in found.text


def test_page_needs_no_library_beyond_funes(run_python: Callable[..., str]) -> None:
    output = run_python(
        "import sys\n"
        "from funes import memorious, load_cached_results\n"
        "@memorious\n"
        "def f(x): return x\n"
        "f(1)\n"
        "load_cached_results(f).to_html('page.html')\n"
        "print(sorted({'numpy', 'pandas', 'click', 'rich'} & set(sys.modules)))\n"
    )
    assert output.strip() == "[]"


class Unshown:
    def __repr__(self) -> str:
        raise RuntimeError


def test_value_that_cannot_be_shown_has_its_type() -> None:
    @memorious
    def f(x: int) -> Any:
        return Unshown()

    f(1)
    assert page_of(f).column("output") == ["<Unshown that cannot be shown>"]
