"""HTML of explanations, memorious functions, caches, sweeps and results: one style, and every value escaped."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from funes import grid, load_cached_results, memorious, open_cache
from funes._results import markup

pytestmark = pytest.mark.usefixtures("cache")

HOSTILE = "<script>alert('&')</script>\x1b[31m\u2028"


class Texts(HTMLParser):
    """The elements of a piece of HTML with their classes, and its text without the style."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs).get("class")))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data + " "


def shown(value: Any) -> Texts:
    """Returns what IPython would show, and checks that it is one block in the common style."""
    content: str = value._repr_html_()
    assert "\x1b" not in content
    assert "\u2028" not in content
    found = Texts(content)
    assert "script" not in {name for name, _ in found.elements}
    assert found.elements[0] == ("div", "funes")
    assert markup._STYLE in content
    return found


def edited(load_module: Callable[[str], Any]) -> Any:
    """Returns a function that was called, with a helper that was edited since."""
    module = load_module(
        """
        RATE = "<0.1>"

        def helper(x):
            return x + 1

        @memorious
        def f(x, name=""):
            return helper(x), RATE
        """
    )
    module.f(1)
    module.RATE = "<0.2>"
    return module.f


def test_explanation_has_a_coloured_diff_and_the_same_text(
    load_module: Callable[[str], Any],
) -> None:
    f = edited(load_module)
    found = f.explain(1)
    page = shown(found)
    assert "the definition has changed since version" in page.text
    assert "RATE: '<0.1>' -> '<0.2>'" in page.text
    assert "that version has a result of this call" in page.text
    assert repr(found) == str(found)
    assert str(found).splitlines()[1] == "  RATE: '<0.1>' -> '<0.2>'"


def test_diff_marks_added_and_removed_lines() -> None:
    found = Texts(markup.diff("--- f before\n+++ f after\n@@ -1 +1 @@\n-x < 1\n+\tx > 1\n same"))
    assert [name for _, name in found.elements] == ["diff", "place", "removed", "added", None]
    assert "before" not in found.text
    assert "-x < 1" in found.text
    assert "+\tx > 1" in found.text
    long = markup.diff("@@\n" + "+x\n" * 1000)
    assert long.count("<span") == 401
    assert "and 602 more lines" in long


def test_explanation_shows_other_arguments_as_a_table(double: Any) -> None:
    double(1)
    page = shown(double.explain(HOSTILE))
    assert ("table", None) in page.elements
    assert "the only stored call is" in page.text
    assert "alert('&')" in page.text


def test_function_shows_what_is_stored(load_module: Callable[[str], Any]) -> None:
    f = edited(load_module)
    f(1)
    f(2)
    f(2)
    page = shown(f)
    assert "f (x, name=''), memorious" in page.text
    assert "results 2" in page.text
    assert "earlier versions 1 with 1 result" in page.text
    assert "in this process 1 hit, 3 misses" in page.text
    assert f.definition[:12] in page.text
    assert str(f.cache_path) in page.text
    assert repr(f).startswith("<memorious <function f")


def test_function_without_a_definition_says_why(tmp_path: Path) -> None:
    @memorious(depends_on=tmp_path / "missing")
    def f(x: int) -> int:
        return x

    page = shown(f)
    assert "not cached" in page.text
    assert "missing" in page.text


def test_default_of_a_function_is_escaped() -> None:
    @memorious
    def f(x: str = HOSTILE) -> str:
        return x

    assert "<script>alert" in shown(f).text


def test_method_shows_its_function() -> None:
    class Model:
        @memorious
        def fit(self, x: int) -> int:
            return x

    page = shown(Model().fit)
    assert "Model.fit" in page.text
    assert "results 0" in page.text


def test_cache_lists_functions(double: Any, cache: Path) -> None:
    for x in range(3):
        double(x)
    page = shown(open_cache(cache))
    assert str(cache) in page.text
    assert re.search(r"double\s+3\s+1\s+[\d.]+ \w+\s+0 us\s+\d{4}-", page.text)
    assert ("td", "number") in page.elements
    for file in cache.rglob("*.*"):
        file.unlink()
    empty = shown(open_cache(cache))
    assert "Cache" in empty.text


def test_cache_lists_fifty_functions_at_most(
    load_module: Callable[[str], Any], cache: Path
) -> None:
    names = [f"f{number}" for number in range(52)]
    module = load_module("\n".join(f"@memorious\ndef {name}(): return 1" for name in names))
    for name in names:
        getattr(module, name)()
    assert "and 2 more functions" in shown(open_cache(cache)).text


def test_sweep_shows_its_axes_and_results_their_table(double: Any) -> None:
    page = shown(double.map(grid(x=[HOSTILE, 1])))
    assert "double : 2 points, 2 to compute" in page.text
    assert "<script>" in page.text
    double(2.5)
    results = shown(load_cached_results(double))
    assert "1 result of double" in results.text
    assert ("td", "number") in results.elements


def test_ipython_takes_the_html(double: Any, cache: Path) -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    double(1)
    for value in (double, double.explain(1), open_cache(cache), double.map(grid(x=[1]))):
        data, _ = formatters.DisplayFormatter().format(value)
        assert data["text/html"] == value._repr_html_()
