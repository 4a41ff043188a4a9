"""Results that survive an edit."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funes import AdoptionError, CacheWarning, load_cached_results, memorious
from funes._calls.description import parameters_of
from funes._calls.memo import Memo
from funes._funes import hash_arguments

pytestmark = pytest.mark.usefixtures("cache")


def version(text: str, **options: Any) -> Memo[..., Any]:
    """A version of the memorious function `f`, from the text of the function."""
    namespace: dict[str, Any] = {"__name__": "mine", "np": np, **options.pop("names", {})}
    exec(text, namespace)
    return memorious(**options)(namespace["f"])


def ran(call: Callable[[], Any], memo: Any) -> bool:
    """Whether a call ran the function."""
    before = memo.cache_info().misses
    call()
    after: int = memo.cache_info().misses
    return after > before


def first(**options: Any) -> Memo[..., Any]:
    return version("def f(lr, depth=3):\n    return lr * depth", **options)


def second(**options: Any) -> Memo[..., Any]:
    return version("def f(lr, depth=3):\n    return depth * lr", **options)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what a process notices by itself: it looks at the folder once a second."""
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def record(memo: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((memo.cache_path / "definition.json").read_bytes())
    return found


# The same parameters


def test_results_of_the_version_before_serve_the_one_after() -> None:
    old, new = first(), second()
    old(0.5)
    old(0.5, global_seed=7)
    adopted = new.adopt(old.definition[:8])
    assert (adopted.definition, adopted.into, adopted.entries) == (
        old.definition,
        new.definition,
        2,
    )
    assert str(adopted) == f"2 results of {old.definition[:12]} serve {new.definition[:12]}"
    assert new.is_cached(0.5)
    assert not ran(lambda: new(0.5), new)
    assert not ran(lambda: new(0.5, global_seed=7), new)
    assert new(0.5) == 1.5
    assert ran(lambda: new(0.25), new)
    info = new.cache_info()
    assert (info.disk_hits, info.memory_hits, info.misses) == (2, 1, 1)


def test_nothing_is_computed_copied_or_changed_by_it() -> None:
    old, new = first(), second()
    old(0.5)
    before = {path.name: path.read_bytes() for path in old.cache_path.iterdir()}
    new.adopt(old.definition)
    new(0.5)
    assert {path.name: path.read_bytes() for path in old.cache_path.iterdir()} == before
    assert sorted(path.name for path in new.cache_path.iterdir()) == [".lock", "definition.json"]


def test_results_that_are_stored_later_serve_too() -> None:
    old, new = first(), second()
    old(1)
    new.adopt(old.definition)
    old(2)
    assert not ran(lambda: new(2), new)


def test_a_parameter_that_is_only_renamed_keeps_its_hash() -> None:
    old, new = first(), version("def f(rate, depth=3): return rate * depth")
    old(0.5)
    with pytest.raises(AdoptionError, match="has the parameter 'rate', which the old one has not"):
        new.adopt(old.definition)
    new.adopt(old.definition, rename={"lr": "rate"})
    assert record(new)["adopted"][0]["arguments"] is None
    assert not ran(lambda: new(rate=0.5), new)
    old(0.25)
    assert not ran(lambda: new(0.25), new)


def test_in_another_process_it_holds_as_well(run_python: Callable[..., str]) -> None:
    text = """\
from funes import memorious

@memorious
def f(x):
    print("running")
    return x * 2

print(f(21), f.definition)
"""
    out = run_python(text).split()
    assert out[:2] == ["running", "42"]
    edited = text.replace("x * 2", "x + x")
    adopting = edited.replace("print(f(21)", f"f.adopt({out[2]!r}); print(f(21)")
    assert run_python(adopting).split()[0] == "42"
    assert run_python(edited).split()[0] == "42"
    undone = edited.replace("print(f(21)", f"f.adopt({out[2][:6]!r}, undo=True); print(f(21)")
    assert run_python(undone).split()[:2] == ["running", "42"]


def test_coroutine_functions_adopt() -> None:
    old = version("async def f(x): return x * 2")
    new = version("async def f(x): return x + x")
    asyncio.run(old(4))
    new.adopt(old.definition)
    assert not ran(lambda: asyncio.run(new(4)), new)
    assert asyncio.run(new(4)) == 8


def test_methods_adopt() -> None:
    class Model:
        def __init__(self, rate: float) -> None:
            self.rate = rate

    def f(self: Model, x: int) -> float:
        return self.rate * x

    def g(self: Model, y: int) -> float:
        return y * self.rate

    g.__name__ = "f"
    old, new = memorious(f), memorious(g)
    Model.g = new  # type: ignore[attr-defined]
    old(Model(0.5), 2)
    Model(1.0).g.adopt(old.definition, rename={"x": "y"})  # type: ignore[attr-defined]
    assert not ran(lambda: Model(0.5).g(2), new)  # type: ignore[attr-defined]
    assert ran(lambda: Model(0.25).g(2), new)  # type: ignore[attr-defined]


# Undoing


def test_what_is_undone_serves_no_more_not_from_memory_either() -> None:
    old, new = first(), second()
    old(0.5)
    new.adopt(old.definition)
    new(0.5)
    assert not ran(lambda: new(0.5), new)
    new.adopt(old.definition, undo=True)
    assert "adopted" not in record(new)
    assert not new.is_cached(0.5)
    wait_until(lambda: ran(lambda: new(0.5), new))


def test_what_is_undone_further_back_serves_no_more_either() -> None:
    a, b, c = first(), second(), version("def f(lr, depth=3): return depth * lr * 1")
    last = version("def f(lr, depth=3): return depth * lr + 0")
    a(0.5)
    for old, new in ((a, b), (b, c), (c, last)):
        new.adopt(old.definition)
    os.utime(last.cache_path, (1, 1))  # nothing has happened in it for long
    last(0.5)
    assert last.explain(0.5).why == "memory"
    b.adopt(a.definition, undo=True)
    wait_until(lambda: ran(lambda: last(0.5), last))


def test_only_what_was_adopted_can_be_undone() -> None:
    old, new = first(), second()
    with pytest.raises(AdoptionError, match=r"there is no adopted version .*; there are none"):
        new.adopt("ab", undo=True)
    assert not new.cache_path.exists()
    old(1)
    new(1)
    with pytest.raises(AdoptionError, match=r"there is no adopted version"):
        new.adopt(old.definition, undo=True)


def test_forgetting_a_call_forgets_the_adopted_result() -> None:
    old, new = first(), second()
    old(0.5)
    new.adopt(old.definition)
    new(0.5)
    assert new.forget(0.5)
    assert not new.is_cached(0.5)
    assert ran(lambda: new(0.5), new)


# Other parameters


def test_a_new_parameter_had_a_value_all_along() -> None:
    old = first()
    new = version("def f(lr, depth=3, activation='relu'): return lr * depth")
    old(0.5)
    old(0.5, 4, global_seed=1)
    adopted = new.adopt(old.definition, add={"activation": "relu"})
    assert adopted.entries == 2
    assert not ran(lambda: new(0.5), new)
    assert not ran(lambda: new(0.5, 4, "relu", global_seed=1), new)
    assert ran(lambda: new(0.5, activation="tanh"), new)
    # What is stored later has another hash than it would have now.
    old(0.75)
    assert not new.is_cached(0.75)
    new.adopt(old.definition, add={"activation": "relu"})
    assert new.is_cached(0.75)
    assert len(record(new)["adopted"]) == 1


def test_parameters_in_another_order_are_told_apart_by_name() -> None:
    old = version("def f(a, b): return a - b")
    new = version("def f(b, a): return -b + a")
    old(1, 2)
    old(2, 1)
    new.adopt(old.definition)
    assert not ran(lambda: new(a=1, b=2), new)
    assert new(a=1, b=2) == -1
    assert new(1, 2) == 1
    assert new.cache_info().misses == 0


def test_a_parameter_that_is_dropped() -> None:
    old = version("def f(x, verbose=False): return x")
    new = version("def f(x): return x + 0")
    old(1)
    old(2, verbose=True)
    with pytest.raises(AdoptionError, match=r"'verbose', which does not count .* drop='verbose'"):
        new.adopt(old.definition)
    new.adopt(old.definition, drop="verbose")
    assert not ran(lambda: (new(1), new(2)), new)


def test_two_results_that_would_be_one_are_refused_by_name() -> None:
    old = version("def f(x, verbose=False): return x")
    new = version("def f(x): return x + 0")
    old(1)
    old(1, verbose=True)
    with pytest.raises(AdoptionError, match="two results would be one") as caught:
        new.adopt(old.definition, drop="verbose")
    for key in (old.key(1), old.key(1, verbose=True)):
        assert str(key.path) in str(caught.value)
    assert not new.cache_path.exists()
    with pytest.raises(AdoptionError, match="two results would be one"):
        new.adopt(old.definition, drop="verbose", copy=True)
    assert not new.cache_path.exists()


def test_ignored_parameters_are_none() -> None:
    old = version("def f(x, verbose=False): return x", ignore="verbose")
    new = version("def f(x, quiet=False, more=0): return x + 0", ignore="quiet")
    old(1)
    new.adopt(old.definition, add={"more": 0})
    assert not ran(lambda: new(1, quiet=True), new)
    counted = version("def f(x, verbose=False): return 0 + x")
    with pytest.raises(AdoptionError, match="say what it was"):
        counted.adopt(old.definition)
    counted.adopt(old.definition, add={"verbose": True})
    assert not ran(lambda: counted(1, True), counted)
    assert ran(lambda: counted(1), counted)


def test_every_kind_of_parameter_finds_its_place() -> None:
    old = version("def f(a, /, b, *rest, c=1, **more): return a, b, rest, c, more")
    new = version("def f(a, /, b, *rest, c=1, d=2, **more): return (a, b, rest, c, more)")
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((1, 2), {}),
        ((1, 2, 3, 4), {"c": 5, "z": 6}),
        ((1, 2), {"a": 7, "y": [8], "global_seed": None}),
    ]
    for args, kwargs in calls:
        old(*args, **kwargs)
    assert new.adopt(old.definition, add={"d": 2}).entries == 3
    for args, kwargs in calls:
        expected = old(*args, **kwargs)
        assert new(*args, **kwargs) == expected
        assert new(*args, **{**kwargs, "d": 2}) == expected
    assert new.cache_info().misses == 0


