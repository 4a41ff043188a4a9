"""Log lines and warnings beside progress bars: a terminal shows each as a whole line, and the bar below."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning, _warnings

pexpect = pytest.importorskip("pexpect")
pytest.importorskip("tqdm")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")

SCRIPT = """
import random, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from funes import memorious

@memorious
def slow(x):
    time.sleep(0.12)
    if x == 4:
        random.random()
    return x

if __name__ == "__main__":
    {body}
    print("end")
"""

#: The text of a bar of tqdm.
BAR = re.compile(r"\w+: +\d+%\|.*\| \d/\d \[.*\]?")


def screen_of(output: str) -> list[str]:
    """Returns the lines that a terminal shows after an output with the control codes that tqdm and funes use."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[AK]|[\r\n]|[^\r\n\x1b]+|\x1b", output):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[A":
            row = max(0, row - 1)
        elif part == "\x1b[K":
            lines[row] = lines[row][:column]
        else:
            assert not part.startswith("\x1b"), repr(part)
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines if line.strip()]


def run(tmp_path: Path, body: str) -> list[str]:
    """Runs a script in a terminal, and returns what the screen shows at the end."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(body=body))
    output, code = pexpect.run(
        f"{sys.executable} {script}",
        withexitstatus=True,
        encoding="utf-8",
        dimensions=(50, 500),
        env={**os.environ, "FUNES_LOG": "info", "TERM": "xterm"},
        cwd=str(tmp_path),
        timeout=60,
    )
    assert code == 0, output
    return screen_of(output)


def assert_whole(lines: list[str], computed: int) -> None:
    assert lines[-1] == "end"
    assert sum(line.startswith("funes: slow is computed: ") for line in lines) == computed
    assert sum("CacheWarning: slow: random numbers" in line for line in lines) == 1
    bars = [line for line in lines if "%|" in line]
    assert len(bars) == 1, "\n".join(lines)
    assert BAR.fullmatch(bars[0])
    for line in lines:
        assert line.count("funes: ") + line.count("%|") <= 1, line
        assert re.match(r"funes: |\S+:\d+: CacheWarning|  |\w+: +100%|end$", line), line


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("list(slow.map(range(6)))", id="serial"),
        pytest.param("list(slow.map(range(6), executor=2))", id="own workers"),
        pytest.param("list(slow.map(range(6), executor=ThreadPoolExecutor(2)))", id="threads"),
        pytest.param(
            "list(slow.map(range(6), executor=ProcessPoolExecutor(1, get_context('fork'))))",
            id="forked pool",
        ),
        pytest.param(
            "list(slow.map(range(6), executor=ProcessPoolExecutor(1, get_context('spawn'))))",
            id="spawned pool",
        ),
        pytest.param(
            "from tqdm import tqdm; [slow(x) for x in tqdm(range(6), desc='own')]",
            id="a bar of the user",
        ),
    ],
)
def test_lines_and_bar_are_whole(cache: Path, tmp_path: Path, body: str) -> None:
    assert_whole(run(tmp_path, body), 6)


@pytest.mark.slow
def test_prints_of_own_workers_are_whole(cache: Path, tmp_path: Path) -> None:
    body = (
        "noisy = memorious(lambda x: (time.sleep(0.1), print(f'point {x}'), x)[2]);"
        " list(noisy.map(range(6), executor=2))"
    )
    lines = [line for line in run(tmp_path, body) if not line.startswith("funes: ")]
    assert sorted(lines[:-2]) == [f"point {x}" for x in range(6)]
    assert "100%|" in lines[-2]


def test_lines_go_to_standard_error_as_it_is_then(run_python: Any) -> None:
    """A progress bar of rich replaces standard error."""
    output = run_python(
        "import contextlib, io\n"
        "from funes import memorious\n"
        "double = memorious(lambda x: 2 * x)\n"
        "with contextlib.redirect_stderr(io.StringIO()) as error:\n"
        "    double(1)\n"
        "print(error.getvalue(), end='')\n",
        FUNES_LOG="info",
    )
    assert output.startswith("funes: <lambda> is computed: not cached")
    assert output.count("\n") == 1


def test_bars_are_left_alone_where_none_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tqdm

    monkeypatch.setattr(tqdm.tqdm, "external_write_mode", None)  # is not called
    with pytest.warns(CacheWarning, match="text"):
        _warnings.warn("text")
    monkeypatch.setattr(_warnings, "_PROCESS", 0)  # a worker, whose error output is no terminal
    with pytest.warns(CacheWarning, match="text"):
        _warnings.warn("text")
    assert capsys.readouterr() == ("", "")
    assert not _warnings.can_erase(None)


def test_warning_that_is_an_error_leaves_the_bar_usable() -> None:
    import tqdm

    with tqdm.tqdm(total=1, disable=False, file=sys.stderr) as bar, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CacheWarning):
            _warnings.warn("text")
        bar.update()
    with tqdm.tqdm.get_lock():
        pass
