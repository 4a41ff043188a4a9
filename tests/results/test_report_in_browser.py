"""The page of a report in headless Chromium: sorting, filtering, charts, keyboard, dark mode, and nothing loaded."""

from __future__ import annotations

import importlib
import json
import math
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from funes import open_cache
from funes._results.report import page

pytestmark = pytest.mark.slow

selenium = pytest.importorskip("selenium")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.options import Options  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

STUDY = """
from dataclasses import dataclass
from funes import memorious

FACTOR = {factor}

@dataclass
class Config:
    lr: float
    optimizer: str

@memorious(cache_dir="cache")
def train(config, depth, seed=0):
    rate = {factor}
    return {{"accuracy": config.lr * FACTOR + depth, "steps": depth * 10}}

@memorious(cache_dir="cache")
def read(name):
    return name

@memorious(cache_dir="cache")
def many(x):
    return x * x
"""

HOSTILE = (
    "</script><script>window.broken = 1</script>",
    '<img src=x onerror="window.broken = 2">',
    "line\u2028separator \u2029 \x00 \ud800",
    "{a|rich} {b} {value}",
    "'\"&amp;<b>",
    float("nan"),
    float("inf"),
    2**70,
    b"\x00<script>",
    None,
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with the pages of a small study."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "dont_write_bytecode", True)
        for factor in (1, 2):
            (folder / "report_study.py").write_text(STUDY.format(factor=factor))
            sys.modules.pop("report_study", None)
            importlib.invalidate_caches()
            study: Any = importlib.import_module("report_study")
            for lr in (1.0, 0.1, 0.01, 0.001)[:: 3 - factor]:
                for optimizer in ("adam", "sgd"):
                    for depth in (2, 10, 9):
                        study.train(study.Config(lr, optimizer), depth)
        for value in HOSTILE:
            study.read(value)
        for x in range(249):
            study.many(x)
        sys.modules.pop("report_study")
        described = [each.results()._described(2000) for each in open_cache("cache").functions()]
        described.sort(key=lambda each: ("train", "read", "many").index(each.name))
        page.write(folder / "all.html", page.page("Results", described, "cache"))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("there is no Chromium or no driver of it: apt-get install chromium-driver")
    options = Options()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1200,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


class Page:
    """The open page, and what its console and network said."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser = browser
        browser.get_log("browser")
        browser.get_log("performance")
        browser.get("about:blank")
        browser.get(path.as_uri())

    def all(self, selector: str) -> list[Any]:
        """Returns the visible elements."""
        found: list[Any] = self.browser.execute_script(
            "return [...document.querySelectorAll(arguments[0])].filter(each => each.checkVisibility())",
            selector,
        )
        return found

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".filter(each => each.checkVisibility()).map(each => each.textContent)"
        )
        return found

    def one(self, selector: str) -> Any:
        (found,) = self.all(selector)
        return found

    def labelled(self, label: str) -> Any:
        (found,) = self.run(
            "[...document.querySelectorAll('label')].filter(each => each.checkVisibility() &&"
            f" [...each.childNodes].some(part => part.nodeValue === {json.dumps(label)}))"
            ".map(each => each.querySelector('select, input'))"
        )
        return found

    def choose(self, label: str, option: str) -> None:
        Select(self.labelled(label)).select_by_visible_text(option)

    def column(self, name: str) -> list[str]:
        at = self.texts(".results thead th").index(name)
        rows: list[list[str]] = self.browser.execute_script(
            "return [...document.querySelectorAll('.function:not([hidden]) .results tbody tr')]"
            ".map(row => [...row.cells].map(cell => cell.textContent))"
        )
        return [row[at] for row in rows]

    def title(self, name: str) -> Any:
        at = self.texts(".results thead th").index(name)
        return self.all(".results thead th")[at]

    def filter(self, query: str) -> str:
        box = self.labelled("Filter")
        box.clear()
        box.send_keys(query)
        return str(self.one('[role="status"]').text)

    def show(self, function: str) -> None:
        """Follows the link to a function by keyboard."""
        (link,) = [each for each in self.all("#overview a") if each.text == function]
        link.send_keys(Keys.ENTER)
        WebDriverWait(self.browser, 10, 0.02).until(
            lambda _: self.texts(".function h2") == [function]
        )

    def chart_label(self) -> str:
        return str(self.one(".chart").get_attribute("aria-label"))

    def shapes(self) -> int:
        return len(self.texts(".chart svg path"))

    def run(self, script: str) -> Any:
        return self.browser.execute_script(f"return {script}")


@pytest.fixture
def study(browser: Any, pages: Path) -> Iterator[Page]:
    """Returns the page, and checks at the end that it logged no message and loaded no other file."""
    found = Page(browser, pages / "all.html")
    yield found
    assert browser.get_log("browser") == []
    requests = [
        message["params"]["request"]["url"]
        for entry in browser.get_log("performance")
        for message in [json.loads(entry["message"])["message"]]
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in requests if not url.startswith(("data:", "about:"))} <= {
        (pages / "all.html").as_uri()
    }


def test_columns_sort_as_numbers_both_ways_and_back(study: Page) -> None:
    stored = study.column("depth")
    assert set(stored) == {"2", "9", "10"}
    button = study.title("depth").find_element(By.TAG_NAME, "button")
    button.click()
    assert study.title("depth").get_attribute("aria-sort") == "ascending"
    assert study.column("depth") == sorted(stored, key=int)
    study.title("depth").find_element(By.TAG_NAME, "button").click()
    assert study.title("depth").get_attribute("aria-sort") == "descending"
    assert study.column("depth") == sorted(stored, key=int, reverse=True)
    study.title("depth").find_element(By.TAG_NAME, "button").click()
    assert study.title("depth").get_attribute("aria-sort") == "none"
    assert study.column("depth") == stored


def test_filters_select_rows_of_the_table_and_the_chart(study: Page) -> None:
    assert study.filter("") == "24 of 36 results"
    assert study.filter("config.lr<=0.01") == "12 of 36 results"
    assert set(study.column("config.lr")) == {"0.01", "0.001"}
    assert study.filter("config.lr<=0.01 config.optimizer=adam depth!=9") == "4 of 36 results"
    assert study.filter("SGD depth>9") == "4 of 36 results"
    assert set(study.column("config.optimizer")) == {"sgd"}
    assert study.filter("no such word") == "0 of 36 results"
    assert study.column("depth") == []


def test_versions_are_chosen_and_their_changes_shown(study: Page) -> None:
    select = Select(study.labelled("Version"))
    assert [option.text for option in select.options][1:] == [
        f"{select.options[1].text}",
        "all versions",
    ]
    study.choose("Version", "all versions")
    assert study.one('[role="status"]').text == "36 of 36 results"
    assert len(set(study.column("version"))) == 2
    shown = study.texts(".versions li")
    assert len(shown) == 2
    assert "FACTOR: 1 -> 2" in shown[0]
    assert "The first version" in shown[1]


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("Scatter", "Scatter plot of steps by depth"),
        ("Line", "Line chart of steps by depth"),
        ("Heat map", "Heat map of steps by depth and accuracy"),
    ],
)
def test_axes_of_charts_are_chosen(study: Page, kind: str, label: str) -> None:
    study.choose("Kind", kind)
    study.choose("X axis", "depth")
    if kind == "Heat map":
        study.choose("Y axis", "accuracy")
        study.choose("Value", "steps")
    else:
        study.choose("Y axis", "steps")
    assert study.chart_label().startswith(label)
    texts = study.texts(".chart svg text")
    assert "depth" in texts
    before = study.shapes()
    study.filter("depth=2 config.lr=1")
    assert study.shapes() < before


def test_heat_map_has_ranges_of_many_numbers(study: Page) -> None:
    study.show("many")
    study.choose("Kind", "Heat map")
    study.choose("X axis", "x")
    study.choose("Y axis", "output")
    texts = study.texts(".chart svg text")
    assert any(re.fullmatch(r"[\d.e+]+ to [\d.e+]+", text) for text in texts)
    assert study.chart_label().startswith("Heat map")


def test_parallel_coordinates_have_the_chosen_axes(study: Page) -> None:
    study.choose("Kind", "Parallel coordinates")
    assert "depth" in study.chart_label()
    study.labelled("depth").send_keys(Keys.SPACE)
    assert "depth" not in study.chart_label()
    study.labelled("time").send_keys(Keys.SPACE)
    assert study.chart_label().split(". The table")[0].endswith("time")
    texts = study.texts(".chart svg text")
    assert {"config.lr", "config.optimizer", "time"} <= set(texts)
    assert "depth" not in texts


def test_logarithmic_axis_is_chosen_for_decades_and_can_be_left(study: Page) -> None:
    box = study.labelled("log x")
    assert box.is_selected()
    assert "0.001" in study.texts(".chart svg text")
    box.click()
    assert "0.001" not in study.texts(".chart svg text")


def test_point_of_a_chart_opens_its_result(study: Page) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    study.filter("config.lr=1 config.optimizer=adam depth=2")
    chart = study.one(".chart")
    study.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    # The centre of the point, seen from the centre of the chart. The other shape of its colour is in the legend.
    offset = study.run(
        "(() => { const chart = document.querySelector('.function:not([hidden]) .chart');"
        " const center = each => { const box = each.getBoundingClientRect();"
        " return [box.x + box.width / 2, box.y + box.height / 2]; };"
        " const points = [...chart.querySelectorAll('svg path[fill=\"#3b7dd8\"]')].map(center);"
        " const [x, y] = points.sort((a, b) => b[1] - a[1])[0], [left, top] = center(chart);"
        " return [x - left, y - top]; })()"
    )
    ActionChains(study.browser).move_to_element_with_offset(
        chart, *map(round, offset)
    ).click().perform()
    assert study.one("dialog h2").text.startswith("train ")


def test_page_works_by_keyboard(study: Page) -> None:
    study.labelled("Filter").send_keys("depth=2")
    study.title("accuracy").find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert study.title("accuracy").get_attribute("aria-sort") == "ascending"
    assert study.run("document.activeElement.textContent") == "accuracy"
    study.browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert study.title("accuracy").get_attribute("aria-sort") == "descending"
    opener = study.all(".results .open")[0]
    name = opener.text
    opener.send_keys(Keys.ENTER)
    assert study.one("dialog h2").text == f"train {name}"
    study.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert study.all("dialog") == []
    assert study.run("document.activeElement.textContent") == name
    kind = study.labelled("Kind")
    kind.send_keys("H")  # selects the heat map, as in any list of a browser
    assert study.chart_label().startswith("Heat map")
    assert study.run("document.activeElement.value") == "heatmap"


def test_every_control_is_labelled_and_can_get_the_focus(study: Page) -> None:
    names = study.run(
        "[...document.querySelectorAll('button, select, input, table, .chart, section')]"
        ".filter(each => each.offsetParent).map(each => each.labels?.[0]?.textContent || each.textContent"
        " || each.getAttribute('aria-label') || each.getAttribute('aria-labelledby'))"
    )
    assert len(names) > 20
    assert all(names)
    assert study.run("document.documentElement.lang") == "en"


def test_result_shows_its_provenance(study: Page) -> None:
    study.filter("config.lr=0.01 config.optimizer=sgd depth=10")
    study.one(".results .open").click()
    shown = dict(
        zip(
            study.texts("dialog dt"),
            study.texts("dialog dd"),
            strict=True,
        )
    )
    assert shown["config.lr"] == "0.01"
    assert shown["accuracy"] == "10.02"
    assert len(shown["definition hash"]) == len(shown["argument hash"]) == 40
    assert shown["file"] == f"train/{shown['definition hash']}/{shown['argument hash']}.dill"
    assert {"time", "stored", "size"} <= set(shown)


def test_functions_are_chosen_and_the_overview_sorts(study: Page) -> None:
    study.show("many")
    assert study.one('[role="status"]').text == "249 of 249 results"
    assert len(study.column("x")) == 25
    (button,) = [each for each in study.all("button") if each.text == "Next"]
    for _ in range(9):
        button.click()
    assert [*map(int, study.column("x"))][-1] == 248
    assert not button.is_enabled()
    titles = study.all("#overview thead button")
    titles[1].click()
    rows = [each.split(" ")[0] for each in study.texts("#overview tbody th")]
    assert rows == ["many", "train", "read"]
    titles[0].click()
    rows = [each.split(" ")[0] for each in study.texts("#overview tbody th")]
    assert rows == ["many", "read", "train"]


def test_hostile_values_are_texts(study: Page) -> None:
    study.show("read")
    names = study.column("name")
    assert study.run("window.broken") is None
    assert study.all("main img, main b") == []
    assert names[0] == HOSTILE[0]
    assert names[1] == HOSTILE[1]
    assert names[3] == HOSTILE[3]
    assert set(names) >= {"nan", "inf", str(2**70), repr(HOSTILE[8]), "None"}
    for kind in ("Scatter", "Line", "Heat map", "Parallel coordinates"):
        study.choose("Kind", kind)
    study.all(".results .open")[0].click()
    assert HOSTILE[0] in study.one("dialog").text
    assert study.run("window.broken") is None


def test_dark_mode_is_followed_also_by_charts(study: Page) -> None:
    def colors() -> tuple[float, str]:
        background = study.run("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, background.removeprefix("rgb(").rstrip(")").split(","))) / 765
        text = study.run(
            "document.querySelector('.function:not([hidden]) .chart svg text').getAttribute('fill')"
        )
        return light, text

    def follow(scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        study.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    follow("light")
    light, text = colors()
    follow("dark")
    study.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    dark, text_in_dark = colors()
    follow("")
    assert math.isclose(light, 1)
    assert dark < 0.2
    assert text != text_in_dark
