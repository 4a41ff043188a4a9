"""`f.check` computes stored calls again and compares the results."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from funes import CacheWarning, memorious, mode
from funes._memo.memo import Memo
from funes._tools.check.choose import Candidate, Chooser, parts_of
from funes._tools.check.compare import compare
from funes.types import Comparison

pytestmark = pytest.mark.usefixtures("cache")


def version(text: str, **options: Any) -> Memo[..., Any]:
    """Define a version of the memorious function `f` from its source."""
    namespace: dict[str, Any] = {"__name__": "mine", "np": np, **options.pop("names", {})}
    exec(text, namespace)
    return memorious(**options)(namespace["f"])


def record(memo: Memo[..., Any], definition: str) -> dict[str, Any]:
    folder = memo.cache_path.parent / definition
    found: dict[str, Any] = json.loads((folder / "definition.json").read_bytes())
    return found


def states(found: Comparison) -> list[str]:
    return [call.outcome for call in found.calls]


# What is computed


def test_results_of_previous_version_are_computed_again_and_not_stored() -> None:
    old = version("def f(x, y=2): return x * y")
    for x in range(4):
        old(x)
    new = version("def f(x, y=2): return y * x")
    found = new.check()
    assert (found.function, found.stored, found.computed) == (
        "mine.f",
        old.definition,
        new.definition,
    )
    assert states(found) == ["equal"] * 4
    assert found.is_equal
    assert found.total == 4
    assert not new.cache_path.exists()
    assert all(call.before > 0 and call.after for call in found.calls)
    assert str(found) == f"mine.f: compared 4 of 4 stored calls of {old.definition[:12]}: 4 equal"


def test_difference_is_shown_with_its_call() -> None:
    version("def f(x): return {'loss': [1.0, x]}")(3.0)
    found = version("def f(x): return {'loss': [1.0, x * 1.5]}").check()
    assert not found.is_equal
    assert states(found) == ["different"]
    assert "f(x=3.0): result['loss'][1]: 3.0 -> 4.5, relative difference 0.33" in str(found)


def test_numbers_within_tolerance_are_close() -> None:
    version("def f(x): return x")(1.0)
    new = version("def f(x): return x + 1e-9")
    assert not new.check().is_equal
    found = new.check(tolerance=1e-8)
    assert states(found) == ["close"]
    assert found.is_equal
    assert "the largest difference of numbers: f(x=1.0)" in str(found)
    assert not new.check(tolerance=1e-10).is_equal


def test_exception_is_a_difference() -> None:
    version("def f(x): return x")(1)
    found = version("def f(x): raise ValueError('no')").check()
    assert states(found) == ["raised"]
    assert "f(x=1): raises ValueError: no" in str(found)


def test_seeds_are_replayed_and_generators_kept() -> None:
    text = "import random\ndef f(x): return x {} random.random()"
    version(text.format("+"))(1, global_seed=7)
    random.seed(1)
    found = version(text.format("- -")).check()
    after = random.random()
    random.seed(1)
    assert found.is_equal
    assert after == random.random()


def test_arguments_are_passed_as_they_were() -> None:
    old = version("def f(a, /, b, *rest, c=3, **more): return a, b, rest, c, more")
    old(1, 2)
    old(1, 2, 4, 5, c=6, d=7)
    new = version("def f(a, /, b, *rest, c=3, **more): return (a, b, rest, c, more)[:]")
    assert states(new.check()) == ["equal", "equal"]


def test_new_parameter_with_default_is_bound() -> None:
    version("def f(x): return x")(1)
    assert version("def f(x, factor=1): return x * factor").check().is_equal
    assert not version("def f(x, factor=2): return x * factor").check().is_equal


def test_methods_are_checked() -> None:
    version("def f(self, x): return x")("me", 1)
    new = version("def f(self, x): return x + 0")

    class Holder:
        f = new

    assert Holder().f.check().is_equal


def test_coroutine_functions_are_checked_also_in_a_running_loop() -> None:
    text = "async def f(x): return {}"
    asyncio.run(version(text.format("x * 2"))(3))
    new = version(text.format("2 * x"))

    async def within() -> Comparison:
        return new.check()

    assert new.check().is_equal
    assert asyncio.run(within()).is_equal


def test_version_is_chosen_by_prefix() -> None:
    first = version("def f(x): return x + 1")
    first(1)
    second = version("def f(x): return x + 2")
    second(1)
    new = version("def f(x): return 1 + x")
    os.utime(first.cache_path, (0, 0))
    assert not new.check().is_equal
    assert new.check(first.definition[:8]).is_equal
    with pytest.raises(KeyError, match="no version"):
        new.check("ffff")
    new(1)
    with pytest.raises(ValueError, match="present definition"):
        new.check(new.definition)


def test_there_must_be_an_earlier_version() -> None:
    with pytest.raises(KeyError, match=r"no earlier version of mine\.f"):
        version("def f(x): return x").check()


def test_result_that_present_definition_has_is_not_computed() -> None:
    ran: list[int] = []

    def note(x: int) -> None:
        ran.append(x)
        time.sleep(0.002)  # the run time of an adopted copy would be that of the original

    version("def f(x): return x")(1)
    new = version("def f(x):\n    note(x)\n    return x", names={"note": note})
    with pytest.warns(CacheWarning):
        new(1)
    ran.clear()
    found = new.check()
    assert ran == []
    assert found.is_equal
    assert found.calls[0].after is None


def test_copy_of_adopted_result_is_no_evidence() -> None:
    old = version("def f(x): return x")
    old(1)
    new = version("def f(x): return x + 1")
    new.adopt(old.definition)
    found = new.check(old.definition)
    assert states(found) == ["different"]


def test_nested_memorious_functions_use_the_cache() -> None:
    inner = version("def f(x): return x")
    version("def f(x): return inner(x)", names={"inner": inner})(1)
    before = inner.cache_info().misses
    assert version("def f(x): return inner(x) + 0", names={"inner": inner}).check().is_equal
    assert inner.cache_info().misses == before


# Calls that are left out


def reason(found: Comparison) -> str:
    assert not found.calls
    assert not found.is_equal
    [line] = found.left_out
    return line.partition(": ")[2]


def test_call_that_drew_random_numbers_is_left_out() -> None:
    with pytest.warns(CacheWarning, match="random"):
        version("import random\ndef f(): return random.random()")()
    found = version("import random\ndef f(): return random.random() + 0").check()
    assert reason(found) == "it drew random numbers without a seed"


def test_remembered_error_is_left_out() -> None:
    old = version("def f(x): raise ValueError", remember_errors=ValueError)
    with pytest.raises(ValueError):  # noqa: PT011
        old(1)
    found = version("def f(x): raise ValueError()", remember_errors=ValueError).check()
    assert reason(found) == "it raised a remembered error"


def test_call_whose_file_changed_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "data.txt"
    file.write_text("one")
    version("def f(path):\n    with open(path) as file: return file.read()")(str(file))
    new = version("def f(path):\n    with open(path) as each: return each.read()")
    assert new.check().is_equal
    file.write_text("another")
    assert reason(new.check()) == f"{file}, which it read, has changed"
    file.unlink()
    assert reason(new.check()) == f"{file}, which it read, is missing"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def f(x, new): return x", "the parameter 'new' is new, and has no default"),
        ("def f(): return 1", "the function has no parameter 'x' any more"),
        ("def f(*x): return x", "the parameter 'x' takes several arguments now"),
    ],
)
def test_call_that_cannot_be_bound_is_left_out(text: str, why: str) -> None:
    version("def f(x): return x")(1)
    assert reason(version(text).check()) == why


def test_ignored_argument_needs_a_default() -> None:
    version("def f(x, log): return x", ignore="log")(1, 2)
    found = version("def f(x, log): return x + 0", ignore="log").check()
    assert "'log' is ignored" in reason(found)
    assert version("def f(x, log=None): return x + 0", ignore="log").check().is_equal


@dataclass
class Gone:
    x: int


def test_call_whose_inputs_cannot_be_unpickled_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    version("def f(x): return 1")(Gone(1))
    monkeypatch.delattr(sys.modules[__name__], "Gone")
    assert reason(version("def f(x): return int(bool(x))").check()).startswith(
        "its inputs cannot be unpickled"
    )


def test_call_with_missing_large_argument_is_left_out(cache: Path) -> None:
    version("def f(x): return 1", large_argument=10)("x" * 1000)
    for path in (cache / "objects").glob("*.dill"):
        path.unlink()
    assert "its stored input differs" in reason(version("def f(x): return int(bool(x))").check())


def test_damaged_and_expired_entries_are_left_out() -> None:
    old = version("def f(x): return x", max_age=100)
    old(1)
    path = old.key(1).path
    os.utime(path, (0, 0))
    new = version("def f(x): return x + 0")
    assert reason(new.check()) == "it is expired"
    path.write_bytes(path.read_bytes()[:-40])
    assert reason(new.check()).startswith("it cannot be read")


# The budget and the order


def test_call_that_exceeds_the_budget_is_not_begun() -> None:
    version("import time\ndef f(x):\n    time.sleep(0.02)\n    return x")(1)
    new = version("def f(x): return x")
    found = new.check(budget=0.001)
    assert not found.calls
    assert not found.is_equal
    assert "pass a larger budget" in found.detail
    assert new.check(budget=1).is_equal


def candidate(name: str, seconds: float, **inputs: Any) -> Candidate:
    return Candidate(name, seconds, parts_of(inputs, {}))


def order(candidates: list[Candidate], budget: float = 1000) -> list[str]:
    chooser = Chooser(candidates, budget)
    found = []
    while (chosen := chooser.next(budget)) is not None:
        found.append(chosen.arguments)
    return found


def test_calls_that_differ_in_most_arguments_come_first() -> None:
    calls = [candidate(f"{a}{b}", 1.0, a=a, b=b) for a in "xyz" for b in "pqr"]
    first = order(calls)[:3]
    assert {name[0] for name in first} == set("xyz")
    assert {name[1] for name in first} == set("pqr")


def test_cheap_calls_come_first_among_equals() -> None:
    calls = [candidate(str(x), 5.0 - x, x=f"value {x}") for x in range(4)]
    assert order(calls) == ["3", "2", "1", "0"]


def test_far_numbers_come_before_near_ones() -> None:
    assert order([candidate(str(x), 1.0, x=x) for x in range(10)])[:3] == ["0", "9", "4"]


def test_calls_that_take_much_of_the_budget_come_later() -> None:
    calls = [
        candidate("dear", 50.0, a=1, b=1, c=1),
        candidate("cheap", 1.0, a=2, b=2, c=2),
        candidate("second", 2.0, a=2, b=2, c=3),
    ]
    assert order(calls, budget=100) == ["cheap", "second", "dear"]


def test_parts_of_configurations_are_arguments() -> None:
    assert set(parts_of({"cfg": {"lr": 0.1, "opt": {"beta": 1}}}, {})) == {"cfg.lr", "cfg.opt.beta"}


# All calls of the present definition


def test_all_finds_what_a_library_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("a_library")
    library.__file__ = np.__file__  # installed
    exec("def twice(x): return x * 2", library.__dict__)
    monkeypatch.setitem(sys.modules, "a_library", library)
    inner = version("def f(x): return a_library.twice(x)", names={"a_library": library})
    outer = version("def f(x): return inner(x)", names={"inner": inner})
    outer(1)
    definition = outer.definition
    assert outer.check(all=True).is_equal
    exec("def twice(x): return x * 2 + 1", library.__dict__)
    assert outer.definition == definition, "the library counts by name"
    assert inner(1) == 2
    found = outer.check(all=True)
    assert states(found) == ["different"]
    assert outer(1) == 2, "nothing was stored"
    with pytest.raises(ValueError, match="exclude"):
        outer.check("00", all=True)


# Evidence for `adopt`


def test_equal_results_are_shown_and_recorded_by_adopt() -> None:
    old = version("def f(x): return x")
    old(1)
    old(2)
    new = version("def f(x): return x + 0")
    new.check()
    done = new.adopt(old.definition)
    assert done.evidence == "2 of 2 stored calls were computed again, with equal results"
    assert done.evidence in str(done)
    [evidence] = record(new, new.definition)["evidence"].items()
    assert evidence[0] == old.definition
    assert (evidence[1]["compared"], evidence[1]["stored"]) == (2, 2)
    assert new.adopt(old.definition).evidence == done.evidence


def test_adoption_without_a_check_has_no_evidence() -> None:
    old = version("def f(x): return x")
    old(1)
    new = version("def f(x): return x + 0")
    assert new.adopt(old.definition).evidence == ""
    assert "evidence" not in record(new, new.definition)


def test_difference_removes_evidence() -> None:
    old = version("def f(x): return x")
    old(1)
    new = version("def f(x): return x if x < 9 else 0")
    new.check()
    assert new.definition in record(old, old.definition)["checked"]
    old(10)
    assert not new.check().is_equal
    assert "checked" not in record(old, old.definition)
    assert new.adopt(old.definition).evidence == ""


def test_accepted_difference_is_part_of_the_evidence() -> None:
    old = version("def f(x): return x")
    old(1.0)
    new = version("def f(x): return x + 1e-9")
    new.check(tolerance=1e-6)
    assert "differ by at most 1e-09" in new.adopt(old.definition).evidence


def test_evidence_outlives_a_later_function_with_the_same_code() -> None:
    old = version("def f(x): return x")
    old(1)
    version("def f(x): return x + 0").check()
    twin = version("def f(x): return x", names={"__name__": "another"})
    twin(2)
    found = record(old, old.definition)
    assert len(found["functions"]) == 2
    assert "checked" in found


def test_mode_readonly_records_nothing() -> None:
    old = version("def f(x): return x")
    old(1)
    with mode("readonly"):
        assert version("def f(x): return x + 0").check().is_equal
    assert "checked" not in record(old, old.definition)


# Differences of results


@dataclass
class Fit:
    name: str
    weights: Any


def where(stored: Any, computed: Any) -> tuple[str, float | None]:
    found = compare(stored, computed)
    assert found is not None
    return found.where, found.relative


def test_equal_results_have_no_difference() -> None:
    for value in (1, 0.5, float("nan"), [1, "a"], {"x": np.arange(3.0)}, Fit("a", np.ones(2))):
        assert compare(value, value) is None


def test_largest_difference_of_numbers_is_found() -> None:
    assert where(2.0, 1.0) == ("result", 0.5)
    assert where([1.0, 2.0, 4.0], [1.0, 2.5, 5.0]) == ("result[2]", 0.2)
    assert where({"a": (1.0, 2.0), "b": 4.0}, {"a": (1.0, 2.0), "b": 2.0}) == ("result['b']", 0.5)
    before = np.zeros((2, 3))
    before[1, 2] = 10
    after = before.copy()
    after[0, 1] = 1
    assert where(before, after) == ("result[0, 1]", 0.1)
    assert where(np.float64(2), np.float64(1)) == ("result", 0.5)
    assert where(1 + 0j, 0.5 + 0j) == ("result", 0.5)
    fits = [Fit("a", np.array([1.0, weight])) for weight in (2.0, 1.0)]
    assert where(*fits) == ("result.weights[1]", 0.5)


def test_difference_in_tables_is_found() -> None:
    before = pd.DataFrame({"x": [1.0, 2.0], "n": [1, 2]}, index=["a", "b"])
    after = before.copy()
    after.iloc[1, 0] = 1.0
    assert where(before, after) == ("result['x'][1]", 0.5)
    assert where(before["x"], after["x"]) == ("result[1]", 0.5)
    assert before.iloc[1, 0] == 2.0, "the result is unchanged"


@pytest.mark.parametrize(
    ("stored", "computed"),
    [
        (1, 2),
        (1, 1.0),
        (np.float64(1), 1.0),
        ([1.0], [1.0, 2.0]),
        ({"a": 1.0}, {"b": 1.0}),
        ({"a": 1.0, "b": 1}, {"a": 2.0, "b": 2}),
        (np.zeros(2), np.zeros(2, dtype="float32")),
        (np.arange(2), np.arange(2) + 1),
        (Fit("a", 1.0), Fit("b", 2.0)),
        (
            pd.DataFrame({"x": [1.0]}, index=["a"]),
            pd.DataFrame({"x": [1.0]}, index=["b"]),
        ),
    ],
)
def test_other_differences_are_no_differences_of_numbers(stored: Any, computed: Any) -> None:
    assert where(stored, computed)[1] is None


def test_nan_and_infinity() -> None:
    inf, nan = float("inf"), float("nan")
    assert where([nan, 1.0], [nan, 2.0]) == ("result[1]", 0.5)
    assert where([inf, 1.0], [inf, 2.0]) == ("result[1]", 0.5)
    assert where(1.0, nan) == ("result", inf)
    assert where(np.array([1.0, 2.0]), np.array([1.0, nan])) == ("result[1]", inf)
    assert where(np.array([inf, 1.0]), np.array([-inf, 1.0])) == ("result[0]", inf)
    assert where(0.0, -0.0) == ("result", 0.0)


def test_objects_with_cycles_are_compared() -> None:
    one: dict[str, Any] = {"x": 1.0}
    other: dict[str, Any] = {"x": 2.0}
    one["self"], other["self"] = one, other
    assert compare(one, other) is not None
