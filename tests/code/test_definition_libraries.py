"""Classes that attrs, pydantic and msgspec make: what these act on counts."""

from __future__ import annotations

import linecache
import re
import sys
import textwrap
import types
from typing import Any, NamedTuple

import pytest

from funes import hash_definition


class Case(NamedTuple):
    """A module in two versions, as in `definition_cases`."""

    name: str
    text: str
    library: str


CASES: list[Case] = []


def different(library: str, name: str, text: str) -> None:
    CASES.append(Case(name, textwrap.dedent(text).lstrip(), library))


different(
    "attrs",
    "what an attrs class runs when a field is set",
    """
    import attrs
    def one(*_): return 1
    def other(*_): return 2
    @attrs.define(on_setattr=<<one => other>>)
    class A:
        a: int = 1
    def f(x): return A()
    """,
)
different(
    "attrs",
    "how an attrs field is shown",
    """
    import attrs
    @attrs.define
    class A:
        a: int = attrs.field(default=1, repr=lambda value: "<<a => b>>")
    def f(x): return repr(A())
    """,
)
different(
    "attrs",
    "type of an attrs field",
    """
    import attrs
    @attrs.define
    class A:
        a: <<int => float>> = 1
    def f(x): return A()
    """,
)
different(
    "attrs",
    "type of an attrs field, given by an argument",
    """
    import attr
    @attr.s
    class A:
        a = attr.ib(type=<<int => float>>, default=1)
    def f(x): return A()
    """,
)
different(
    "pydantic",
    "field that a validator is for",
    """
    from pydantic import BaseModel, field_validator
    class A(BaseModel):
        a: int = 1
        b: int = 1
        <<@field_validator("a") => @field_validator("b")>>
        @classmethod
        def check(cls, value): return value
    def f(x): return A(a=x)
    """,
)
different(
    "pydantic",
    "when a validator runs",
    """
    from pydantic import BaseModel, field_validator
    class A(BaseModel):
        a: int = 1
        b: int = 1
        <<@field_validator("a") => @field_validator("a", mode="before")>>
        @classmethod
        def check(cls, value): return value
    def f(x): return A(a=x)
    """,
)
different(
    "pydantic",
    "field that a serializer is for",
    """
    from pydantic import BaseModel, field_serializer
    class A(BaseModel):
        a: int = 1
        b: int = 1
        @field_serializer("<<a => b>>")
        def write(self, value): return str(value)
    def f(x): return A().model_dump()
    """,
)
different(
    "pydantic",
    "when a serializer runs",
    """
    from pydantic import BaseModel, field_serializer
    class A(BaseModel):
        a: int = 1
        @field_serializer("a"<< => , when_used="json">>)
        def write(self, value): return str(value)
    def f(x): return A().model_dump()
    """,
)
different(
    "pydantic",
    "alias of a computed field",
    """
    from pydantic import BaseModel, computed_field
    class A(BaseModel):
        a: int = 1
        @computed_field(alias="<<b => c>>")
        @property
        def area(self) -> int: return 1
    def f(x): return A().model_dump(by_alias=True)
    """,
)
different(
    "pydantic",
    "computed field or plain property",
    """
    from pydantic import BaseModel, computed_field
    class A(BaseModel):
        a: int = 1
        <<@computed_field => >>
        @property
        def area(self) -> int: return 1
    def f(x): return A().model_dump()
    """,
)
different(
    "pydantic",
    "mode of a model validator",
    """
    from pydantic import BaseModel, model_validator
    class A(BaseModel):
        a: int = 1
        @model_validator(mode="<<before => after>>")
        def check(self<< => >>): return self
    def f(x): return A(a=x)
    """,
)
for option in (
    "eq=False",
    "frozen=True",
    "getstate_setstate=False",
    "init=False",
    "kw_only=True",
    "on_setattr=attrs.setters.frozen",
    "order=True",
    "repr=False",
    "slots=False",
    "str=True",
    "unsafe_hash=True",
):
    different(
        "attrs",
        f"option {option}",
        f"""
        import attrs
        @attrs.define<< => ({option})>>
        class A:
            a: int = 1
        def f(x): return A()
        """,
    )
