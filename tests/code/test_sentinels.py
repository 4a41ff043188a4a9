"""Tests that bare objects count by their names in a module."""

from __future__ import annotations

import enum
import importlib
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning, UnhashableArgumentError, hash_definition, hash_value
from funes._code import sentinels
from funes._memo.code_by_value import dumps, loads

Python = Callable[..., "subprocess.CompletedProcess[str]"]

FILES = {
    "made.py": """
        MISSING = object()
        SAME, OTHER = MISSING, object()
        class Config:
            UNSET = object()
        """,
    "also.py": "from made import MISSING as GIVEN\nMISSING = object()\n",
    "aaa.py": "from made import MISSING\n",
    "run.py": """
        import enum, sys, warnings
        warnings.simplefilter("error")
        if "early" in sys.argv:
            import aaa  # imports it, and comes first by its name
        import also, made
        from made import MISSING
        from funes import memorious, hash_value

        OWN = object()

        class Choice(enum.Enum):
            NOTHING = object()
            ALL = object()

        @memorious
        def by_default(x, default=MISSING): return default is MISSING

        @memorious
        def by_global(x): return x is MISSING, x is OWN, x is also.MISSING, x is made.Config.UNSET

        @memorious
        def captured(x): return [one(x) for one in tests]

        def test_of(value): return lambda x: x is value

        tests = [test_of(MISSING), test_of(OWN)]

        @memorious
        def by_member(x, choice=Choice.NOTHING): return choice is Choice.NOTHING

        @memorious
        def given_back(x): return [MISSING, {"own": OWN}]

        if __name__ == "__main__":
            values = [MISSING, OWN, also.MISSING, made.OTHER, made.Config.UNSET]
            print([hash_value(value) for value in values])
            assert [by_default(1), by_default(1, made.SAME), by_default(1, also.GIVEN)] == [True] * 3
            assert not by_default(1, OWN)
            assert not by_default(1, also.MISSING)
            assert by_global(MISSING) == (True, False, False, False)
            assert by_global(OWN) == (False, True, False, False)
            assert by_global(also.MISSING) == (False, False, True, False)
            assert by_global(made.Config.UNSET) == (False, False, False, True)
            assert by_global([MISSING]) == (False,) * 4
            assert captured(MISSING) == [True, False]
            assert by_member(1)
            assert not by_member(1, Choice.ALL)
            back = given_back(1)
            assert back[0] is MISSING and back[1]["own"] is OWN
            functions = [by_default, by_global, captured, by_member, given_back]
            print([f.definition for f in functions])
            print([f.cache_info().misses for f in functions])
        """,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def test_sentinels_have_equal_keys_in_all_processes(project: Path, python: Python) -> None:
    first = python("run.py", PYTHONHASHSEED="1")
    assert first.returncode == 0, first.stderr
    values, definitions, misses = first.stdout.splitlines()
    assert len(set(values.split(", "))) == 5
    assert misses == "[3, 5, 1, 2, 1]"
    for arguments in (["run.py"], ["run.py", "early"], ["-m", "run"]):
        again = python(*arguments, PYTHONHASHSEED="2")
        assert again.returncode == 0, again.stderr
        assert again.stdout.splitlines() == [values, definitions, "[0, 0, 0, 0, 0]"]
    code = "import run; print([f.definition for f in"
    code += " (run.by_default, run.by_global, run.captured, run.by_member, run.given_back)])"
    assert python("-c", code).stdout.strip() == definitions


@pytest.fixture
def made(project: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(project))
    (project / "user.py").write_text(
        textwrap.dedent("""
        import made
        from made import MISSING
        from funes import memorious
        @memorious
        def f(x): return x is MISSING
        @memorious
        def g(x): return x is made.MISSING
        @memorious
        def h(x, y=(1, MISSING)): return y[1] is MISSING
        """)
    )
    for name in ("made", "also", "user"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    return importlib.import_module("made")


@pytest.mark.parametrize("how", ["reload", "import", "assign"])
def test_replaced_sentinel_is_detected(
    how: str, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    user: Any = importlib.import_module("user")
    old = made.MISSING
    assert (user.f(old), user.g(old), user.h(1)) == (True, True, True)
    if how == "reload":
        importlib.reload(made)
    elif how == "import":
        monkeypatch.delitem(sys.modules, "made")
        made = importlib.import_module("made")
    else:
        made.MISSING = made.SAME = object()
    new = made.MISSING
    assert new is not old
    assert user.f(new) is False
    assert user.g(new) is (how != "import")
    if how != "assign":
        # A module that imported the old object still has it under a name.
        assert user.f(old) is True
    assert user.h(1) is True
    assert user.h(1, (1, new)) is False


def test_object_without_name_is_refused(made: Any) -> None:
    user: Any = importlib.import_module("user")
    nameless = object()
    with pytest.raises(UnhashableArgumentError, match="no module has it under a name"):
        hash_value([nameless])
    with pytest.warns(CacheWarning, match=r"a bare object\(\) has an identity but no value"):
        assert user.f(nameless) is False
    assert hash_value(made.MISSING) == hash_value(made.SAME) != hash_value(made.OTHER)


def test_sentinel_replaced_by_other_value_changes_definition(made: Any) -> None:
    user: Any = importlib.import_module("user")
    before = user.f.definition, user.g.definition
    user.MISSING = made.OTHER
    assert user.f.definition != before[0]
    user.MISSING = made.MISSING
    made.MISSING = made.OTHER
    assert user.g.definition != before[1]


def test_code_by_value_includes_sentinels(made: Any) -> None:
    user: Any = importlib.import_module("user")
    data, _ = dumps(user.f, everything=True, as_class=None)
    copy: Any = loads(data, ())
    here = copy.__wrapped__.__globals__["MISSING"]
    assert copy.__wrapped__(here) is True
    assert hash_value(here) == hash_value(made.MISSING)
    assert hash_definition(copy) == hash_definition(user.f)
    assert sentinels.place_of(here) is not None


@pytest.mark.skipif(sys.version_info < (3, 15), reason="needs the builtin sentinel")
def test_code_by_value_includes_builtin_sentinels(
    made: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "late.py").write_text(
        textwrap.dedent("""
        from funes import memorious
        GIVEN = sentinel("GIVEN", repr="given")
        @memorious
        def f(x): return x is GIVEN
        """)
    )
    late: Any = importlib.import_module("late")
    del sys.modules["late"]  # not by monkeypatch, which would put it back after the test
    monkeypatch.setitem(sys.modules, "late", late)
    data, _ = dumps(late.f, everything=True, as_class=None)
    copy, again = loads(data, ()), loads(data, ())
    here = copy.__wrapped__.__globals__["GIVEN"]
    assert here is again.__wrapped__.__globals__["GIVEN"] is not late.GIVEN
    assert copy.__wrapped__(here) is True
    assert hash_value(here) == hash_value(late.GIVEN)
    assert hash_definition(copy) == hash_definition(late.f)


def test_enum_members_with_bare_objects_count_by_name() -> None:
    class Choice(enum.Enum):
        ONE = object()
        OTHER = object()  # noqa: PIE796

    assert hash_value(Choice.ONE) == hash_value(Choice["ONE"]) != hash_value(Choice.OTHER)
