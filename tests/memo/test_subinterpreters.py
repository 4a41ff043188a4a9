"""Tests the messages in subinterpreters, into which the extension cannot be loaded."""

from __future__ import annotations

import textwrap
import traceback
from pathlib import Path
from typing import Any

import pytest

interpreters: Any = pytest.importorskip("concurrent.interpreters")

TEXT = """
from funes import memorious

@memorious
def f(x): return x + 1
"""


@pytest.fixture
def module(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import importlib
    import sys

    (tmp_path / "for_interpreters.py").write_text(TEXT)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "for_interpreters", raising=False)
    return importlib.import_module("for_interpreters")


@pytest.mark.parametrize("text", ["import funes", "from funes import memorious"])
def test_import_in_subinterpreter_names_the_alternatives(text: str) -> None:
    interpreter = interpreters.create()
    try:
        with pytest.raises(
            interpreters.ExecutionFailed, match="cannot be imported in a subinter"
        ) as failed:
            interpreter.exec(textwrap.dedent(text))
        assert "ThreadPoolExecutor" in str(failed.value)
    finally:
        interpreter.close()


def test_interpreter_pool_says_why_a_memo_does_not_run(module: Any) -> None:
    futures: Any = pytest.importorskip("concurrent.futures")
    with futures.InterpreterPoolExecutor(1) as pool:
        error = pool.submit(module.f, 1).exception()
    shown = "".join(traceback.format_exception(error))
    assert "funes cannot be imported in a subinterpreter" in shown
    assert module.f(1) == 2