def test_a_seed_that_becomes_a_parameter() -> None:
    old = version("def f(x): return x")
    new = version("def f(x, global_seed=None): return x + 0")
    old(1)
    old(1, global_seed=3)
    adopted = new.adopt(old.definition, add={"global_seed": None})
    assert adopted.entries == 1
    [text] = adopted.left_out
    assert str(old.key(1, global_seed=3).path) in text
    assert "it was called with global_seed" in text
    assert text in str(adopted)
    assert not ran(lambda: new(1), new)
    assert ran(lambda: new(1, global_seed=3), new)


def test_large_arguments_are_translated() -> None:
    options: dict[str, Any] = {"large_argument": 1000}
    old = version("def f(data, n=1): return float(data.sum())", **options)
    new = version("def f(rows, n=1, more=0): return float(np.sum(rows))", **options)
    data = np.arange(1000.0)
    old(data)
    new.adopt(old.definition, add={"more": 0}, rename={"data": "rows"})
    assert not ran(lambda: new(data), new)
    assert ran(lambda: new(data + 1), new)


def test_an_input_that_was_not_stored_is_left_out_and_said_to_be() -> None:
    old = version("def f(data, n=1): return n", large_argument=1000)
    new = version("def f(data, n=1, more=0): return n + 0", large_argument=1000)
    old(np.arange(1000.0))
    old(np.arange(2.0))
    [stored] = (old.cache_path.parent.parent / "objects").iterdir()
    stored.unlink()
    adopted = new.adopt(old.definition, add={"more": 0})
    assert adopted.entries == 1
    [text] = adopted.left_out
    assert "data: <not stored: objects/" in text
    old.forget(np.arange(2.0))
    with pytest.raises(AdoptionError, match="none of its results can serve"):
        new.adopt(old.definition, add={"more": 0})


