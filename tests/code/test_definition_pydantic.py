"""Tests that the fields of pydantic models count with their types, since pydantic uses them."""

from __future__ import annotations

import linecache
import sys
import types
from typing import Any

import pytest

from funes import hash_definition

TEXT = """
import functools
from typing import Literal, Optional
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, computed_field, field_validator

class Model(BaseModel):
    '''A docstring.'''
    model_config = ConfigDict(extra="allow")
    number: float = 0.1
    texts: list[str] = Field(default_factory=lambda: ["a"])
    small: int = Field(default=1, gt=0, alias="little", description="for people")
    choice: Optional[Literal["x"]] = None
    inner: "Inner"
    required: int | None
    _private: int = PrivateAttr(default=2)
    @field_validator("number")
    @classmethod
    def check(cls, value): return value * 3
    @computed_field
    @property
    def computed(self) -> int: return 4
    def method(self): return 5

class Inner(BaseModel):
    depth: int = 6

class Derived(Model):
    pass

def f(x): return Derived(inner={}, required=x)
"""


def definition(text: str) -> str:
    module = types.ModuleType("with_models")
    filename = f"<with models {hash(text)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, filename, "exec", dont_inherit=True), vars(module))
        found: Any = module.f
        return str(hash_definition(found))
    finally:
        del sys.modules[module.__name__]
        del linecache.cache[filename]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("= 0.1", "= 0.2"),
        ("number: float", "number: int"),
        ('["a"]', '["b"]'),
        ("gt=0", "gt=1"),
        ('"little"', '"tiny"'),
        ('Literal["x"]', 'Literal["y"]'),
        ("int | None\n", "int | None = None\n"),
        ("default=2", "default=3"),
        ("value * 3", "value * 4"),
        ("return 4", "return 5"),
        ("return 5", "return 6"),
        ("depth: int = 6", "depth: int = 7"),
        ("depth: int", "depth: float"),
        ('extra="allow"', 'extra="forbid"'),
        ("    required: int | None\n", "    required: int | None\n    another: int = 1\n"),
    ],
)
def test_inputs_of_pydantic_models_count(one: str, other: str) -> None:
    assert one in TEXT
    assert definition(TEXT.replace(one, other, 1)) != definition(TEXT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A docstring.", "Another one."),
        ("for people", "to read"),
        ("def f(x)", "Derived(inner={}, required=1)\ndef f(x)"),
        ("class Derived(", "Model.model_rebuild()\nclass Derived("),
    ],
)
def test_documentation_and_first_use_of_pydantic_model_do_not_count(one: str, other: str) -> None:
    assert one in TEXT
    assert definition(TEXT.replace(one, other, 1)) == definition(TEXT)
