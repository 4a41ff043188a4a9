"""The decorator: which calls have equal keys, and that all else is as for the undecorated function."""

from __future__ import annotations

import asyncio
import doctest
import functools
import importlib
import inspect
import pydoc
import re
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dill
import pytest

from funes import CacheWarning, UnhashableArgumentError, load_cached_results, memorious
from funes.types import Key, Memo

Printed = Callable[[], list[str]]

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(autouse=True)
def _folders_of_this_test() -> None:
    """Resets the memorious functions of this module, which earlier tests have called."""
    for memo in (Model.scale, later, remembered, *(vars(Model)[name] for name in METHODS)):
        memo = getattr(memo, "fget", memo)
        while not isinstance(memo, Memo):
            memo = memo.__func__
        memo._close()


METHODS = [
    f"{order}_{kind}"
    for order in ("inner", "outer")
    for kind in ("class_method", "static_method", "property")
]

# Equal keys


def test_repeated_call_is_computed_once(cache: Path, printed: Printed) -> None:
    @memorious
    def double(x: int) -> int:
        print("doubling", x)
        return x * 2

    assert [double(21), double(21), double(x=21)] == [42, 42, 42]
    assert printed() == ["doubling 21"]
    assert len(list(cache.rglob("*.dill"))) == 1


def paths(memo: Memo[Any, Any], *all_arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> set[str]:
    return {memo.key(*args, **kwargs).arguments for args, kwargs in all_arguments}


def call(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


def test_positions_names_and_defaults_are_one_key() -> None:
    @memorious
    def f(a: int, b: int = 2) -> int:
        return a + b

    assert len(paths(f, call(1), call(1, 2), call(1, b=2), call(b=2, a=1), call(a=1))) == 1
    assert len(paths(f, call(1, 11), call(11, 1), call(1), call(2))) == 4


def test_every_kind_of_parameter_is_bound() -> None:
    @memorious
    def f(a: Any, /, b: Any, *rest: Any, c: Any = 3, **more: Any) -> Any:
        return a, b, rest, c, more

    assert f(1, 2) == (1, 2, (), 3, {})
    assert f(1, b=2, c=3) == (1, 2, (), 3, {})
    assert f(1, 2, 4, 5, c=6, d=7, a=8) == (1, 2, (4, 5), 6, {"d": 7, "a": 8})
    assert len(paths(f, call(1, 2), call(1, b=2, c=3), call(1, 2, c=3))) == 1
    assert len(paths(f, call(1, 2, d=1, e=2), call(1, 2, e=2, d=1))) == 1
    assert len(paths(f, call(1, 2, 3), call(1, 2, c=3), call(1, 2, d=3), call(1, 2, (3,)))) == 4
    stored = [entry["input"] for entry in load_cached_results(f)]
    assert {"a": 1, "b": 2, "rest": (4, 5), "c": 6, "more": {"d": 7, "a": 8}} in stored
    assert all(list(entry) == ["a", "b", "rest", "c", "more"] for entry in stored)


def test_keywords_and_equal_dict_arguments_have_different_keys() -> None:
    @memorious
    def f(**more: Any) -> Any:
        return more

    assert len(paths(f, call(a="b=1"), call(**{"a=b": "1"}), call(a="b", b=1))) == 3
    assert len(paths(f, call(**{"a.b": 1}), call(a={"b": 1}))) == 2


def test_changed_default_changes_the_key() -> None:
    def make(default: int) -> Memo[..., int]:
        def f(a: int, b: int = default) -> int:
            return a + b

        return memorious(f)

    one, other = make(1), make(2)
    assert (one(1), other(1)) == (2, 3)
    assert one.key(1) != other.key(1)


def test_ignored_parameters_are_not_part_of_the_key(cache: Path) -> None:
    @memorious(ignore=("verbose", "log"))
    def f(x: int, verbose: bool = False, *, log: Any = None) -> int:
        return x

    assert f(1, verbose=True, log=lambda: 0) == f(1) == 1
    assert len(list(cache.rglob("*.dill"))) == 1
    assert next(iter(load_cached_results(f)))["input"] == {"x": 1}


def test_ignore_must_name_parameters() -> None:
    with pytest.raises(ValueError, match=r"ignore names 'y'.*f has no parameter"):

        @memorious(ignore="y")
        def f(x: int) -> int:
            return x


def test_depends_on_is_part_of_the_definition(tmp_path: Path) -> None:
    def f() -> None: ...

    data = tmp_path / "data.csv"
    data.write_text("1")

    def definition(depends_on: Any) -> str:
        return memorious(depends_on=depends_on)(f).definition

    import dill

    with_file = definition(data)
    assert definition((data,)) == with_file
    assert len({definition(()), with_file, definition(dill), definition("1"), definition(1)}) == 5
    data.write_text("2")
    assert definition(data) != with_file
    data.write_text("1")
    assert definition(data) == with_file


HIDDEN: dict[str, Any] = {}


def test_depends_on_is_checked_at_each_call(tmp_path: Path) -> None:
    data, folder, limits = tmp_path / "data.csv", tmp_path / "folder", [1]
    (folder / "below").mkdir(parents=True)

    def helper() -> int:
        return 1

    # Found in a way that the definition does not follow.
    HIDDEN.update(data=data, folder=folder, limits=limits, helper=helper)

    @memorious(depends_on=(data, folder, limits, helper))
    def inner(x: int) -> object:
        hidden = vars(sys.modules[__name__])["HIDDEN"]
        names = sorted(file.relative_to(hidden["folder"]) for file in hidden["folder"].rglob("*"))
        return hidden["data"].read_text(), names, list(hidden["limits"]), hidden["helper"]()

    @memorious
    def outer(x: int) -> object:
        return inner(x)

    changes: list[Callable[[], object]] = [
        lambda: data.write_text("1"),
        lambda: data.write_text("2"),  # same length, and within the resolution of the clock
        lambda: (folder / "below" / "one.csv").write_text("1"),
        lambda: (folder / "below" / "one.csv").rename(folder / "two.csv"),
        lambda: limits.append(2),
        lambda: setattr(helper, "__code__", (lambda: 2).__code__),
        (folder / "two.csv").unlink,
    ]
    for change in changes:
        change()
        assert outer(1) == inner(1) == inner.__wrapped__(1)
        assert inner.is_cached(1)


def test_path_in_a_container_counts_by_content(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    holder: dict[str, Any] = {"data": [1]}

    makers: list[Callable[[], Any]] = [
        lambda: {"data": data},
        lambda: [(1, [data])],
        lambda: ({data},),
        lambda: {data: 1},
        lambda: holder,
    ]
    for make in makers:
        data.write_text("1")
        depends_on = [make()]

        @memorious(depends_on=depends_on)
        def f(x: int) -> int:
            return x

        before = f.definition
        holder["data"].append(data)
        assert (f.definition != before) == (make() is holder)
        before = f.definition
        data.write_text("2")
        assert f.definition != before
        data.write_text("1")
        assert f.definition == before


def test_call_with_missing_file_in_depends_on_runs_uncached(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"

    @memorious(depends_on=data)
    def f(x: int) -> bool:
        return data.exists()

    with pytest.warns(CacheWarning, match=re.escape("data.csv")):
        assert f(1) is False
    data.write_text("1")
    assert f(1) is True
    assert f.is_cached(1)


# Kinds of functions


class Model:
    def __init__(self, weight: int) -> None:
        self.weight = weight

    @memorious
    def scale(self, x: int) -> int:
        print("scale")
        return self.weight * x

    @classmethod
    @memorious
    def inner_class_method(cls, x: int) -> str:
        return f"{cls.__name__} {x}"

    @memorious
    @classmethod
    def outer_class_method(cls, x: int) -> str:
        return f"{cls.__name__} {x}"

    @staticmethod
    @memorious
    def inner_static_method(x: int) -> int:
        return x + 1

    @memorious
    @staticmethod
    def outer_static_method(x: int) -> int:
        return x + 1

    @property
    @memorious
    def inner_property(self) -> int:
        return self.weight + 1

    @memorious
    @property
    def outer_property(self) -> int:
        return self.weight + 2


class Derived(Model):
    pass


def test_methods_take_the_instance_as_an_argument_by_value(printed: Printed) -> None:
    assert [Model(2).scale(3), Model(2).scale(x=3), Model(3).scale(3)] == [6, 6, 9]
    assert Model.scale(Model(2), 3) == 6
    assert printed() == ["scale", "scale"]
    assert Derived(2).scale(3) == 6
    assert printed() == ["scale"]


def test_bound_method_has_key_and_similar_methods() -> None:
    model = Model(2)
    assert not model.scale.is_cached(3)
    model.scale(3)
    assert model.scale.is_cached(3)
    assert model.scale.key(3) == Model.scale.key(model, 3) == Model.scale.key(Model(2), x=3)
    assert list(inspect.signature(model.scale).parameters) == ["x"]
    assert model.scale.forget(3)
    assert not model.scale.is_cached(3)
    assert model.scale == model.scale != Model(2).scale
    assert model.scale.__name__ == "scale"


@pytest.mark.parametrize("holder", [Model, Model(5), Derived, Derived(5)])
def test_class_and_static_methods_in_both_orders(holder: Any) -> None:
    name = holder.__name__ if isinstance(holder, type) else type(holder).__name__
    for _ in range(2):
        assert holder.inner_class_method(1) == holder.outer_class_method(1) == f"{name} 1"
        assert holder.inner_static_method(1) == holder.outer_static_method(x=1) == 2
    assert holder.outer_class_method.is_cached(1)


def test_properties_in_both_orders() -> None:
    for _ in range(2):
        assert (Model(1).inner_property, Model(1).outer_property) == (2, 3)
        assert (Model(5).inner_property, Model(5).outer_property) == (6, 7)


def test_lambdas_on_one_line_have_different_definitions() -> None:
    one, other = memorious(lambda x: x + 1), memorious(lambda x: x + 2)
    assert [one(1), other(1), one(1), other(1)] == [2, 3, 2, 3]


def test_outer_decorator_replaces_options() -> None:
    @memorious
    def f(x: int, verbose: bool = False) -> int:
        return x

    again = memorious(ignore="verbose")(f)
    assert again.__wrapped__ is f.__wrapped__
    assert again.key(1, True) == again.key(1)


def test_wrappers_are_keyed_by_their_arguments() -> None:
    def plus_one(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs) + 1

        return wrapper

    @memorious
    @plus_one
    def f(x: int) -> int:
        return x

    assert [f(1), f(1), f(2)] == [2, 2, 3]


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (len, "Python function, not an object of type builtin_function_or_method"),
        (int, "Python function, not the class int"),
        (3, "Python function, not an object of type int"),
    ],
)
def test_non_functions_are_refused(thing: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        memorious(thing)


def test_generator_functions_are_refused_at_decoration() -> None:
    with pytest.raises(TypeError, match="a generator can be consumed only once"):

        @memorious
        def numbers() -> Any:
            yield 1

    with pytest.raises(TypeError, match="a generator can be consumed only once"):

        @memorious
        async def later_numbers() -> Any:
            yield 1


# async def


@memorious
async def later(x: int, *, fail: bool = False) -> int:
    """Doubles, later."""
    print(x)
    await asyncio.sleep(0)
    if fail:
        raise KeyError(x)
    return x * 2


def test_coroutine_functions_are_cached(printed: Printed) -> None:
    async def main() -> list[int]:
        return [await later(1), await later(x=1), await later(2, global_seed=3)]

    assert asyncio.run(main()) == [2, 2, 4]
    assert printed() == ["1", "2"]
    with pytest.raises(KeyError):
        asyncio.run(later(1, fail=True))
    assert not later.is_cached(1, fail=True)


def test_coroutine_function_is_recognized_and_checks_arguments_at_the_call(
    printed: Printed,
) -> None:
    known = inspect if sys.version_info >= (3, 12) else asyncio
    assert known.iscoroutinefunction(later)
    with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        later(y=1)
    coroutine = later(5)
    assert inspect.iscoroutine(coroutine)
    coroutine.close()
    assert printed() == []


def test_unhashable_arguments_of_a_coroutine_function_run_uncached() -> None:
    @memorious
    async def size(numbers: Any) -> int:
        return len(list(numbers))

    with pytest.warns(CacheWarning, match="argument 'numbers'"):
        assert asyncio.run(size(n for n in range(3))) == 3


# Metadata of the function


def documented(x: int, y: str = "a", *, z: float = 1.0) -> list[str]:
    """Says what it does.

    >>> remembered(1)
    ['a']
    """
    return [y] * x


remembered = memorious(documented)


def test_annotations_of_a_memo_are_those_of_its_function() -> None:
    spaces: list[dict[str, Any]] = []
    for postponed in ("", "from __future__ import annotations\n"):
        space: dict[str, Any] = {"memorious": memorious}
        text = f"{postponed}@memorious\ndef f(x: int, y: str = '') -> float: ..."
        exec(compile(text, "<annotated>", "exec", dont_inherit=True), space)
        assert space["f"].__annotations__ == space["f"].__wrapped__.__annotations__ != {}
        assert typing.get_type_hints(space["f"]) == {"x": int, "y": str, "return": float}
        assert list(inspect.signature(space["f"]).parameters) == ["x", "y"]
        spaces.append(space)
    assert inspect.get_annotations(spaces[0]["f"]) == {"x": int, "y": str, "return": float}
    spaces[0]["f"].__annotations__ = {"x": bytes}
    assert spaces[0]["f"].__annotations__ == {"x": bytes}


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated at once")
def test_annotations_of_a_memo_are_evaluated_when_they_are_read() -> None:
    space: dict[str, Any] = {"memorious": memorious}
    text = "@memorious\ndef f(x: Later) -> int: ..."
    exec(compile(text, "<annotated>", "exec", dont_inherit=True), space)
    memo = space["f"]
    with pytest.raises(NameError, match="Later"):
        _ = memo.__annotations__
    annotationlib: Any = importlib.import_module("annotationlib")
    found = annotationlib.get_annotations(memo, format=annotationlib.Format.STRING)
    assert found == {"x": "Later", "return": "int"}
    space["Later"] = int
    assert typing.get_type_hints(memo) == {"x": int, "return": int}


def test_memo_has_the_metadata_of_its_function() -> None:
    assert remembered.__wrapped__ is documented
    assert inspect.unwrap(remembered) is documented
    assert remembered.__name__ == "documented"
    assert remembered.__qualname__ == documented.__qualname__
    assert remembered.__module__ == documented.__module__
    assert remembered.__doc__ == documented.__doc__
    assert remembered.__annotations__ == documented.__annotations__
    assert inspect.signature(remembered) == inspect.signature(documented)
    assert callable(remembered)
    assert "documented" in repr(remembered)
    with_attribute = memorious(with_attributes)
    assert with_attribute.flavour == "salt"


def with_attributes() -> None: ...


with_attributes.flavour = "salt"  # type: ignore[attr-defined]


def test_help_shows_signature_and_docstring() -> None:
    text = pydoc.plain(pydoc.render_doc(remembered))
    assert re.search(
        r"documented\(x: ?'?int'?, y: ?'?str'? ?= ?'a', \*, z: ?'?float'? ?= ?1.0\)", text
    )
    assert "Says what it does." in text


def test_doctest_runs_examples_of_memorious_functions() -> None:
    tests = doctest.DocTestFinder().find(sys.modules[__name__], "here")
    [test] = [test for test in tests if test.name == "here.remembered"]
    assert doctest.DocTestRunner().run(test) == (0, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        call(),
        call(1, 2, 3),
        call(1, x=1),
        call(1, 2, b=1),
        call(1, unknown=2),
        call(global_seed=1),
        call(1, unknown=2, global_seed=1),
    ],
)
def test_wrong_arguments_raise_the_error_of_the_function(arguments: Any) -> None:
    def f(x: int, y: int = 2, /, *, z: int = 3) -> int:
        raise AssertionError("it must not run")

    args, kwargs = arguments
    plain = {name: value for name, value in kwargs.items() if name != "global_seed"}
    with pytest.raises(TypeError) as expected:
        f(*args, **plain)
    with pytest.raises(TypeError) as given:
        memorious(f)(*args, **kwargs)
    assert str(given.value) == str(expected.value)


def test_key_of_wrong_arguments_raises_type_error_without_running_it() -> None:
    @memorious
    def f(x: int) -> int:
        raise AssertionError("it must not run")

    for method in (f.key, f.is_cached, f.forget):
        with pytest.raises(TypeError, match="missing a required argument: 'x'"):
            method()


# Inspection


def test_key_is_cached_and_forget_do_not_run_the_function(cache: Path, printed: Printed) -> None:
    @memorious
    def f(x: int) -> int:
        print(x)
        return x

    key = f.key(1)
    assert isinstance(key, Key)
    assert key.path == cache / "f" / key.definition / f"{key.arguments}.dill"
    assert f.cache_path == key.path.parent
    assert re.fullmatch("[0-9a-f]{40}", key.definition)
    assert re.fullmatch("[0-9a-f]{40}", key.arguments)
    assert not f.is_cached(1)
    assert not f.forget(1)
    assert printed() == []
    assert not cache.exists()
    f(1)
    assert key.path.exists()
    assert f.is_cached(1)
    assert f.forget(x=1)
    assert not key.path.exists()
    f(1)
    assert printed() == ["1", "1"]


def test_error_for_unhashable_argument_names_its_path() -> None:
    import threading

    @memorious
    def f(model: Any) -> Any:
        return model

    holder = types.SimpleNamespace(cache={"lock": threading.Lock()})
    with pytest.raises(UnhashableArgumentError) as refused:
        f.key([holder])
    assert "argument 'model' -> [0]" in str(refused.value)
    assert "['lock']: a lock cannot be part of a key" in str(refused.value)
    assert "ignore=" in str(refused.value)


# Cache folder and entries


def test_the_cache_folder_is_fixed_at_the_first_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FUNES_CACHE_DIR")

    @memorious
    def f(x: int) -> int:
        return x

    @memorious(cache_dir="elsewhere")
    def g(x: int) -> int:
        return x

    other = tmp_path / "other"
    other.mkdir()
    f(1)
    g(1)
    monkeypatch.chdir(other)
    f(2)
    g(2)
    assert len(list((tmp_path / "cache" / "f").rglob("*.dill"))) == 2
    assert len(list((tmp_path / "elsewhere" / "g").rglob("*.dill"))) == 2
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("name", ["<lambda>", "../x", "a" * 300, "CON", "näme", ".", ""])
def test_any_function_name_gives_a_folder_inside_the_cache(cache: Path, name: str) -> None:
    def f(x: int) -> int:
        return x

    f.__name__ = name
    memo = memorious(f)
    assert memo(1) == memo(1) == 1
    [path] = cache.rglob("*.dill")
    assert path == memo.key(1).path
    assert len(path.relative_to(cache).parts) == 3


def test_the_entry_is_a_plain_pickle_of_input_output_and_time() -> None:
    @memorious
    def f(x: int, y: int = 2) -> int:
        return x + y

    f(1, global_seed=7)
    with f.key(1, global_seed=7).path.open("rb") as file:
        entry = dill.load(file)
    assert list(entry) == ["input", "output", "time"]
    assert list(entry["input"].items()) == [("x", 1), ("y", 2), ("global_seed", 7)]
    assert entry["output"] == 3
    assert 0 <= entry["time"] < 60


# Wrappers, partials and bound methods


def timed(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def retrying(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args[:1], kwargs.pop("tries", 1), **kwargs)

    return wrapper


def summed(x: Any, y: int = 1, *, z: int = 0) -> Any:
    return x, y, z


class Scaled:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def by(self, x: int, plus: int = 2) -> int:
        return x * self.factor + plus


def test_parameters_behind_a_wrapper_are_bound_by_name() -> None:
    for wrapped in (timed(summed), timed(timed(summed))):
        memo = memorious(wrapped)
        keys = {memo.key(*args, **kwargs) for args, kwargs in [
            ((0,), {}), ((0, 1), {}), ((), {"x": 0}), ((0,), {"y": 1}), ((0,), {"z": 0}),
        ]}  # fmt: skip
        assert len(keys) == 1
        assert memo(0) == (0, 1, 0)
        (entry,) = load_cached_results(memo)
        assert entry["input"] == {"x": 0, "y": 1, "z": 0}
        memo.forget(0)
    ignoring = memorious(timed(summed), ignore="y")
    assert ignoring.key(1, 2) == ignoring.key(1, 3) != ignoring.key(2, 2)
    with pytest.raises(ValueError, match="'args'"):
        memorious(timed(summed), ignore="args")


def test_present_defaults_behind_a_wrapper_count() -> None:
    def inner(x: int, y: int = 1) -> Any:
        return x, y

    memo = memorious(timed(inner))
    assert memo(0) == memo(0, 1) == (0, 1)
    inner.__defaults__ = (2,)
    assert memo(0) == (0, 2)
    assert memo(0, 1) == (0, 1)


def test_arguments_that_only_the_wrapper_accepts_are_part_of_the_key() -> None:
    memo = memorious(retrying(summed))
    assert memo(1, tries=3) == (1, 3, 0)
    assert memo(1, tries=4) == (1, 4, 0)
    assert memo((1,), {}) == ((1,), 1, 0)
    assert len({memo.key(1, tries=3), memo.key(1, tries=4), memo.key(1), memo.key((1,), {})}) == 4

    @timed
    def needy(args: Any, kwargs: Any) -> Any:
        return args, kwargs

    lenient = memorious(retrying(needy.__wrapped__))
    assert lenient.key((1,), {}).arguments != lenient.key(1).arguments
    assert memo.is_cached(1, tries=3)


def _reordered(y: Any, x: int = 1, *, z: int = 0) -> Any:
    return y, x, z


def _renamed(x: Any, w: int = 1, *, z: int = 0) -> Any:
    return x, w, z


def _by_keyword(x: Any, *, y: int = 1, z: int = 0) -> Any:
    return x, y, z


@pytest.mark.parametrize("other", [_reordered, _renamed, _by_keyword])
@pytest.mark.parametrize("wrap", [lambda function: function, timed])
def test_code_with_other_parameters_runs_uncached(other: Any, wrap: Any) -> None:
    def inner(x: Any, y: int = 1, *, z: int = 0) -> Any:
        return x, y, z

    memo = memorious(wrap(inner))
    assert memo(1, 2) == (1, 2, 0)
    before, defaults = inner.__code__, inner.__kwdefaults__
    inner.__code__, inner.__kwdefaults__ = other.__code__, other.__kwdefaults__
    with pytest.warns(CacheWarning, match="other parameters than when it was decorated"):
        assert memo(3) == inner(3)
    keywords = {"x": 3, "w" if other is _renamed else "y": 4}
    assert memo(**keywords) == inner(**keywords)
    assert memo(5, z=2) == inner(5, z=2)
    inner.__code__, inner.__kwdefaults__ = before, defaults
    assert memo(1, 2) == (1, 2, 0)
    assert memo.is_cached(1, 2)


def test_ignore_does_not_apply_to_parameter_names_of_the_wrapper() -> None:
    def inner(args: Any, kwargs: Any = 0) -> Any:
        return args, kwargs

    for ignore in ("args", "kwargs", ("args", "kwargs")):
        memo = memorious(retrying(inner), ignore=ignore)
        calls = [(1, 3), (2, 3), (1, 4)]
        assert [memo(n, tries=tries) for n, tries in calls] == [(1, 3), (2, 3), (1, 4)]
        assert len({memo.key(n, tries=tries) for n, tries in calls}) == 3
    assert memo.key(1) == memo.key(2)


def test_wrapper_accepts_global_seed() -> None:
    import random

    @timed
    def draw(n: int) -> list[float]:
        return [random.random() for _ in range(n)]

    memo = memorious(draw)
    assert memo(2, global_seed=1) == memo(n=2, global_seed=1) != memo(2, global_seed=2)
    assert memo.is_cached(2, global_seed=1)


@pytest.mark.parametrize(
    ("make", "args", "wanted"),
    [
        (lambda: functools.partial(pow, 2), (3,), 8),
        (lambda: Scaled(3).by, (2,), 8),
        (lambda: functools.partial(Scaled(3).by, plus=1), (2,), 7),
        (lambda: functools.partial(summed, 1), (2,), (1, 2, 0)),
        (lambda: functools.partial(functools.partial(summed, y=2), z=3), (1,), (1, 2, 3)),
        (lambda: functools.partial(Scaled.by, Scaled(5)), (2,), 12),
        (lambda: timed(Scaled(3).by), (2,), 8),
        (lambda: [].append, None, None),
    ],
)
def test_partials_and_bound_methods_are_cached(make: Any, args: Any, wanted: Any) -> None:
    if args is None:
        with pytest.raises(TypeError, match="Python function"):
            memorious(make())
        return
    memo = memorious(make())
    assert memo(*args) == wanted
    again = memorious(make())
    assert again.is_cached(*args)
    assert again.definition == memo.definition


def test_state_of_a_partial_or_bound_method_counts() -> None:
    definitions = {
        memorious(function).definition
        for function in (
            Scaled(3).by,
            Scaled(4).by,
            functools.partial(summed, 1),
            functools.partial(summed, 2),
            functools.partial(summed, y=1),
            functools.partial(pow, 2),
            functools.partial(pow, 3),
            summed,
        )
    }
    assert len(definitions) == 8
    scaled = Scaled(3)
    memo = memorious(scaled.by)
    assert memo(1) == 5
    scaled.factor = 4
    assert memo(1) == 6
    fixed = memorious(functools.partial(summed, y=5))
    assert fixed.key(1) == fixed.key(1, y=5) != fixed.key(1, y=6)
    assert fixed(1) == (1, 5, 0)
    assert memorious(functools.partial(summed, y=5), ignore=["z"]).key(1) is not None


def test_generator_method_is_refused() -> None:
    class Numbers:
        def each(self) -> Any:
            yield 1

    with pytest.raises(TypeError, match="a generator can be consumed only once"):
        memorious(Numbers().each)


def test_async_method_is_cached() -> None:
    class Slow:
        async def get(self, x: int) -> int:
            return x + 1

    memo = memorious(Slow().get)
    assert asyncio.run(memo(1)) == 2
    assert memo.is_cached(1)
