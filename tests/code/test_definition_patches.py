"""Tests that patches of libraries, and values read in indirect ways, are part of the cache key."""

from __future__ import annotations

import itertools
import json
import os
import textwrap
from typing import Any

import pytest
from patch_cases import LIBRARY, ROWS, Row

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each row runs in a process")

#: Runs each row in separate processes: its changes one by one, some of them before the first call.
RUN = """
import importlib, json, os, sys, warnings
import funes
sys.path[:0] = [FOLDER, os.path.join(FOLDER, "site-packages")]
warnings.simplefilter("ignore")
write, known = json.dumps, {}

def look(function):
    key, said = funes.hash_definition(function), repr(function(1))
    return key, said, repr(function.__wrapped__(1))

def outcomes(name, changes, begin):
    module = importlib.import_module(name)
    function = funes.memorious(cache_dir=os.path.join(FOLDER, "cache"))(module.f)
    for change in changes[:begin]:
        exec(change, vars(module))
    found = [look(function)]
    for change in changes[begin:] if begin == 0 else ():
        exec(change, vars(module))
        found.append(look(function))
    return found

def in_process(*arguments):
    read, end = os.pipe()
    if os.fork() == 0:
        try:
            said = outcomes(*arguments)
        except BaseException as error:
            said = repr(error)
        os.write(end, repr(said).encode())
        os._exit(0)
    os.close(end)
    with os.fdopen(read, "rb") as pipe:
        said = eval(pipe.read())
    os.wait()
    return said

# The modules that each process would import itself.
importlib.import_module("warm")
function = funes.memorious(cache_dir=os.path.join(FOLDER, "cache"))(sys.modules["warm"].f)
look(function)

for name, changes in ROWS:
    live = in_process(name, changes, 0)
    fresh = [in_process(name, changes, count) for count in range(1, len(changes) + 1)]
    print(write([live, fresh]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Returns key, result and result without funes for each row, live and from the start of a process."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("patches")
    for file, text in LIBRARY.items():
        path = folder / "site-packages" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    (folder / "warm.py").write_text(
        "import argparse, json\nclass A(json.JSONEncoder): pass\ndef f(x): return A().encode(x)"
    )
    rows = []
    for number, row in enumerate(ROWS):
        (folder / f"row_{number}.py").write_text(row.text + "\n")
        rows.append((f"row_{number}", row.changes))
    script = f"FOLDER, ROWS = {str(folder)!r}, {rows!r}\n{RUN}"
    environment = {**os.environ, "FUNES_RUNS": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return dict(
        zip([row.name for row in ROWS], map(json.loads, done.stdout.splitlines()), strict=True)
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.slow
def test_change_of_library_or_setting_is_detected(row: Row, outcomes: dict[str, Any]) -> None:
    live, fresh = outcomes[row.name]
    assert not isinstance(live, str), live
    for _, result, plain in (*live, *(outcome for process in fresh for outcome in process)):
        assert result == plain
    for (key, result, _), (next_key, next_result, _) in itertools.pairwise(live):
        assert result != next_result, "the row changes nothing"
        # The name of a function is in its key in each process, and a changed name is detected.
        assert key != next_key
    # A process that starts with the changes has the same keys.
    assert [process[0][0] for process in fresh] == [key for key, _, _ in live[1:]]