def test_values_to_add_may_be_anything_that_can_be_an_argument() -> None:
    old, new = first(), version("def f(lr, depth=3, grid=None): return lr * depth")
    old(0.5)
    new.adopt(old.definition, add={"grid": np.arange(3)})
    assert not ran(lambda: new(0.5, grid=np.arange(3)), new)
    with pytest.raises(AdoptionError, match="'grid' cannot be stored"):
        new.adopt(old.definition, add={"grid": threading.Lock()})


def test_without_a_record_of_the_parameters_the_inputs_tell_them() -> None:
    old = first()
    new = version("def f(depth, lr): return depth * lr")
    old(0.5, 4)
    (old.cache_path / "definition.json").unlink()
    with pytest.raises(AdoptionError, match="none of its results can serve"):
        new.adopt(old.definition, drop="nothing")
    new.adopt(old.definition)
    assert not ran(lambda: new(lr=0.5, depth=4), new)
    assert ran(lambda: new(lr=4, depth=0.5), new)


@pytest.mark.parametrize(
    ("signature", "args", "kwargs"),
    [
        ("", (), {}),
        ("a, b=2", (1,), {}),
        ("a, /, b, *rest, c=1, **more", (1, 2, 3), {"c": 4, "a": 5, "z": [6]}),
        ("a, /, b, *rest, c=1, **more", (1, 2), {"global_seed": 7}),
        ("*rest, c", (), {"c": 1, "global_seed": None}),
        ("a, global_seed=None", (1,), {"global_seed": 3}),
        ("a, verbose=1, **more", (np.arange(300),), {"verbose": 2, "b": {"c": (1.0, True)}}),
        ("verbose, *, a", (0,), {"a": "x" * 1000}),
    ],
)
def test_the_hash_of_stored_arguments_is_that_of_the_call(
    signature: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    ignore = "verbose" if "verbose" in signature else ()
    f = version(f"def f({signature}): return 0", ignore=ignore)
    parameters = parameters_of(f)
    names = inspect.signature(f.__wrapped__).parameters
    assert parameters == [None if name == "verbose" else name for name in names]
    f(*args, **kwargs)
    [result] = load_cached_results(f, inputs_only=True)
    assert hash_arguments(parameters, result["input"]) == f.key(*args, **kwargs).arguments


def test_the_hash_of_arguments_needs_all_of_them() -> None:
    with pytest.raises(KeyError, match="b"):
        hash_arguments(["a", "b"], {"a": 1})


# Names that are wrong


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"add": {"nothing": 1}}, "add names 'nothing', and the new version has no such parameter"),
        ({"rename": {"lr": "nothing"}}, "rename names 'nothing', and the new version"),
        ({"rename": {"nothing": "lr"}}, "rename names 'nothing', and the old version"),
        ({"drop": "nothing"}, "drop names 'nothing', and the old version"),
        ({"drop": ("lr", "nothing")}, "drop names 'nothing'"),
        ({"add": {"lr": 1}}, "'lr' would have two values"),
        ({"rename": {"lr": "depth"}}, "'depth' would have two values"),
        ({"rename": {"lr": "lr"}, "drop": "lr"}, "'lr' cannot be renamed and dropped at once"),
        ({"drop": "lr"}, "the new version has the parameter 'lr'"),
    ],
)
@pytest.mark.parametrize("copy", [False, True])
def test_what_is_unaccounted_for_is_refused(
    options: dict[str, Any], message: str, copy: bool
) -> None:
    old, new = first(), second()
    old(1)
    with pytest.raises(AdoptionError, match=message):
        new.adopt(old.definition, copy=copy, **options)
    assert not new.cache_path.exists()