for option in (
    "array_like=True",
    "forbid_unknown_fields=True",
    "frozen=True",
    "kw_only=True",
    "omit_defaults=True",
    "order=True",
    "rename='camel'",
    "tag=True",
    "tag='b'",
):
    different(
        "msgspec",
        f"option {option}",
        f"""
        import msgspec
        class A(msgspec.Struct<< => , {option}>>):
            a_b: int = 1
        def f(x): return A()
        """,
    )
for one, other in (
    ("x: int", "x: str"),
    ("x: int", "x: int = 1"),
    ("x: int = 1", "x: int = 2"),
    ("x: list = []", "x: list = msgspec.field(default_factory=lambda: [1])"),
    ("x: Annotated[int, msgspec.Meta(gt=0)]", "x: Annotated[int, msgspec.Meta(gt=1)]"),
    ("x: int", "x: int = msgspec.field(name='y')"),
    ("x: 'B'", "x: 'list[B]'"),
    ("x: int", "x: int; y: int = 1"),
):
    different(
        "msgspec",
        f"field {one} or {other}",
        f"""
        from typing import Annotated
        import msgspec
        class B(msgspec.Struct): pass
        class A(msgspec.Struct):
            <<{one} => {other}>>
            def method(self): return 1
        def f(x): return msgspec.json.decode(x, type=A)
        """,
    )
different(
    "msgspec",
    "type of a field of a struct that a field names",
    """
    import msgspec
    class A(msgspec.Struct):
        b: "B"
    class B(msgspec.Struct):
        x: <<int => str>>
    def f(x): return msgspec.json.decode(x, type=A)
    """,
)
different(
    "pydantic",
    "type of a key of a typed dict",
    """
    from pydantic import TypeAdapter
    from typing_extensions import TypedDict
    class Row(TypedDict):
        x: <<int => str>>
    def f(d): return TypeAdapter(Row).validate_python(d)
    """,
)
different(
    "pydantic",
    "required key of a typed dict",
    """
    from pydantic import TypeAdapter
    from typing_extensions import Required, NotRequired, TypedDict
    class Row(TypedDict):
        x: <<Required => NotRequired>>[int]
    def f(d): return TypeAdapter(Row).validate_python(d)
    """,
)
different(
    "pydantic",
    "type of a field of a dataclass, in a class without fields",
    """
    from pydantic import TypeAdapter
    import dataclasses
    @dataclasses.dataclass
    class Row:
        x: <<int => str>>
    ADAPTER = TypeAdapter
    def f(d): return ADAPTER(Row).validate_python(d)
    """,
)
different(
    "pydantic",
    "annotation of a function behind validate_call",
    """
    from pydantic import validate_call
    @validate_call
    def g(x: <<int => str>>): return x
    def f(x): return g(x)
    """,
)
different(
    "pydantic",
    "annotation of a method behind validate_call",
    """
    from pydantic import validate_call
    class A:
        @staticmethod
        @validate_call
        def m(x: <<"int" => "list[int]">>): return x
    def f(x): return A.m(x)
    """,
)
different(
    "pydantic",
    "description in a schema",
    """
    from pydantic import BaseModel, Field
    class A(BaseModel):
        x: int = Field(default=1, description="<<one => other>>")
    def f(): return A.model_json_schema()
    """,
)
different(
    "pydantic",
    "docstring in a schema",
    """
    from pydantic import BaseModel, TypeAdapter
    class A(BaseModel):
        "<<one => other>>"
    def f(): return TypeAdapter(A).json_schema()
    """,
)


def definition(text: str) -> str:
    module = types.ModuleType("with_classes")
    filename = f"<with classes {text}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, filename, "exec", dont_inherit=True), vars(module))
        found: Any = module.f
        return str(hash_definition(found))
    finally:
        del sys.modules[module.__name__]
        del linecache.cache[filename]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.library}: {case.name}" for case in CASES])
def test_inputs_of_generated_classes_count(case: Case) -> None:
    pytest.importorskip(case.library)
    one = re.sub(r"<<(.*?) => (.*?)>>", r"\1", case.text)
    other = re.sub(r"<<(.*?) => (.*?)>>", r"\2", case.text)
    assert one != other
    assert definition(one) == definition(one)
    assert definition(one) != definition(other)
