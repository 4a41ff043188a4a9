"""Adoption of results after an edit or a rename."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funes import AdoptionError, load_cached_results, memorious, open_cache
from funes._funes import hash_arguments
from funes._memo.definition_record import parameters_of
from funes._memo.memo import Memo
from funes.types import StoredEntry

pytestmark = pytest.mark.usefixtures("cache")


def version(text: str, **options: Any) -> Memo[..., Any]:
    """Define a version of the memorious function `f` from its source."""
    namespace: dict[str, Any] = {"__name__": "mine", "np": np, **options.pop("names", {})}
    exec(text, namespace)
    return memorious(**options)(namespace["f"])


def ran(call: Callable[[], Any], memo: Any) -> bool:
    """Return whether a call ran the function."""
    before = memo.cache_info().misses
    call()
    after: int = memo.cache_info().misses
    return after > before


def first(**options: Any) -> Memo[..., Any]:
    return version("def f(lr, depth=3):\n    return lr * depth", **options)


def second(**options: Any) -> Memo[..., Any]:
    return version("def f(lr, depth=3):\n    return depth * lr", **options)


def record(memo: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((memo.cache_path / "definition.json").read_bytes())
    return found


# The same parameters


def test_results_are_copied_to_new_version() -> None:
    old, new = first(), second()
    old(0.5)
    old(0.5, global_seed=7)
    adopted = new.adopt(old.definition[:8])
    assert adopted == (old.definition, new.definition, 2, (), "")
    assert str(adopted) == f"copied 2 results of {old.definition[:12]} to {new.definition[:12]}"
    assert new.is_cached(0.5)
    assert not ran(lambda: new(0.5), new)
    assert not ran(lambda: new(0.5, global_seed=7), new)
    assert new(0.5) == 1.5
    assert ran(lambda: new(0.25), new)
    info = new.cache_info()
    assert (info.disk_hits, info.memory_hits, info.misses) == (2, 1, 1)


def test_copies_are_ordinary_entries() -> None:
    old, new = first(), second()
    old(0.5)
    before = {path.name: path.read_bytes() for path in old.cache_path.iterdir()}
    new.adopt(old.definition)
    assert {path.name: path.read_bytes() for path in old.cache_path.iterdir()} == before
    assert sorted(path.name for path in new.cache_path.iterdir()) == sorted(
        [new.key(0.5).path.name, "definition.json"]
    )
    shutil.rmtree(old.cache_path)
    assert not ran(lambda: new(0.5), new)
    assert new.explain(0.5).why == "memory"
    assert new.forget(0.5)
    assert ran(lambda: new(0.5), new)


def test_later_results_need_another_adoption() -> None:
    old, new = first(), second()
    old(1)
    new.adopt(old.definition)
    old(2)
    assert not new.is_cached(2)
    assert new.adopt(old.definition).entries == 2
    assert not ran(lambda: new(2), new)


def test_equal_parameters_are_copied_without_unpickling() -> None:
    old, new = first(), second()
    old(0.5)
    path = old.key(0.5).path
    path.unlink()
    broken = b"\x80\x05cnot_there\nThing\n."  # a class that cannot be imported
    head = (0.5, (broken, None), None)
    assert old._store.write("f", old.definition, old.key(0.5).arguments, broken, None, head)
    assert new.adopt(old.definition).entries == 1
    copy = new._store.read("f", *new.key(0.5)[:2])
    assert (bytes(copy.body), copy.head) == (broken, (0.5, (broken, []), None))


@pytest.mark.parametrize("size", [10, 100_000])
def test_arrays_are_copied_with_both_pickles(size: int) -> None:
    old = version("def f(n): return np.arange(n)")
    new = version("def f(n): return np.arange(n) + 0")
    renamed = version("def f(count): return np.arange(count)")
    old(size)
    new.adopt(old.definition)
    renamed.adopt(old.definition, rename={"n": "count"})
    for memo in (new, renamed):
        assert memo(size).tolist() == list(range(size))
        assert memo.cache_info().misses == 0
        [result] = load_cached_results(memo)
        assert result["output"].tolist() == list(range(size))
    assert [list(r["input"]) for r in load_cached_results(renamed)] == [["count"]]


def test_many_results_are_copied() -> None:
    old, new = first(), second()
    for lr in range(500):
        old(lr)
    assert new.adopt(old.definition).entries == 500
    assert [new(lr) for lr in range(500)] == [3 * lr for lr in range(500)]
    assert new.cache_info().misses == 0


def test_renamed_parameter_keeps_the_hash() -> None:
    old, new = first(), version("def f(rate, depth=3): return rate * depth")
    old(0.5)
    with pytest.raises(AdoptionError, match="has the parameter 'rate', which the old one lacks"):
        new.adopt(old.definition)
    new.adopt(old.definition, rename={"lr": "rate"})
    assert new.key(0.5).arguments == old.key(0.5).arguments
    assert not ran(lambda: new(rate=0.5), new)
    assert [result["input"] for result in load_cached_results(new)] == [{"rate": 0.5, "depth": 3}]


def test_other_process_uses_adopted_results(run_python: Callable[..., str]) -> None:
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


def test_coroutine_function_adopts() -> None:
    old = version("async def f(x): return x * 2")
    new = version("async def f(x): return x + x")
    asyncio.run(old(4))
    new.adopt(old.definition)
    assert not ran(lambda: asyncio.run(new(4)), new)
    assert asyncio.run(new(4)) == 8


def test_method_adopts() -> None:
    class Model:
        def __init__(self, rate: float) -> None:
            self.rate = rate

    def f(self: Model, x: int) -> float:
        return self.rate * x

    def g(self: Model, y: int) -> float:
        return y * self.rate

    g.__name__, g.__qualname__ = f.__name__, f.__qualname__
    old, new = memorious(f), memorious(g)
    Model.g = new  # type: ignore[attr-defined]
    old(Model(0.5), 2)
    Model(1.0).g.adopt(old.definition, rename={"x": "y"})  # type: ignore[attr-defined]
    assert not ran(lambda: Model(0.5).g(2), new)  # type: ignore[attr-defined]
    assert ran(lambda: Model(0.25).g(2), new)  # type: ignore[attr-defined]


# Other parameters


def test_added_parameter_gets_its_value() -> None:
    old = first()
    new = version("def f(lr, depth=3, activation='relu'): return lr * depth")
    old(0.5)
    old(0.5, 4, global_seed=1)
    adopted = new.adopt(old.definition, add={"activation": "relu"})
    assert adopted.entries == 2
    assert not ran(lambda: new(0.5), new)
    assert not ran(lambda: new(0.5, 4, "relu", global_seed=1), new)
    assert ran(lambda: new(0.5, activation="tanh"), new)
    # Results stored later have another hash.
    old(0.75)
    assert not new.is_cached(0.75)
    new.adopt(old.definition, add={"activation": "relu"})
    assert new.is_cached(0.75)


def test_reordered_parameters_are_matched_by_name() -> None:
    old = version("def f(a, b): return a - b")
    new = version("def f(b, a): return -b + a")
    old(1, 2)
    old(2, 1)
    new.adopt(old.definition)
    assert not ran(lambda: new(a=1, b=2), new)
    assert new(a=1, b=2) == -1
    assert new(1, 2) == 1
    assert new.cache_info().misses == 0


def test_parameter_is_dropped() -> None:
    old = version("def f(x, verbose=False): return x")
    new = version("def f(x): return x + 0")
    old(1)
    old(2, verbose=True)
    with pytest.raises(
        AdoptionError, match=r"'verbose', which is not part of the key .* drop='verbose'"
    ):
        new.adopt(old.definition)
    new.adopt(old.definition, drop="verbose")
    assert not ran(lambda: (new(1), new(2)), new)


def test_results_that_would_get_equal_keys_are_refused() -> None:
    old = version("def f(x, verbose=False): return x")
    new = version("def f(x): return x + 0")
    old(1)
    old(1, verbose=True)
    with pytest.raises(AdoptionError, match="two results would have the same key") as caught:
        new.adopt(old.definition, drop="verbose")
    for key in (old.key(1), old.key(1, verbose=True)):
        assert str(key.path) in str(caught.value)
    assert not new.cache_path.exists()
    with pytest.raises(AdoptionError, match="two results would have the same key"):
        new.adopt(old.definition, drop="verbose")
    assert not new.cache_path.exists()


def test_ignored_parameters_do_not_count() -> None:
    old = version("def f(x, verbose=False): return x", ignore="verbose")
    new = version("def f(x, quiet=False, more=0): return x + 0", ignore="quiet")
    old(1)
    new.adopt(old.definition, add={"more": 0})
    assert not ran(lambda: new(1, quiet=True), new)
    counted = version("def f(x, verbose=False): return 0 + x")
    with pytest.raises(AdoptionError, match="which the old one lacks: pass its value"):
        counted.adopt(old.definition)
    counted.adopt(old.definition, add={"verbose": True})
    assert not ran(lambda: counted(1, True), counted)
    assert ran(lambda: counted(1), counted)


def test_every_kind_of_parameter_is_translated() -> None:
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


def test_seed_can_become_a_parameter() -> None:
    old = version("def f(x): return x")
    new = version("def f(x, global_seed=None): return x + 0")
    old(1)
    old(1, global_seed=3)
    adopted = new.adopt(old.definition, add={"global_seed": None})
    assert adopted.entries == 1
    [text] = adopted.left_out
    assert str(old.key(1, global_seed=3).path) in text
    assert "the call had a global_seed" in text
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


def test_result_with_input_that_was_not_stored_is_left_out() -> None:
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
    with pytest.raises(AdoptionError, match="none of its results can be copied"):
        new.adopt(old.definition, add={"more": 0})


def test_unrecorded_parameters_are_taken_from_inputs() -> None:
    old = first()
    new = version("def f(depth, lr): return depth * lr")
    old(0.5, 4)
    (old.cache_path / "definition.json").unlink()
    with pytest.raises(AdoptionError, match="none of its results can be copied"):
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
def test_hash_of_stored_arguments_equals_that_of_the_call(
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


@pytest.mark.parametrize("is_recorded", [True, False])
def test_hash_depends_on_what_is_read_of_arguments(is_recorded: bool) -> None:
    class Row:
        """A row."""

        x: int

    def helper(x: int) -> int:
        """Help."""
        return x

    plain = version("def f(of, n=1): return 0")
    of_docstring = version("def f(of, n=1): return of.__doc__ and 0")
    of_annotations = version(
        "def f(of, n=1):\n import inspect\n return len(str(inspect.signature(of))) * 0"
    )
    renamed = version("def f(row, n=1): return row.__doc__ and 0")
    assert record_of(plain, Row)["read_parts"] == 0
    assert record_of(of_docstring, Row)["read_parts"] == 1
    for old, new, names in (
        (plain, of_docstring, {}),
        (of_docstring, of_annotations, {}),
        (of_annotations, plain, {}),
        (of_docstring, renamed, {"of": "row"}),
    ):
        for value in (Row, helper, [helper], 3):
            old(value, 2)
            assert old.is_cached(value, 2)
        if not is_recorded:
            path = old.cache_path / "definition.json"
            content = json.loads(path.read_bytes())
            content.pop("read_parts", None)
            path.write_text(json.dumps(content, indent=1))
        new.adopt(old.definition, rename=names)
        for value in (Row, helper, [helper], 3):
            assert new.is_cached(value, 2)
            assert not ran(lambda value=value, new=new: new(value, 2), new)


def record_of(memo: Any, *args: Any) -> dict[str, Any]:
    memo(*args)
    return record(memo)


def test_hash_of_arguments_needs_all_arguments() -> None:
    with pytest.raises(KeyError, match="b"):
        hash_arguments(["a", "b"], {"a": 1})


# Wrong names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"add": {"nothing": 1}}, "add names 'nothing', which is no parameter of the new version"),
        ({"rename": {"lr": "nothing"}}, "rename names 'nothing', .* of the new version"),
        ({"rename": {"nothing": "lr"}}, "rename names 'nothing', .* of the old version"),
        ({"drop": "nothing"}, "drop names 'nothing', which is no parameter of the old version"),
        ({"drop": ("lr", "nothing")}, "drop names 'nothing'"),
        ({"add": {"lr": 1}}, "'lr' would have two values"),
        ({"rename": {"lr": "depth"}}, "'depth' would have two values"),
        (
            {"rename": {"lr": "lr"}, "drop": "lr"},
            "'lr' cannot be renamed and dropped at the same time",
        ),
        ({"drop": "lr"}, "the new version has the parameter 'lr'"),
    ],
)
def test_unmatched_parameters_are_refused(options: dict[str, Any], message: str) -> None:
    old, new = first(), second()
    old(1)
    with pytest.raises(AdoptionError, match=message):
        new.adopt(old.definition, **options)
    assert not new.cache_path.exists()


def test_missing_and_ambiguous_versions_are_refused() -> None:
    old, new = first(), second()
    with pytest.raises(AdoptionError, match="there are none"):
        new.adopt("00")
    old(1)
    new(1)
    for prefix in ("xyz", "", old.definition + "0"):
        with pytest.raises(AdoptionError, match=old.definition[:12]):
            new.adopt(prefix)
    with pytest.raises(AdoptionError, match="is the definition of f itself"):
        new.adopt(new.definition)
    twin = old.cache_path.with_name(
        old.definition[:39] + ("0" if old.definition[39] != "0" else "1")
    )
    twin.mkdir()
    with pytest.raises(AdoptionError, match=f"may be any of .*{twin.name}"):
        new.adopt(old.definition[:39])


# Another name


def renamed(
    name: str, text: str = "return lr * depth", module: str = "mine", **options: Any
) -> Any:
    namespace: dict[str, Any] = {"__name__": module}
    exec(f"def {name}(lr, depth=3): {text}", namespace)
    return memorious(**options)(namespace[name])


def test_renamed_function_adopts_by_its_former_name() -> None:
    old, new = renamed("train"), renamed("fit")
    for lr in (1, 2):
        old(lr)
    with pytest.raises(AdoptionError, match="there is no version"):
        new.adopt(old.definition)
    adopted = new.adopt(old.definition[:8], function="train")
    assert adopted == (old.definition, new.definition, 2, (), "")
    assert not ran(lambda: (new(1), new(2)), new)
    assert [each.verify().state for each in stored(new)] == ["found", "found"]
    new.adopt(old.definition, function="mine.train")
    with pytest.raises(AdoptionError, match=r"there is no function 'nope' in .*; there are mine.*"):
        new.adopt(old.definition, function="nope")


def test_renamed_function_can_have_other_parameters() -> None:
    old = renamed("train")
    namespace: dict[str, Any] = {"__name__": "mine"}
    exec("def fit(rate, depth=3, more=0): return rate * depth + more", namespace)
    new = memorious(namespace["fit"])
    old(2)
    new.adopt(old.definition, function="train", rename={"lr": "rate"}, add={"more": 0})
    assert not ran(lambda: new(2), new)


def test_function_of_other_module_is_adopted_only_by_name() -> None:
    old, new = renamed("train", module="resnet"), renamed("train", "return lr - depth", "svm")
    old(1)
    with pytest.raises(
        AdoptionError, match=r"belongs to resnet\.train, not to svm\.train: .*pass function="
    ):
        new.adopt(old.definition)
    assert not new.cache_path.exists()
    new(5)
    with pytest.raises(AdoptionError, match=r"may be any of resnet\.train, svm\.train"):
        new.adopt(old.definition, function="train")
    new.adopt(old.definition, function="resnet.train")
    assert new.is_cached(1)


def test_signed_results_are_adopted_after_a_rename() -> None:
    old, new = renamed("train", signing_key="secret"), renamed("fit", signing_key="secret")
    old(1)
    new.adopt(old.definition, function="train")
    assert not ran(lambda: new(1), new)


def stored(memo: Any) -> list[StoredEntry]:
    [function] = [each for each in open_cache().functions() if each.name == memo.__name__]
    return [entry for each in function.versions() for entry in each.entries()]


# Several adoptions


def test_adopted_results_can_be_adopted_again() -> None:
    oldest = version("def f(lr): return lr * 3")
    old = version("def f(lr, depth=3): return lr * depth")
    new = version("def f(rate, depth=3, more=0): return rate * depth")
    oldest(0.5)
    old.adopt(oldest.definition, add={"depth": 3})
    old(0.25)
    adopted = new.adopt(old.definition, rename={"lr": "rate"}, add={"more": 0})
    assert adopted.entries == 2
    assert not ran(lambda: (new(0.5), new(0.25)), new)
    oldest.adopt(old.definition, drop="depth")  # and back
    assert not ran(lambda: oldest(0.25), oldest)


def test_two_versions_can_be_adopted() -> None:
    a, b, c = first(), second(), version("def f(lr, depth=3): return depth * lr * 1")
    a(1)
    b(2)
    c.adopt(a.definition)
    c.adopt(b.definition)
    assert not ran(lambda: (c(1), c(2)), c)


# Properties of copies


def test_large_arguments_are_shared_with_the_copies() -> None:
    options: dict[str, Any] = {"large_argument": 1000}
    old = version("def f(data, n=1): return float(data.sum()) + n", **options)
    new = version("def f(rows, n=1, more=0): return float(np.sum(rows)) + n", **options)
    same = version("def f(data, n=1): return n + float(data.sum())", **options)
    data = np.arange(1000.0)
    old(data)
    old(np.ones(2), global_seed=4)
    changes: dict[str, Any] = {"add": {"more": 0}, "rename": {"data": "rows"}}
    [stored] = (old.cache_path.parent.parent / "objects").iterdir()
    os.utime(stored, (1, 1))
    new.adopt(old.definition, **changes)
    assert stored.stat().st_mtime > 1, "it is not swept before the copies refer to it"
    os.utime(stored, (1, 1))
    same.adopt(old.definition)
    assert stored.stat().st_mtime > 1
    assert len(list(stored.parent.iterdir())) == 1
    old.forget(data)
    for memo in (new, same):
        assert not ran(lambda memo=memo: memo(data), memo)  # type: ignore[misc]
        assert not ran(lambda memo=memo: memo(np.ones(2), global_seed=4), memo)  # type: ignore[misc]
        assert sorted(len(next(iter(r["input"].values()))) for r in load_cached_results(memo)) == [
            2,
            1000,
        ]
    assert new.adopt(old.definition, **changes).entries == 1


def test_copies_in_signed_cache_are_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, environment in (("secret", None), (None, "secret")):
        if environment:
            monkeypatch.setenv("FUNES_SIGNING_KEY", environment)
        old, new = first(signing_key=key), second(signing_key=key)
        old(1)
        new.adopt(old.definition)
        assert not ran(lambda memo=new: memo(1), new)  # type: ignore[misc]
        new.forget(1)
        old.forget(1)


def test_unsigned_result_is_not_copied_to_signed_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    old = first()
    old(1)
    monkeypatch.setenv("FUNES_SIGNING_KEY", "secret")
    new = second()
    with pytest.raises(AdoptionError, match="not signed with the key"):
        new.adopt(old.definition)


def test_damaged_result_is_left_out() -> None:
    old, new = first(), second()
    old(1)
    old(2)
    path = old.key(1).path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    adopted = new.adopt(old.definition)
    assert adopted.entries == 1
    assert "is damaged" in str(adopted)
    assert path.exists()
    assert ran(lambda: new(1), new)


def test_equal_reasons_are_one_line() -> None:
    old, new = first(), second()
    for lr in range(4):
        old(lr)
        path = old.key(lr).path
        path.write_bytes(path.read_bytes()[:-1] + b"x" if lr else path.read_bytes())
    adopted = new.adopt(old.definition)
    assert (adopted.entries, len(adopted.left_out)) == (1, 3)
    _, line = str(adopted).splitlines()
    assert line.startswith("left out: 3 results: the file is damaged")


def test_adoption_writes_definition_file_of_current_version() -> None:
    old, new = first(), second()
    old(1)
    new.adopt(old.definition)
    assert record(new)["functions"] == ["mine:f"]
    assert "adopted" not in record(new)
    new(2)
    assert not ran(lambda: new(1), new)


@pytest.mark.skipif(os.name != "posix", reason="there are no such permissions")
def test_copies_in_shared_cache_are_readable_by_the_group(cache: Path) -> None:
    old, new = first(shared=True), second(shared=True)
    old(1)
    new.adopt(old.definition)
    modes = {path.stat().st_mode & 0o777 for path in new.cache_path.glob("*[!k]")}
    assert modes == {0o660}


# Results as data


def test_own_result_is_kept_over_adopted_one() -> None:
    old, new = first(), second()
    old(0.5)
    new(0.5)
    new.adopt(old.definition)
    assert len(load_cached_results(new)) == 1


def test_translated_results_keep_the_files_that_were_read(tmp_path: Path) -> None:
    file = tmp_path / "data.txt"
    file.write_text("one")
    old = version("def f(path):\n    with open(path) as file: return file.read()")
    old(str(file))
    new = version("def f(name):\n    with open(name) as file: return file.read()")
    new.adopt(old.definition, rename={"path": "name"})
    assert not ran(lambda: new(str(file)), new)
    file.write_text("another")
    assert new(str(file)) == "another"