def test_a_version_that_is_not_there_or_not_certain_is_refused() -> None:
    old, new = first(), second()
    with pytest.raises(AdoptionError, match="there are none"):
        new.adopt("00")
    old(1)
    new(1)
    for prefix in ("xyz", "", old.definition + "0"):
        with pytest.raises(AdoptionError, match=old.definition):
            new.adopt(prefix)
    with pytest.raises(AdoptionError, match="is the definition of f itself"):
        new.adopt(new.definition)
    twin = old.cache_path.with_name(
        old.definition[:39] + ("0" if old.definition[39] != "0" else "1")
    )
    twin.mkdir()
    with pytest.raises(AdoptionError, match=f"may be any of .*{twin.name}"):
        new.adopt(old.definition[:39])


# Chains


def test_what_was_adopted_is_handed_on() -> None:
    oldest = version("def f(lr): return lr * 3")
    old = version("def f(lr, depth=3): return lr * depth")
    new = version("def f(rate, depth=3, more=0): return rate * depth")
    oldest(0.5)
    old.adopt(oldest.definition, add={"depth": 3})
    old(0.25)
    adopted = new.adopt(old.definition, rename={"lr": "rate"}, add={"more": 0})
    assert adopted.entries == 2
    assert not ran(lambda: (new(0.5), new(0.25)), new)
    # What the oldest gets later serves where the hashes stay, and not beyond.
    plain = version("def f(lr): return 3 * lr")
    plain.adopt(oldest.definition)
    last = version("def f(rate): return 3 * rate + 0")
    last.adopt(plain.definition, rename={"lr": "rate"})
    oldest(0.75)
    assert not ran(lambda: last(0.75), last)
    old.adopt(oldest.definition, undo=True)
    fresh = version("def f(rate, depth=3, more=0): return rate * depth")
    assert fresh.definition == new.definition
    assert ran(lambda: fresh(0.5), fresh)
    assert not ran(lambda: fresh(0.25), fresh)


