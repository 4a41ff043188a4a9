"""A real notebook: functions typed into cells are cached, also when workers in another folder run them."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

DOUBLE = """
from funes import memorious
FACTOR = 2
def helper(x):
    return x * FACTOR
@memorious
def f(x):
    print("computing", x)
    return helper(x)
"""


def run_notebook(folder: Path, *cells: str) -> list[str]:
    """Returns what each cell printed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return [
        "".join(output["text"] for output in cell.outputs if output.output_type == "stream")
        for cell in notebook.cells
    ]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel warns that its sockets on this machine are not encrypted.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")


@pytest.mark.slow
def test_reverted_cell_finds_its_results(tmp_path: Path) -> None:
    edited = DOUBLE.replace("x * FACTOR", "x * FACTOR + 1")
    first, *rest = run_notebook(
        tmp_path,
        DOUBLE + "print(f(1), f(1))",
        "FACTOR = 3\nprint(f(1))",
        "FACTOR = 2\nprint(f(1))",
        edited + "print(f(1))",
        "# In another cell, with a comment\n" + DOUBLE + "print(f(1))",
    )
    assert first == "computing 1\n2 2\n"
    assert rest == ["computing 1\n3\n", "2\n", "computing 1\n3\n", "2\n"]
    # Another notebook finds results of equal functions; a different function of the same name has
    # its own.
    again, other = run_notebook(tmp_path, DOUBLE + "print(f(1))", edited + "print(f(1), f(2))")
    assert (again, other) == ("2\n", "computing 2\n3 5\n")


WORKERS = """
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor
from joblib.externals.loky import get_reusable_executor
os.makedirs("elsewhere")
x = 0
methods = set(multiprocessing.get_all_start_methods())
for method in sorted(methods):
    context = multiprocessing.get_context(method)
    with context.Pool(2, os.chdir, ("elsewhere",)) as pool:
        assert pool.map(f, [x, x + 1]) == [2 * x, 2 * x + 2]
    assert f.is_cached(x) and f.is_cached(x + 1), method
    x += 2
with ProcessPoolExecutor(2, context, os.chdir, ("elsewhere",)) as pool:
    assert list(pool.map(f, [x, x + 1])) == [2 * x, 2 * x + 2]
assert f.is_cached(x) and f.is_cached(x + 1)
loky = get_reusable_executor(2, initializer=os.chdir, initargs=("elsewhere",))
assert list(loky.map(f, [x + 2, x + 3])) == [2 * x + 4, 2 * x + 6]
loky.shutdown()
assert f.is_cached(x + 2) and f.is_cached(x + 3)
assert os.listdir("elsewhere") == []
"""


@pytest.mark.slow
def test_workers_of_a_notebook_store_in_its_cache_folder(tmp_path: Path) -> None:
    *_, last = run_notebook(tmp_path, DOUBLE, WORKERS, "print('all found')")
    assert last == "all found\n"
