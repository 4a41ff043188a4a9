"""Functions are identified by module and qualified name, and equal names are never mixed up."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import AdoptionError, load_cached_results, memorious, open_cache
from funes._entries.function_identity import as_one, identity_of, label, spellings
from funes._results.stored import definitions_of

pytestmark = pytest.mark.usefixtures("cache")


def made(text: str, module: str, name: str = "train") -> Any:
    """Define a memorious function of a module, or of a class in it, from the source of the module."""
    namespace: dict[str, Any] = {"__name__": module}
    exec(text, namespace)
    found: Any = namespace
    for part in name.split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    return memorious(found)


def in_modules() -> list[Any]:
    return [
        made("def train(x): return x + 1", "resnet"),
        made("def train(x): return x * 3", "svm"),
    ]


def in_classes() -> list[Any]:
    text = """
class Forest:
    def train(x): return x + 1
class Svm:
    def train(x): return x * 3
"""
    return [made(text, "mine", f"{name}.train") for name in ("Forest", "Svm")]


def in_functions() -> list[Any]:
    def one() -> Any:
        def train(x: int) -> int:
            return x + 1

        return train

    def other() -> Any:
        def train(x: int) -> int:
            return x * 3

        return train

    return [memorious(one()), memorious(other())]


@pytest.fixture(params=[in_modules, in_classes, in_functions])
def two(request: pytest.FixtureRequest) -> list[Any]:
    """Two functions with equal names that share a folder."""
    functions: list[Any] = request.param()
    return functions


def test_all_versions_are_those_of_the_same_function(two: list[Any]) -> None:
    one, other = two
    one(1), other(1)
    assert one.cache_path.parent == other.cache_path.parent
    for memo, output in ((one, 2), (other, 3)):
        results = load_cached_results(memo, versions="all")
        assert [result["output"] for result in results] == [output]
    with pytest.raises(KeyError, match="there is no version"):
        load_cached_results(one, versions=other.definition)


def test_explain_compares_with_versions_of_the_same_function(two: list[Any]) -> None:
    one, other = two
    one(1)
    found = other.explain(1)
    assert (found.why, found.version, found.is_cached_there) == ("never called", None, False)
    assert str(found).endswith("nothing is stored of this function")
    with pytest.raises(AdoptionError, match="pass function="):
        other.adopt(one.definition)
    assert other(1) == 3


def test_log_compares_with_versions_of_the_same_function(
    two: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = two
    one(1)
    with caplog.at_level(logging.INFO, logger="funes"):
        other(1)
    [line] = caplog.messages
    assert line.endswith("nothing is stored of this function")


def test_open_cache_separates_functions_with_equal_names(two: list[Any]) -> None:
    one, other = two
    one(1), other(1)
    cache = open_cache()
    functions = cache.functions()
    assert [function.name for function in functions] == ["train", "train"]
    names = [f"{memo.__module__}.{memo.__qualname__}" for memo in two]
    assert sorted(function.qualified_name for function in functions) == sorted(names)
    for memo, name in zip(two, names, strict=True):
        assert cache.function(name).definitions() == [memo.definition]
        assert cache.function(name).module == memo.__module__
    with pytest.raises(KeyError, match="may be any of"):
        cache.function("train")
    cache.function(names[0]).remove()
    assert [one.is_cached(1), other.is_cached(1)] == [False, True]
    assert cache.function("train").definitions() == [other.definition]


def test_functions_with_equal_code_share_a_version() -> None:
    one, other = (made("def train(x): return x", module) for module in ("resnet", "svm"))
    one(1), other(2)
    assert one.definition == other.definition
    cache = open_cache()
    for name in ("resnet.train", "svm.train"):
        [version] = cache.function(name).versions()
        assert len(version.shared_with) == 1
    assert cache.function("svm.train").remove().files == 0
    assert one.is_cached(1)
    path = one.cache_path.parent / one.definition / "damaged" / f"{'0' * 40}.dill"
    path.parent.mkdir()
    path.touch()
    assert len(list(cache.damaged())) == 1


def test_current_version_is_listed_even_if_another_function_stored_it() -> None:
    one, other = (made("def train(x): return x", module) for module in ("resnet", "svm"))
    one(1)
    assert other(1) == 1
    assert other.cache_info().misses == 0
    assert len(load_cached_results(other, versions="all")) == 1
    assert other.explain(1).is_hit


def test_unrecorded_version_belongs_to_only_function_or_to_none() -> None:
    one, other = in_modules()
    later = made("def train(x): return x - 1", "resnet")
    one(1), later(1)
    assert other.explain(1).version is None
    (one.cache_path / "definition.json").unlink()
    later.forget(1)
    assert "adopt" not in str(later.explain(1)), "it may be another function's"
    later(1)
    assert len(load_cached_results(later, versions="all")) == 2
    other(1)
    assert len(load_cached_results(later, versions="all")) == 1
    assert len(load_cached_results(other, versions="all")) == 1
    assert open_cache().function("?.train").definitions() == [one.definition]
    assert open_cache().function("?.train").module == "?"


def test_identity_is_recorded_even_if_signing_key_keeps_code_out() -> None:
    functions = [
        memorious(signing_key="secret")(memo.__wrapped__)
        for memo in (*in_modules(), in_functions()[0])
    ]
    for memo in functions:
        memo(1)
        text = (memo.cache_path / "definition.json").read_text(encoding="utf-8")
        assert "secret" not in text
        assert json.loads(text)["functions"] == [identity_of(memo.__wrapped__)]
        assert json.loads(text)["nodes"] == []
        assert len(load_cached_results(memo, versions="all")) == 1


SCRIPT = """\
from funes import load_cached_results, memorious