def test_a_circle_is_refused() -> None:
    a, b, c = first(), second(), version("def f(lr, depth=3): return depth * lr * 1")
    a(1)
    b.adopt(a.definition)
    c.adopt(b.definition)
    with pytest.raises(AdoptionError, match=r"has adopted .* itself: undo that first"):
        a.adopt(c.definition)
    with pytest.raises(AdoptionError, match=r"has adopted .* itself: undo that first"):
        a.adopt(b.definition)


def test_two_versions_may_be_adopted() -> None:
    a, b, c = first(), second(), version("def f(lr, depth=3): return depth * lr * 1")
    a(1)
    b(2)
    c.adopt(a.definition)
    c.adopt(b.definition)
    assert not ran(lambda: (c(1), c(2)), c)
    c.adopt(a.definition, undo=True)
    assert (c.is_cached(1), c.is_cached(2)) == (False, True)


# Copies


def test_a_copy_is_an_entry_like_any_other() -> None:
    options: dict[str, Any] = {"large_argument": 1000}
    old = version("def f(data, n=1): return float(data.sum()) + n", **options)
    new = version("def f(rows, n=1, more=0): return float(np.sum(rows)) + n", **options)
    data = np.arange(1000.0)
    old(data)
    old(np.ones(2), global_seed=4)
    options = {"add": {"more": 0}, "rename": {"data": "rows"}, "copy": True}
    adopted = new.adopt(old.definition, **options)
    assert str(adopted).startswith("copied 2 results of ")
    assert "adopted" not in record(new)
    assert len(list((old.cache_path.parent.parent / "objects").iterdir())) == 1
    old.forget(data)
    assert not ran(lambda: new(data), new)
    assert not ran(lambda: new(np.ones(2), global_seed=4), new)
    again = new.adopt(old.definition, **options)
    assert again.entries == 1


def test_a_signed_cache_takes_copies_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, environment in (("secret", None), (None, "secret")):
        if environment:
            monkeypatch.setenv("FUNES_KEY", environment)
        old, new = first(key=key), second(key=key)
        old(1)
        with pytest.raises(AdoptionError, match="copy=True writes signed entries"):
            new.adopt(old.definition)
        new.adopt(old.definition, copy=True)
        assert not ran(lambda memo=new: memo(1), new)  # type: ignore[misc]
        new.forget(1)
        old.forget(1)


def test_a_record_in_a_signed_cache_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = first(), second()
    old(1)
    new.adopt(old.definition)
    monkeypatch.setenv("FUNES_KEY", "secret")
    signed_old, signed_new = first(), second()
    signed_old.forget(1)
    signed_old(1)
    assert not signed_new.is_cached(1)
    assert ran(lambda: signed_new(1), signed_new)


def test_an_unsigned_result_does_not_pass_by_way_of_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    old = first()
    old(1)
    monkeypatch.setenv("FUNES_KEY", "secret")
    new = second()
    with pytest.raises(AdoptionError, match="not signed with the key"):
        new.adopt(old.definition, copy=True)


# Results as data


