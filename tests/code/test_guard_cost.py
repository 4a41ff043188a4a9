"""Tests of what the guards of a definition cost at a hit, in a process that only finds results."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from funes import _funes

pytestmark = pytest.mark.slow

#: The functions whose hits are measured.
FUNCTIONS = """
from funes import memorious

class Base:
    factor = 1

class C(Base):
    a = 1

@memorious
def plain(x): return x

@memorious
def of_class(x): return x + C.a

class Point:
    scale = 1

POINT = Point()

@memorious
def of_object(x): return 1

SETTINGS = {f"name {number}": number for number in range(10)}
LIST = [*range(10)]
NESTED = {"a": [1, {"b": 2.5}], "c": {3}}

@memorious
def of_dict(x): return x + len(SETTINGS)

@memorious
def of_list(x): return x + len(LIST)

@memorious
def of_nested(x): return x + len(NESTED)

import config

@memorious
def of_module(x): return x, config.N

import os

@memorious
def of_variable(x): return x, os.environ.get("GUARD")

@memorious
def of_variables(x): return x, os.getenv("GUARD"), os.getenv("GUARD_2"), "GUARD_3" in os.environ

def helper(): return 1

@memorious
def of_helper(x): return x + helper()

unrelated = 0

def names_after_a_store(x):
    global unrelated
    unrelated = object()
    return names_200(x)
"""

for count in (0, 10, 50, 200):
    names = [f"N_{count}_{number}" for number in range(count)]
    FUNCTIONS += "".join(f"{name} = {1000 + place}\n" for place, name in enumerate(names))
    FUNCTIONS += f"@memorious\ndef names_{count}(x): return x, ({' + '.join(['1', *names])})\n"

#: What happens before some hits, the function that they call, and its argument, by name.
CASES = {
    "plain": ("", "plain", "1"),
    **{f"{count} names": ("", f"names_{count}", "1") for count in (0, 10, 50, 200)},
    "200 names after stores to another": ("", "names_after_a_store", "1"),
    "dict": ("", "of_dict", "1"),
    "list": ("", "of_list", "1"),
    "nested containers": ("", "of_nested", "1"),
    "module": ("", "of_module", "1"),
    "variable": ("", "of_variable", "1"),
    "variables": ("", "of_variables", "1"),
    "variable after another was set": ("os.environ['OTHER'] = '1'", "of_variable", "1"),
    "class": ("", "of_class", "1"),
    "class after its attribute was set": ("C.a = C.a", "of_class", "1"),
    "class after an attribute of its base was set": ("Base.factor = Base.factor", "of_class", "1"),
    "helper": ("", "of_helper", "1"),
    "helper after it got an empty dict of attributes": ("vars(functions.helper)", "of_helper", "1"),
    "helper after it got another one": ("functions.helper.__dict__ = {}", "of_helper", "1"),
    "object": ("", "of_object", "POINT"),
    "object after an attribute of its class was set": (
        "Point.scale = Point.scale",
        "of_object",
        "POINT",
    ),
}

HITS = 1000

#: Calls `getloadavg` before and after the hits of each case: there callgrind writes its counts to a file.
SCRIPT = f"""
import functions, os, sys, time
from functions import *

getloadavg = getattr(os, "getloadavg", float)

def hits(f, x):
    start = time.perf_counter()
    for _ in range({HITS}):
        f(x)
    return (time.perf_counter() - start) / {HITS}

for change, f, x in {list(CASES.values())}:
    exec(change)
    f, x = eval(f), eval(x)
    f(x), f(x), f(x)
    getloadavg()
    first = hits(f, x)
    getloadavg()
    print(first if len(sys.argv) > 1 else min(hits(f, x) for _ in range(20)))
