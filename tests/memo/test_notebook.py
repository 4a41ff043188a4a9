"""Notebooks: moved, repeated and edited cells, and modules that `%autoreload` loads again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

RunPython = Callable[..., str]

# Runs cells as a front end does.
SHELL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
for cell in CELLS:
    shell.run_cell(cell, store_history=True).raise_error()
"""

IMPORTS = "from funes import memorious"
HELPER = "RATE = 2\ndef helper(x):\n    return x * RATE"
FUNCTION = "@memorious\ndef f(x):\n    print('computed')\n    return helper(x)"
SHOW = "print(f.definition)"
CALL = "print(f(10))"


@pytest.fixture
def run_cells(run_python: RunPython) -> Callable[..., list[str]]:
    """``run_cells(*cells)`` runs the cells of a notebook and returns the lines that they print."""
    return lambda *cells: run_python(f"CELLS = {cells!r}\n{SHELL}").splitlines()


@pytest.mark.slow
def test_moved_or_split_cell_keeps_the_definition(
    run_cells: Callable[..., list[str]], run_python: RunPython
) -> None:
    cells = [IMPORTS, HELPER, FUNCTION, SHOW]
    (definition,) = run_cells(*cells)
    assert len(definition) == 40
    assert run_cells(IMPORTS, FUNCTION, "# a remark\n\n" + HELPER, SHOW) == [definition]
    assert run_cells("\n\n".join(cells)) == [definition]
    waits = "import asyncio\nawait asyncio.sleep(0)\n"
    assert run_cells(IMPORTS, waits + HELPER, "here = !echo\n" + FUNCTION, SHOW) == [definition]


def test_edited_cell_recomputes_and_keeps_former_results(
    run_cells: Callable[..., list[str]],
) -> None:
    edited = FUNCTION.replace("helper(x)", "helper(x) + 1")
    other_helper = HELPER.replace("x * RATE", "x - RATE")
    cells = [IMPORTS, HELPER, FUNCTION, CALL, CALL]
    cells += [edited, CALL, FUNCTION, CALL]
    cells += [other_helper, CALL, HELPER, CALL]
    cells += ["RATE = 3", CALL, "RATE = 2", CALL]
    assert run_cells(*cells) == [
        *("computed", "20", "20"),
        *("computed", "21", "20"),
        *("computed", "8", "20"),
        *("computed", "30", "20"),
    ]


def test_autoreload_updates_the_definition(
    run_cells: Callable[..., list[str]], tmp_path: Path
) -> None:
    def saved(number: int) -> str:
        # Of another size, so that it is loaded again whatever the clock says.
        text = (
            f"from funes import memorious\ndef helper(x):\n    return x + {number}\n"
            f"@memorious\ndef remembered(x, y={number}):\n    return x * y\n" + "#" * number
        )
        (tmp_path / f"{number}.txt").write_text(text)
        return f"_ = shutil.copy({str(tmp_path / f'{number}.txt')!r}, 'edited.py')"

    show = "print(f(10), g(10), remembered(10), edited.remembered(10), remembered(10, 5))"
    lines = run_cells(
        "%load_ext autoreload\n%autoreload 2\nimport shutil, sys\nsys.dont_write_bytecode = True",
        "sys.path.insert(0, '')\n" + saved(1),
        "import edited\nfrom edited import helper, remembered\nfrom funes import memorious",
        "@memorious\ndef f(x): return edited.helper(x)\n@memorious\ndef g(x): return helper(x)",
        show,
        saved(2),
        show,
        saved(1),
        show,
    )
    assert lines == ["11 11 10 10 50", "12 12 20 20 50", "11 11 10 10 50"]


def test_builtin_replaced_by_the_shell_counts_as_the_builtin(
    run_cells: Callable[..., list[str]], run_python: RunPython
) -> None:
    reads = FUNCTION.replace("return helper(x)", "return open(x).read()")
    (definition,) = run_cells(IMPORTS, reads, SHOW)
    assert run_python("\n".join([IMPORTS, reads, SHOW])).split() == [definition]
    (own,) = run_cells(IMPORTS, "def open(x):\n    return x", reads, SHOW)
    assert own != definition