def test_adopted_results_are_listed_with_the_arguments_of_now() -> None:
    options: dict[str, Any] = {"large_argument": 1000}
    oldest = version("def f(data): return float(data.sum())", **options)
    old = version("def f(data, n=1): return float(np.sum(data)) * n", **options)
    new = version("def f(rows, n=1): return n * float(np.sum(rows))", **options)
    oldest(np.arange(1000.0))
    old.adopt(oldest.definition, add={"n": 1})
    old(np.ones(2), 2, global_seed=3)
    new(np.ones(3))
    paths = [
        oldest.key(np.arange(1000.0)).path,
        old.key(np.ones(2), 2, global_seed=3).path,
        new.key(np.ones(3)).path,
    ]
    for second, path in enumerate(paths):
        os.utime(path, (second, second))
    new.adopt(old.definition, rename={"data": "rows"})
    results = load_cached_results(new)
    assert len(results) == 3
    listed = [(result["input"], result["output"]) for result in results]
    assert [list(given) for given, _ in listed] == [
        ["rows", "n"],
        ["rows", "n", "global_seed"],
        ["rows", "n"],
    ]
    assert [output for _, output in listed] == [499500.0, 4.0, 3.0]
    assert np.array_equal(listed[0][0]["rows"], np.arange(1000.0))
    [found] = load_cached_results(new, where={"rows": np.arange(1000.0)})
    assert found["output"] == 499500.0
    [found] = load_cached_results(new, where={"n": 2}, inputs_only=True)
    assert found["input"]["global_seed"] == 3
    assert list(results.to_pandas(exclude="rows")["n"]) == [1, 2, 1]
    # Each version has its own results when several are asked for.
    assert len(load_cached_results(new, versions="all")) == 3
    assert len(load_cached_results(new, versions=[new.definition])) == 1


def test_an_own_result_goes_before_an_adopted_one() -> None:
    old, new = first(), second()
    old(0.5)
    new(0.5)
    new.adopt(old.definition)
    assert len(load_cached_results(new)) == 1


def test_a_record_that_was_changed_costs_the_listing_what_was_adopted() -> None:
    old, new = first(), second()
    old(1)
    new(2)
    new.adopt(old.definition)
    path = new.cache_path / "definition.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"checksum": "', '"checksum": "0'), encoding="utf-8")
    with pytest.warns(CacheWarning, match="adopted results were skipped"):
        assert [result["input"]["lr"] for result in load_cached_results(new)] == [2]


# The record


def test_a_record_that_was_changed_is_not_believed() -> None:
    old = version("def f(x, verbose=False): return x")
    new_text = "def f(x): return x + 0"
    old(1)
    old(2)
    new = version(new_text)
    new.adopt(old.definition, drop="verbose")
    path = new.cache_path / "definition.json"
    content = record(new)
    sound = json.dumps(content)
    one, two = content["adopted"][0]["arguments"].values()
    exchanged = sound.replace(one, "-").replace(two, one).replace("-", two)
    for text in (
        exchanged,
        sound.replace('"checksum": "', '"checksum": "0'),
        sound.replace('"adopted": [', '"adopted": 3, "rest": ['),
        sound.replace(f'"definition": "{old.definition}"', f'"definition": "{"0" * 40}"'),
        sound.replace('"adopted": [', '"adopted": '),
        sound.replace('"format": 2', '"format": 9'),
    ):
        assert text != sound
        path.write_text(text, encoding="utf-8")
        fresh = version(new_text)
        with pytest.warns(CacheWarning, match=r"definition\.json.* nothing was adopted") as given:
            assert fresh(1) == 1
            assert not fresh.is_cached(2)
        assert len(given) == 1
        assert fresh.cache_info().misses == 1
        fresh.key(1).path.unlink()


def test_no_changed_byte_of_the_record_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from funes._versions import adoption
    from funes._versions.places import adopted_places

    old, new = version("def f(x, verbose=False): return x"), version("def f(x): return x + 0")
    old(1)
    old(2)
    new.adopt(old.definition, drop="verbose")
    path = new.cache_path / "definition.json"
    sound = path.read_bytes()
    where = new._store, "f", new.definition, new.key(1).arguments
    right = adopted_places(*where)
    assert right == [old.key(1)[:2]]
    start, end = sound.index(b'"adopted"'), sound.index(b'"checksum"') + 60
    found: set[str] = set()
    for position in range(start, end):
        for changed in (sound[position] ^ 1, sound[position] ^ 0x80, ord('"')):
            path.write_bytes(sound[:position] + bytes([changed]) + sound[position + 1 :])
            monkeypatch.setattr(adoption, "_read", {})
            try:
                places = adopted_places(*where)
            except AdoptionError:
                found.add("refused")
            else:
                found.add("right" if places == right else "none")
                assert places in (right, [])
    assert "refused" in found


