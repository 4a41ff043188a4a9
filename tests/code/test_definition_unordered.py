"""Tests attributes that libraries add to user classes: the order of lists made from sets does not count."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import hash_definition

Python = Callable[..., Any]

LIBRARY = """
    class Rules:
        def __init__(self): self.names = list({"a", "b", "c", "dd", "eee"})
    RULES = Rules()
    class Handler:
        def __init__(self, rules, functions): self.rules, self.functions = rules, functions
    class Choice:
        def __init__(self, *of):
            self.of = set(of)
            self.ordered, self.text = tuple(self.of), ", ".join(self.of)
    class Meta(type):
        def __new__(meta, name, bases, space, **options):
            cls = super().__new__(meta, name, bases, space)
            found = {name for name in space if name.startswith("on_")}
            cls._names, cls._functions = list(found), tuple(space[name] for name in found)
            cls._table = {name: [space[other] for other in found] for name in found}
            cls._handler = Handler(RULES, {name: space[name] for name in found})
            cls._options, cls._fields = options, [n for n, v in space.items() if type(v) is int]
            return cls
    class Base(metaclass=Meta):
        def __init_subclass__(cls, **_):
            cls._all = [name for name in set(vars(cls)) if name[:2] != "__"]
    def mark(of):
        def decorate(cls):
            cls._seen = [of, *{"x", "yy", "zzz", "w"}]
            return cls
        return decorate
    """

#: For each case: the library that it needs, and the source of a module with a function `f`.
CASES = {
    "a metaclass and a base class": (
        "acting",
        """
        from acting import Base
        class A(Base, flag=True):
            n, m = 3, 4
            items = [3, 1, 2]
            def on_a(self): return 1
            def on_b(self): return 2
            def on_c(self): return 3
        def f(x): return A().on_a()
        """,
    ),
    "a decorator": (
        "acting",
        """
        from acting import mark
        @mark(
            1
        )
        class A:
            def go(self): return 1
        def f(x): return A().go()
        """,
    ),
    "an object in the body of a class": (
        "acting",
        """
        from acting import Choice
        class A:
            choice = Choice("a", "bb", "ccc", "d")
        def f(x): return A.choice
        """,
    ),
    "sympy function": (
        "sympy",
        """
        import sympy
        class Double(sympy.Function):
            @classmethod
            def eval(cls, x): return 2 * x if x.is_Number else None
            def _eval_is_positive(self): return self.args[0].is_positive
        def f(x): return str(Double(x))
        """,
    ),
    "sympy expressions": (
        "sympy",
        """
        import sympy
        from sympy.core.singleton import Singleton
        class Symbol(sympy.Symbol):
            is_real = True
        class Operator(sympy.Expr):
            is_negative, is_integer = False, True
            def _eval_is_finite(self): return True
        class One(sympy.Basic, metaclass=Singleton): pass
        def f(x): return str(Symbol("a")), Operator(1).is_integer, str(One())
        """,
    ),
    "attrs": (
        "attrs",
        """
        import attrs
        @attrs.define
        class A:
            x: str = attrs.field(default="a", validator=attrs.validators.in_({"a", "b", "c"}))
            y: set = attrs.field(factory=lambda: {1}, metadata={"of": frozenset("abc")})
        def f(x): return A().x
        """,
    ),
    "pydantic": (
        "pydantic",
        """
        from typing import Literal
        import pydantic
        class A(pydantic.BaseModel):
            a: int = pydantic.Field(3, ge=1)
            b: Literal["x", "y"] = "x"
            c: set[str] = {"a", "bb", "ccc"}
            @pydantic.field_validator("a")
            @classmethod
            def check(cls, value): return value
        def f(x): return A().a
        """,
    ),
    "traitlets": (
        "traitlets",
        """
        import traitlets
        class A(traitlets.HasTraits):
            a = traitlets.Int(3, help="x")
            b = traitlets.Set(traitlets.Unicode(), default_value={"x", "yy", "zzz"})
            @traitlets.observe("a", "b")
            def changed(self, change): pass
        def f(x): return A().a
        """,
    ),
    "enum": (
        "enum",
        """
        import enum
        class A(enum.Flag):
            R, W, X = 1, 2, 4
            RW = R | W
        class B(enum.Enum):
            X, Y = frozenset("abc"), 2
        def f(x): return A.RW, B.X
        """,
    ),
}


@pytest.fixture
def acting(tmp_path: Path) -> Path:
    site = tmp_path / "site-packages"
    site.mkdir()
    (site / "acting.py").write_text(textwrap.dedent(LIBRARY))
    return site


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_three_processes_compute_one_definition(
    case: str, tmp_path: Path, acting: Path, python: Python
) -> None:
    library, text = CASES[case]
    if library != "acting":
        pytest.importorskip(library)
    (tmp_path / "mine.py").write_text(textwrap.dedent(text))
    (tmp_path / "run.py").write_text(
        textwrap.dedent("""
        import warnings
        warnings.simplefilter("error")
        import mine
        from funes import memorious
        f = memorious(mine.f)
        f(1)
        print(f.cache_info().misses, f.definition)
        """)
    )
    runs = [
        python("run.py", PYTHONHASHSEED=seed, PYTHONPATH=str(acting)) for seed in ("1", "2", "77")
    ]
    assert [run.stderr for run in runs] == [""] * 3
    told = [run.stdout.split() for run in runs]
    assert [misses for misses, _ in told] == ["1", "0", "0"]
    assert len({definition for _, definition in told}) == 1


@pytest.mark.parametrize(
    "edit",
    [
        ("n, m = 3, 4", "m, n = 4, 3"),  # the library lists the fields in this order
        ("flag=True", "flag=False"),
        ("return 3", "return 4"),
        ("on_c", "on_d"),
        ("[3, 1, 2]", "[1, 2, 3]"),
    ],
)
def test_inputs_of_library_classes_count(
    edit: tuple[str, str], acting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(acting))
    monkeypatch.syspath_prepend(str(tmp_path))
    text = CASES["a metaclass and a base class"][1]
    hashes = []
    for name, content in (("one", text), ("other", text.replace(*edit)), ("again", text)):
        (tmp_path / f"acting_{name}.py").write_text(textwrap.dedent(content))
        importlib.invalidate_caches()
        hashes.append(hash_definition(importlib.import_module(f"acting_{name}").f))
        monkeypatch.delitem(sys.modules, f"acting_{name}")
    assert hashes[0] == hashes[2] != hashes[1]
    monkeypatch.delitem(sys.modules, "acting")


def test_edit_of_library_list_is_detected(
    acting: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(acting))
    monkeypatch.syspath_prepend(str(tmp_path))
    text = CASES["a metaclass and a base class"][1]
    text = f"from funes import memorious\n{textwrap.dedent(text)}".replace(
        "def f", "@memorious\ndef f"
    )
    (tmp_path / "edited.py").write_text(text)
    importlib.invalidate_caches()
    module = importlib.import_module("edited")
    seen = [module.f.definition]
    module.A._names.append("more")
    seen.append(module.f.definition)
    module.A._table["on_a"].append(1)
    seen.append(module.f.definition)
    module.A._functions = ()
    seen.append(module.f.definition)
    module.A._handler.functions["x"] = 1
    seen.append(module.f.definition)
    assert len(set(seen)) == 5
    monkeypatch.delitem(sys.modules, "acting")
    monkeypatch.delitem(sys.modules, "edited")
