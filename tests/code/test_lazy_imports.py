"""Tests that lazy imports (PEP 810) are resolved. A substitute replaces the type of Python 3.15."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from funes import hash_definition
from funes._code import lazy_imports


class Lazy:
    """A substitute for `types.LazyImportType`."""

    def __init__(self, module: str, name: str | None = None) -> None:
        self.module, self.name = module, name

    def resolve(self) -> Any:
        module = sys.modules.get(self.module)
        if module is None:
            raise ImportError(self.module)
        return module if self.name is None else getattr(module, self.name)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(lazy_imports, "LAZY", Lazy)

    def make(name: str, text: str, **values: Any) -> types.ModuleType:
        module = types.ModuleType(name)
        module.__dict__.update(values)
        exec(compile(text, f"<{name}>", "exec"), vars(module))
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


@pytest.mark.parametrize(
    ("helpers", "edited", "text", "lazy"),
    [
        ("def g(x): return x + 1", "def g(x): return x + 100", "g(x)", {"g": ("helpers_", "g")}),
        ("K = 1", "K = 2", "x + K", {"K": ("helpers_", "K")}),
        (
            "def g(x): return x + 1",
            "def g(x): return x + 100",
            "helpers_.g(x)",
            {"helpers_": ("helpers_", None)},
        ),
    ],
    ids=["function", "value", "module"],
)
def test_lazy_import_counts_like_import(
    modules: Any, helpers: str, edited: str, text: str, lazy: dict[str, Any]
) -> None:
    hashes = []
    for content in (helpers, edited, helpers):
        module = modules("helpers_", content)
        program = f"def f(x): return {text}"
        values = {name: Lazy(*place) for name, place in lazy.items()}
        eager = {
            name: module if place[1] is None else getattr(module, place[1])
            for name, place in lazy.items()
        }
        made = modules("program_", program, **values)
        hashes.append(hash_definition(made.f))
        assert hashes[-1] == hash_definition(modules("program_", program, **eager).f)
        assert not any(type(value) is Lazy for value in vars(made).values())
    assert hashes[0] == hashes[2] != hashes[1]


def test_lazy_imports_of_helpers_are_resolved(modules: Any) -> None:
    hashes = []
    for number in (1, 2):
        modules("inner_", f"K = {number}")
        modules("helpers_", "def g(x): return x + K", K=Lazy("inner_", "K"))
        program = modules(
            "program_",
            "class C:\n    def m(self, x): return g(x)\ndef f(x): return C().m(x)",
            g=Lazy("helpers_", "g"),
        )
        hashes.append(hash_definition(program.f))
    assert hashes[0] != hashes[1]


def test_failing_lazy_import_stays_unresolved(modules: Any) -> None:
    program = modules("program_", "def f(x): return g(x)", g=Lazy("missing_", "g"))
    hash_definition(program.f)
    assert type(program.g) is Lazy