def test_a_record_that_may_not_be_read_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from funes._versions import adoption

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    old, new = first(), second()
    old(1)
    new.adopt(old.definition)
    monkeypatch.setattr(adoption, "_read_from", refuse)
    monkeypatch.setattr(adoption, "_read", {})
    assert ran(lambda: new(1), new)


def test_a_record_of_another_definition_is_not_believed() -> None:
    old, new = first(), second()
    old(1)
    new.adopt(old.definition)
    other = version("def f(lr, depth=3): return lr")
    content = record(new) | {"definition": other.definition}
    other.cache_path.mkdir()
    (other.cache_path / "definition.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.warns(CacheWarning, match="is not what was recorded; nothing was adopted"):
        assert other(1) == 1
    with pytest.raises(AdoptionError, match="is not what was recorded"):
        other.adopt(new.definition)


def test_a_damaged_result_is_set_aside_and_computed() -> None:
    old, new = first(), second()
    old(1)
    path = old.key(1).path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    new.adopt(old.definition)
    with pytest.warns(CacheWarning, match="is damaged"):
        assert new(1) == 3
    assert (old.cache_path / "damaged" / path.name).exists()


def test_the_first_result_does_not_overwrite_the_record() -> None:
    old, new = first(), second()
    old(1)
    new.adopt(old.definition)
    new(2)
    assert record(new)["nodes"][0]["source"] == ""  # what exec ran has no text
    assert not ran(lambda: new(1), new)


def test_two_who_adopt_at_once_lose_nothing(run_python: Callable[..., str]) -> None:
    script = """\
import sys, threading
from funes import memorious

def version(number):
    namespace = {}
    exec(f"def f(x): return x + {number} - {number}", namespace)
    return memorious(namespace["f"])

new = version(0)
olds = [version(number) for number in range(1, 9)]
for number, old in enumerate(olds):
    old(number)
if len(sys.argv) == 1:
    import os, subprocess
    others = [
        subprocess.Popen([sys.executable, __file__, str(part)], env=dict(os.environ)) for part in (0, 1)
    ]
    assert [other.wait() for other in others] == [0, 0]
    new.definition
    print(all(new.is_cached(number) for number in range(8)))
else:
    part = int(sys.argv[1])
    mine = olds[part::2]
    threads = [threading.Thread(target=new.adopt, args=(old.definition,)) for old in mine]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
    assert run_python(script).split() == ["True"]


def test_a_miss_without_adoptions_reads_the_record_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from funes._versions import adoption

    reads = []
    read_from = adoption._read_from
    monkeypatch.setattr(
        adoption, "_read_from", lambda *args: reads.append(args) or read_from(*args)
    )
    f = first()
    for lr in range(5):
        f(lr)
    assert len(reads) == 1


def test_who_waits_too_long_for_the_record_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from funes._versions import exclusive

    monkeypatch.setattr(exclusive, "_PATIENCE", 0.05)
    old, new = first(), second()
    old(1)
    with (
        exclusive.exclusive(str(new.cache_path), "definition.json"),
        pytest.raises(TimeoutError, match=r"another thread has been changing definition\.json"),
    ):
        new.adopt(old.definition)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(new.cache_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(
            TimeoutError, match=r"another process has been changing definition\.json"
        ):
            new.adopt(old.definition)
        holder.communicate()
    new.adopt(old.definition)


HOLD = """\
import sys
from funes._versions.exclusive import exclusive

with exclusive(sys.argv[1], "definition.json"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="there are no such permissions")
def test_a_shared_record_can_be_read_by_the_group(cache: Path) -> None:
    old, new = first(shared=True), second(shared=True)
    old(1)
    new.adopt(old.definition)
    assert (new.cache_path / "definition.json").stat().st_mode & 0o777 == 0o660
