"""`f.check` compares equal results after harmless edits, and finds harmful edits with ten calls each."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from edited_project import HARMFUL, HARMLESS, SOURCE, calls

from funes._tools.check.check import check
from funes._tools.check.choose import Candidate, Chooser

#: The number of stored calls that are computed again for each edit.
CALLS = 10
NAME = "edited_by_check"


class Untimed(Chooser):
    """Chooses among equals by the argument hash, not by the measured run time: the same calls in each run."""

    def _rank(self, candidate: Candidate) -> tuple[Any, ...]:
        return (*super()._rank(candidate)[:-1], candidate.arguments)


@pytest.fixture(autouse=True)
def _untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[check.__module__], "Chooser", Untimed)


@pytest.fixture
def load(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``load(source)`` writes the module of the project and imports it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(source: str) -> Any:
        (tmp_path / f"{NAME}.py").write_text(source)
        sys.modules.pop(NAME, None)
        importlib.invalidate_caches()
        return importlib.import_module(NAME)

    yield load
    sys.modules.pop(NAME, None)


def compute(module: Any) -> int:
    """Compute all calls of the project, and return their number."""
    count = 0
    for name, points in calls(module).items():
        for args, kwargs in points:
            getattr(module, name)(*args, **kwargs)
            count += 1
    return count


def edited(source: str, before: str, after: str) -> str:
    assert source.count(before) == 1, before
    return source.replace(before, after)


def outcomes(load: Any, cache: Path, edits: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """Check each edit, and return the comparisons by a text of the edit."""
    found = {}
    for name, pairs in edits.items():
        for before, after in pairs:
            module = load(edited(SOURCE, before, after))
            comparison = check(getattr(module, name), most=CALLS)
            assert comparison.computed != comparison.stored, (name, before)
            found[f"{name}: {after}"] = comparison
            shutil.rmtree(cache / name / comparison.computed, ignore_errors=True)
    assert len(found) == 40
    return found


@pytest.mark.slow
def test_harmless_edits_are_equal(load: Any, cache: Path) -> None:
    assert compute(load(SOURCE)) > 400
    for edit, comparison in outcomes(load, cache, HARMLESS).items():
        assert comparison.is_equal, f"{edit}\n{comparison}"
        assert len(comparison.calls) == CALLS
        assert all(call.outcome == "equal" for call in comparison.calls)


@pytest.mark.slow
def test_harmful_edits_are_found_with_ten_calls(load: Any, cache: Path) -> None:
    compute(load(SOURCE))
    missed = [
        edit for edit, comparison in outcomes(load, cache, HARMFUL).items() if comparison.is_equal
    ]
    assert len(missed) <= 2, missed


@pytest.mark.slow
def test_harmful_edits_change_results(load: Any, cache: Path) -> None:
    compute(load(SOURCE))
    for name, pairs in HARMFUL.items():
        for before, after in pairs:
            module = load(edited(SOURCE, before, after))
            assert not check(getattr(module, name)).is_equal, (name, after)