"""

HAS_SYMBOLS = re.search(rb"memo_type\w+vectorcall", Path(_funes.__file__).read_bytes()) is not None
COUNTS = shutil.which("valgrind") is not None and HAS_SYMBOLS and platform.machine() == "x86_64"


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Returns the cost of a hit by case: in instructions, or in seconds where they cannot be counted."""
    folder = tmp_path_factory.mktemp("costs")
    (folder / "config.py").write_text("N = 1")
    (folder / "functions.py").write_text(FUNCTIONS)
    (folder / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONHASHSEED": "0", "FUNES_CACHE_DIR": str(folder / "cache")}

    def run(*command: str) -> str:
        return subprocess.run(
            command, check=True, cwd=folder, env=environment, encoding="utf-8", stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ).stdout  # fmt: skip

    # The first process computes the results. Later ones look nothing up in the classes.
    seconds = [run(sys.executable, "script.py") for _ in range(2)][-1]
    if not COUNTS:
        return dict(zip(CASES, map(float, seconds.split()), strict=True))
    run(
        "valgrind", "--tool=callgrind", "--callgrind-out-file=counts", "--dump-before=getloadavg",
        "--collect-atstart=no", "--toggle-collect=*memo_type*vectorcall*", sys.executable, "script.py", "once",
    )  # fmt: skip
    found = {}
    for number, case in enumerate(CASES):
        part = (folder / f"counts.{2 * number + 2}").read_text()
        found[case] = int(re.findall(r"^(?:summary|totals): (\d+)", part, re.M)[0]) / HITS
    return found


@pytest.mark.parametrize(
    ("case", "otherwise"),
    [
        ("class", "plain"),
        ("class after its attribute was set", "plain"),
        ("class after an attribute of its base was set", "plain"),
        ("object after an attribute of its class was set", "object"),
        ("variable", "module"),
        ("variables", "module"),
        ("variable after another was set", "variable"),
    ],
)
def test_input_adds_little_to_a_hit(costs: dict[str, float], case: str, otherwise: str) -> None:
    assert costs[otherwise] > 0
    # A hit without guards takes about 440 instructions, where 15 % are too few for a class; 90 take less than 5 ns.
    limit = costs[otherwise] + max(90, costs[otherwise] * 0.15) if COUNTS else costs[otherwise] * 2
    assert costs[case] <= limit


IS_LOCKED = getattr(sys, "_is_gil_enabled", lambda: True)()
#: True if the interpreter tells of changes of dicts, and funes makes use of that.
WATCHES = sys.version_info >= ((3, 12) if IS_LOCKED else (3, 14, 7))

needs_watchers = pytest.mark.skipif(not WATCHES, reason="the interpreter has no dict watchers")


@needs_watchers
@pytest.mark.parametrize(
    "case", ["10 names", "50 names", "200 names", "200 names after stores to another"]
)
def test_number_of_names_does_not_matter(costs: dict[str, float], case: str) -> None:
    assert costs[case] <= costs["0 names"] * (1.05 if COUNTS else 2)


@needs_watchers
@pytest.mark.skipif(not IS_LOCKED, reason="lists and sets cannot be read in place without the GIL")
@pytest.mark.parametrize("case", ["dict", "list", "nested containers"])
def test_container_of_constants_adds_little(costs: dict[str, float], case: str) -> None:
    # So many instructions take less than 20 ns.
    assert costs[case] <= (costs["plain"] + 220 if COUNTS else costs["plain"] * 2)


@needs_watchers
@pytest.mark.parametrize("which", ["an empty dict of attributes", "another one"])
def test_empty_dict_of_attributes_costs_nothing(costs: dict[str, float], which: str) -> None:
    assert costs[f"helper after it got {which}"] <= costs["helper"] * (1.02 if COUNTS else 2)


@needs_watchers
@pytest.mark.parametrize("case", ["variable", "variables", "variable after another was set"])
def test_environment_variable_costs_nothing(costs: dict[str, float], case: str) -> None:
    assert costs[case] <= costs["plain"] * (1.15 if COUNTS else 2)
