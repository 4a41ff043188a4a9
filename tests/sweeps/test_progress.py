"""Progress: a bar of tqdm, lines, a function of the user."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from sweep_functions import fails_at, square, waits

from funes._sweeps import progress as display
from funes.types import Progress


@pytest.mark.parametrize("executor", [None, 2])
def test_function_gets_hits_and_computed_points_apart(executor: int | None) -> None:
    list(waits.map(range(3), [0.0] * 3))
    seen: list[Progress] = []
    sweep = waits.map(range(10), [0.0] * 3 + [0.05] * 7, executor=executor, progress=seen.append)
    assert list(sweep) == list(range(10))
    assert seen[-1] == (10, 3, 7, 0)
    assert seen[-1].done == 10
    assert [each.done for each in seen] == sorted(each.done for each in seen)
    assert len(seen) > 2


def test_failures_count() -> None:
    seen: list[Progress] = []
    sweep = fails_at.map(range(4), [(2,)] * 4, on_error="collect", progress=seen.append)
    with pytest.warns(UserWarning, match="1 of 4"):
        list(sweep)
    assert seen[-1] == (4, 0, 3, 1)


def test_hits_alone_show_nothing() -> None:
    list(square.map([1, 2]))
    seen: list[Progress] = []
    list(square.map([1, 2], progress=seen.append))
    assert seen == []


def test_lines_where_nothing_can_be_redrawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines() -> list[str]:
        # An abandoned iteration of another test may end meanwhile, with a line of its own.
        return [line for line in capsys.readouterr().err.splitlines() if "waits" in line]

    list(waits.map([0], [0.11]))
    assert lines() == []
    monkeypatch.setattr(display, "_LINE_SECONDS", 0.15)
    list(waits.map([1, 2, 3], [0.11] * 3))
    found = lines()
    assert found
    assert all(
        re.fullmatch(r"waits: \d of 3 points, 0 cached, \d computed", line) for line in found
    )
    list(waits.map([4, 5, 6], [0.11] * 3, progress=False))
    assert lines() == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_bar_in_a_terminal(tmp_path: Any) -> None:
    pytest.importorskip("tqdm")
    pexpect = pytest.importorskip("pexpect")
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from funes import memorious\n"
        "@memorious\n"
        "def slow(x):\n"
        "    time.sleep(0.1)\n"
        "    return x\n"
        "print(sum(slow.map(range(5))))\n"
        "print(sum(slow.map(range(8), executor=2)))\n"
    )
    output, code = pexpect.run(f"{sys.executable} {script}", withexitstatus=True, encoding="utf-8")
    assert code == 0, output
    assert re.search(r"slow: 100%\|.*5/5 .*0 cached, 5 computed", output), output
    assert re.search(r"slow: 100%\|.*8/8 .*5 cached, 3 computed", output), output


def test_output_is_clean_without_a_terminal(run_python: Callable[..., str]) -> None:
    script = """
from funes import memorious
@memorious
def double(x):
    return 2 * x
print(list(double.map(range(3))), list(double.map(range(3, 5), executor=1)))
"""
    assert run_python(script) == "[0, 2, 4] [6, 8]\n"
