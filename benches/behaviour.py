"""Compares the behaviour of funes and its peers: prints the table of the README.

Each row is a claim, each column a library. A claim is a small project that is run, edited and run
again, each time in a fresh process. The answer is "yes" if the outcome is the claimed one, "no" if it
is another one, "error" if a run fails, and "-" for lru_cache if a second process is involved. The last
rows are not tried: they are what the libraries document.

    make behaviour
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

LIBRARIES = {
    "funes": "from funes import memorious as remember",
    "joblib": "import joblib; remember = joblib.Memory('cache', verbose=0).cache",
    "diskcache": "import diskcache; remember = diskcache.Cache('cache').memoize()",
    "cachier": "import cachier; remember = cachier.cachier(cache_dir='cache', separate_files=True)",
    "checkpointer": (
        "import checkpointer\n"
        "remember = checkpointer.checkpoint(directory='cache', capture=True, verbosity=0)"
    ),
    "exca": """\
import typing, exca, pydantic

class Call(pydantic.BaseModel):
    x: typing.Any
    y: typing.Any = 10
    infra: exca.TaskInfra = exca.TaskInfra(folder="cache")

    @infra.apply
    def run(self):
        return f.plain(self.x, self.y)

def remember(function):
    def call(x, y=10):
        return Call(x=x, y=y).run()
    call.plain = function
    return call
""",
    # In a module: in its notebooks the cells above count too.
    "marimo": "import marimo; remember = marimo.persistent_cache(save_path='cache')",
    "lru_cache": "from functools import lru_cache as remember",
}

#: What the documentation of the libraries says (November 2026), and which libraries do it.
FACTS: dict[str, set[str]] = {
    "is installed without compiled code of its own": {*LIBRARIES} - {"funes"},
    "keeps results in a database server": {"cachier"},
    "memoizes the block of a `with` statement": {"marimo"},
    "has been in use for years": {"joblib", "diskcache", "cachier", "marimo", "lru_cache"},
}

WORK = """\
from helpers import far
{remember}

FACTOR = 1

def near(x):
    return x

@remember
def f(x, y=10):
    print("ran")
    return near(x) * far(x) * FACTOR + y
"""
HELPERS = """\
def far(x):
    return 1