OFFSET = {offset}

@memorious
def train(x):
    return x + OFFSET

if __name__ == "__main__":
    train(1)
    print(len(load_cached_results(train, versions="all")), train.__module__)
"""


@pytest.mark.parametrize(
    ("folder", "module"),
    [("", "train"), ("exp", "exp.train"), ("package/exp", "package.exp.train")],
)
def test_script_and_imported_module_are_one_function(
    folder: str, module: str, tmp_path: Path, python: Callable[..., Any], cache: Path
) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for package in ("package", "package/exp"):
        if folder.startswith(package):
            (tmp_path / package / "__init__.py").touch()
    path = tmp_path / folder / "train.py"
    ways: list[list[Any]] = [
        [path],
        ["-m", module],
        [
            "-c",
            f"from {module} import *; exec(open({str(path)!r}).read().partition('\\n\\nif')[0] and"
            " 'train(1); print(len(load_cached_results(train, versions=\"all\")), train.__module__)')",
        ],
    ]
    for number, way in enumerate(ways):
        path.write_text(SCRIPT.format(offset=number), encoding="utf-8")
        done = python(*way)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] == str(number + 1), way
    assert len(open_cache().functions()) == 1


def test_scripts_with_equal_names_are_different_functions(
    tmp_path: Path, python: Callable[..., Any]
) -> None:
    for number, folder in enumerate(("resnet", "svm")):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "train.py"
        path.write_text(SCRIPT.format(offset=number), encoding="utf-8")
        assert python(path).stdout.split() == ["1", "__main__"]
    names = [function.qualified_name for function in open_cache().functions()]
    assert names == ["resnet/train.py:train", "svm/train.py:train"]


def test_session_without_file_is_main_module(python: Callable[..., Any]) -> None:
    text = SCRIPT.format(offset=1)
    assert python("-c", text).stdout.split() == ["1", "__main__"]
    [function] = open_cache().functions()
    assert function.qualified_name == "__main__.train"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (["train:f", "mine/train.py:f"], {"train:f"}),
        (["mine.train:f", "mine/train.py:f"], {"mine.train:f"}),
        (["a.mine.train:f", "mine/train.py:f"], {"a.mine.train:f"}),
        (["mine.train:f", "a/mine/train.py:f"], {"mine.train:f"}),
        (["train:f", "mine/train.py:g"], {"train:f", "mine/train.py:g"}),
        (["other.train:f", "mine/train.py:f"], {"other.train:f", "mine/train.py:f"}),
        # Ambiguous.
        (["a.b:f", "b:f", "a/b.py:f"], {"a.b:f", "b:f", "a/b.py:f"}),
        (["b:f", "a/b.py:f", "c/b.py:f"], {"b:f", "a/b.py:f", "c/b.py:f"}),
        (["a:f", "b:f"], {"a:f", "b:f"}),
        (["__main__:f", "b:f"], {"__main__:f", "b:f"}),
    ],
)
def test_identities_that_are_merged(known: list[str], expected: set[str]) -> None:
    for order in (known, known[::-1]):
        one = as_one(order)
        assert set(one) == set(known)
        assert set(one.values()) == expected


def test_spellings_of_identities() -> None:
    assert label("mine.train:Model.fit") == "mine.train.Model.fit"
    assert label("mine/train.py:fit") == "mine/train.py:fit"
    assert set(spellings("mine/train.py:fit")) == {
        "mine/train.py:fit",
        "mine.train.fit",
        "mine.train:fit",
    }


def test_notebook_cell_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for filename, expected in (
        ("<stdin>", "__main__:f"),
        ("<ipython-input-3-abc>", "__main__:f"),
        ("/tmp/ipykernel_123/456.py", "__main__:f"),
        ("/home/me/mine/train.py", "mine/train.py:f"),
    ):
        exec(compile("def f(): ...", filename, "exec"), namespace)
        assert identity_of(namespace["f"]) == expected
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    namespace = {"__name__": "__mp_main__"}
    exec(compile("def f(): ...", "/home/me/mine/train.py", "exec"), namespace)
    assert identity_of(namespace["f"]) == "mine/train.py:f"


def test_unchanged_definition_file_is_read_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from funes._code import definition_file

    one, _ = in_modules()
    one(1)
    folder = str(one.cache_path.parent)
    definitions_of(folder, "resnet:train")
    monkeypatch.setattr(definition_file, "_functions", None)
    assert definitions_of(folder, "resnet:train") == [one.definition]
