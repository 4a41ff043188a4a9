"""A miss of a function that reads nothing costs little for the recording of files."""

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

#: Instructions of a miss that begin and end the recording, with the functions that they call. Measured by valgrind on
#: x86-64 with Python 3.11, and with 3.14 without the interpreter lock.
INSTRUCTIONS = 390 if getattr(sys, "_is_gil_enabled", lambda: True)() else 510

#: Addresses change the number of instructions, so they are fixed.
FIXED = ["setarch", "-R"] if shutil.which("setarch") else []
VALGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=counts"]
#: At `getloadavg`, callgrind writes its counts to a file.
VALGRIND += ["--collect-atstart=no", "--dump-before=getloadavg"]
VALGRIND += [f"--toggle-collect=*reads*running*Running*{name}*" for name in ("begin", "end")]

MISSES = 300
SCRIPT = f"""
import os
from funes import memorious

f = memorious(lambda x: x * 2)
f(-1), os.getloadavg()
for number in range({MISSES}):
    f(number)
os.getloadavg()
"""


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
@pytest.mark.skipif(
    re.search(rb"reads\w+running\w+Running\w+begin", Path(_funes.__file__).read_bytes()) is None,
    reason="the extension was stripped of its symbols",
)
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the figure is another's")
@pytest.mark.slow
def test_instruction_count_of_a_recording_has_not_grown(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    subprocess.run(
        [*FIXED, *VALGRIND, sys.executable, "script.py"],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stderr=subprocess.DEVNULL,
    )
    counts = (tmp_path / "counts.2").read_text()
    figure = int(re.findall(r"^(?:summary|totals): (\d+)", counts, re.M)[0]) / MISSES
    assert 0 < figure <= 1.15 * INSTRUCTIONS