"""

#: The time after which a run hangs.
SECONDS = 120

# A run: an edit of the project (file, old text, new text; or None), a script, the expected output.
Edit = Callable[[Path], object] | None
Run = tuple[Edit, str, str]

CALL = "from work import f; print(f(2))"
AT_THE_SAME_TIME = f"""\
import subprocess, sys
calls = [subprocess.Popen([sys.executable, "-c", {CALL!r}], stdout=-1) for _ in range(2)]
print(sum(b"ran" in call.communicate()[0] for call in calls))
"""


def edit(file: str, old: str, new: str) -> Edit:
    """Returns a function that replaces a text in a file of the project, which must have it once."""

    def apply(project: Path) -> None:
        path = project / file
        text = path.read_text()
        assert text.count(old) == 1, (file, old)
        path.write_text(text.replace(old, new))

    return apply


def both(*edits: Edit) -> Edit:
    """Returns a function that makes several edits."""
    return lambda project: [each(project) for each in edits if each is not None]


def cut_stored_files(project: Path) -> None:
    """Truncates every file in the cache to its first half, as a full disk or a crash may."""
    for path in (project / "cache").rglob("*"):
        if path.is_file() and path.suffix != ".py":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


COMPUTED, HIT = (None, CALL, "ran\n12\n"), (None, CALL, "12\n")

CLAIMS: dict[str, list[Run]] = {
    "keeps results after the program has ended": [COMPUTED, HIT],
    "an edit of the function counts": [
        COMPUTED,
        (edit("work.py", "+ y", "- y"), CALL, "ran\n-8\n"),
    ],
    "an edit of a function it calls counts": [
        COMPUTED,
        (edit("work.py", "return x\n", "return x + 1\n"), CALL, "ran\n13\n"),
    ],
    "an edit of a function in another module counts": [
        COMPUTED,
        (edit("helpers.py", "return 1", "return 2"), CALL, "ran\n14\n"),
    ],
    "a new value of a global it reads counts": [
        COMPUTED,
        (edit("work.py", "FACTOR = 1", "FACTOR = 3"), CALL, "ran\n16\n"),
    ],
    "a file that it reads counts": [
        (
            both(
                edit("work.py", "+ y", "+ int(open('data').read())"),
                lambda project: (project / "data").write_text("10"),
            ),
            CALL,
            "ran\n12\n",
        ),
        (lambda project: (project / "data").write_text("20"), CALL, "ran\n22\n"),
    ],
    "a comment does not count": [
        COMPUTED,
        (edit("work.py", '    print("ran")\n', '    print("ran")  # now\n\n'), CALL, "12\n"),
    ],
    "an edit taken back finds the old results": [
        COMPUTED,
        (edit("work.py", "+ y", "- y"), CALL, "ran\n-8\n"),
        (edit("work.py", "- y", "+ y"), CALL, "12\n"),
    ],
    "`f(2)`, `f(x=2)` and `f(2, 10)` are one call": [
        (None, "from work import f; f(2); f(x=2); f(2, 10); f(y=10, x=2)", "ran\n"),
    ],
    "`f(1)`, `f(1.0)` and `f(True)` are three": [
        (None, "from work import f; f(1); f(1.0); f(True)", "ran\nran\nran\n"),
    ],
    "takes lists and dicts as arguments": [
        (
            edit("work.py", "return near", "return 12 or near"),
            "from work import f; f([1, {2: 3}]); f([1, {2: 3}])",
            "ran\n",
        ),
    ],
    "takes numpy arrays, and sees one element change": [
        (
            edit("work.py", "return near", "return 12 or near"),
            "import numpy as np; from work import f; a = np.zeros(10**5); f(a); a[777] = 1; f(a)",
            "ran\nran\n",
        ),
        (None, "import numpy as np; from work import f; f(np.zeros(10**5))", ""),
    ],
    "equal frozensets are one argument, in any process": [
        (
            edit("work.py", "return near", "return 12 or near"),
            "from work import f; f(frozenset(map(str, range(9))))",
            "ran\n",
        ),
        (None, "from work import f; f(frozenset(map(str, range(9))))", ""),
    ],
    "changing a result changes no other caller's copy": [
        (
            edit("work.py", "return near", "return [0] or near"),
            "from work import f; f(1).append(1); f(1).append(2); print(f(1))",
            "ran\n[0]\n",
        ),
    ],
    "of two processes at the same time, one computes": [
        (
            edit("work.py", '    print("ran")\n', '    import time; time.sleep(3); print("ran")\n'),
            AT_THE_SAME_TIME,
            "1\n",
        ),
    ],
    "a damaged file is computed again": [
        COMPUTED,
        (cut_stored_files, CALL, "ran\n12\n"),
    ],
}


def outcome(library: str, runs: list[Run]) -> str:
    """Tests one claim with one library; returns "yes", "no", "error" or "-"."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "work.py").write_text(WORK.format(remember=LIBRARIES[library]))
        (project / "helpers.py").write_text(HELPERS)
        for seed, (change, script, expected) in enumerate(runs, start=1):
            if change is not None:
                change(project)
            (project / "run.py").write_text(script)
            process = subprocess.Popen(
                [sys.executable, "run.py"],
                cwd=project,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": str(seed)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                start_new_session=True,
            )
            try:
                printed, _ = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return "hangs"
            if process.returncode != 0:
                return "error"
            if printed != expected:
                return "no"
            if library == "lru_cache" and len(runs) > 1:
                return "-"
    return "yes"


def rows() -> Iterator[list[str]]:
    """Yields the lines of the table: the header, then one line per claim."""
    yield [" ", *(name if name == "lru_cache" else f"{name} {version(name)}" for name in LIBRARIES)]
    yield ["---"] * (len(LIBRARIES) + 1)
    for claim, runs in tqdm(CLAIMS.items(), unit="claim"):
        yield [claim, *(outcome(library, runs) for library in LIBRARIES)]
    for fact, true_of in FACTS.items():
        yield [fact, *("yes" if library in true_of else "no" for library in LIBRARIES)]


if __name__ == "__main__":
    for row in list(rows()):
        print("|", " | ".join(row), "|")
