"""A table of changes of libraries, docstrings and settings that change the result of a function `f`.

A row is the source of a module and a list of changes. Each change is a statement that is run in the module.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple

__all__ = ["LIBRARY", "ROWS", "Row"]


class Row(NamedTuple):
    """One row of the table."""

    name: str
    text: str
    changes: tuple[str, ...]


#: The files of an installed package.
LIBRARY = {
    "lib/__init__.py": """
        from lib.settings import DEPTH
        SETTING = 5
        TABLE = {"a": 1}
        class Root:
            level = 1
            _secret = 7
            _count = 0
            def __len__(self): return 3
            def request(self): return "lib"
            @property
            def size(self): return 1
            @classmethod
            def make(cls): return cls()
            def tick(self): Root._count += 1; return self
        class Mid(Root):
            rows = [1]
            def outer(self): return self.request()
        class Leaf(Mid): pass
        class Meta(type):
            def __call__(cls, *a): return super().__call__(*a)
        class WithMeta(metaclass=Meta): pass
        instance = Leaf()
        """,
    "lib/settings.py": "DEPTH = 4",
}

ROWS: list[Row] = []


def change(name: str, text: str, *changes: str) -> None:
    ROWS.append(Row(name, textwrap.dedent(text).strip(), tuple(map(textwrap.dedent, changes))))


change(
    "own subclass",
    """
    import http.client
    class Api(http.client.HTTPConnection):
     def go(self): return self.request()
    def f(x):
     try: return Api('h').go()
     except Exception as e: return type(e).__name__
    """,
    "http.client.HTTPConnection.request = lambda self: 'mine'",
    "http.client.HTTPConnection.request = lambda self: 'mine2'",
)
change(
    "super",
    """
    import json
    class E(json.JSONEncoder):
     def default(self, o): return super().default(o)
    def f(x):
     try: return E().encode(object)
     except TypeError: return 0
    """,
    "json.JSONEncoder.default = lambda s, o: 'mine'",
)
change(
    "base of base",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return A().outer()
    """,
    "lib.Root.request = lambda s: 'mine'",
    "lib.Mid.request = lambda s: 'mid'",
)
change(
    "inherited dunder",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return len(A())
    """,
    "lib.Root.__len__ = lambda s: 8",
)
change(
    "new dunder",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x):
     try: return A()()
     except TypeError: return 0
    """,
    "lib.Root.__call__ = lambda s: 8",
)
change(
    "new dunder named",
    """
    import lib
    def f(x):
     try: return lib.Leaf()()
     except TypeError: return 0
    """,
    "lib.Root.__call__ = lambda s: 8",
)
change(
    "mock like property",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return A().size
    """,
    "lib.Root.size = property(lambda s: 8)",
)
change(
    "classmethod",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return A.make() is None
    """,
    "lib.Root.make = classmethod(lambda c: None)",
)
change(
    "restored",
    """
    import lib
    old = lib.Root.request
    class A(lib.Leaf): pass
    def f(x): return A().outer()
    """,
    "lib.Root.request = lambda s: 'mine'",
    "lib.Root.request = old",
)
change(
    "value on base",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return A().level
    """,
    "lib.Root.level = 2",
    "lib.Mid.level = 3",
    "lib.Root.level = 1; del lib.Mid.level",
)
change(
    "secret",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return getattr(A(), '_secret')
    """,
    "lib.Root._secret = 2",
)
change(
    "named value",
    """
    import lib
    def f(x): return lib.Leaf().level
    """,
    "lib.Root.level = 2",
    "lib.Leaf.level = [1]",
    "lib.Leaf.level.append(3)",
)
change(
    "rows in place",
    """
    import lib
    def f(x): return list(lib.Leaf().rows)
    """,
    "lib.Mid.rows.append(3)",
)
change(
    "item_separator",
    """
    import json
    def f(x): return json.JSONEncoder().encode([1,2])
    """,
    "json.JSONEncoder.item_separator = ';'",
)
change(
    "item_separator sub",
    """
    import json
    class E(json.JSONEncoder): pass
    def f(x): return E().encode([1,2])
    """,
    "json.JSONEncoder.item_separator = ';'",
)
change(
    "item_separator dumps cls",
    """
    import json
    class E(json.JSONEncoder): pass
    def f(x): return json.dumps([1,2], cls=E)
    """,
    "json.JSONEncoder.item_separator = ';'",
)
change(
    "FLOAT_REPR",
    """
    import json.encoder
    def f(x): return getattr(json.encoder, 'FLOAT_REPR', 0)
    """,
    "json.encoder.FLOAT_REPR = 3",
)
change(
    "dialect",
    """
    import csv, io
    def f(x):
     o = io.StringIO(); csv.writer(o, csv.excel).writerow([1,2]); return o.getvalue()
    """,
    "csv.excel.delimiter = ';'",
    "csv.Dialect.lineterminator = '!'; del csv.excel.lineterminator",
)
change(
    "fraction limit",
    """
    import fractions, decimal
    def f(x): return getattr(fractions.Fraction, 'limit', 0)
    """,
    "fractions.Fraction.limit = 3",
    "fractions.Fraction.limit = decimal.Decimal(4)",
)
change(
    "instance global",
    """
    import lib
    s = lib.Leaf()
    def f(x): return s.outer()
    """,
    "lib.Root.request = lambda s: 9",
)
change(
    "lib instance",
    """
    import lib
    def f(x): return lib.instance.outer()
    """,
    "lib.Root.request = lambda s: 9",
)
change(
    "metaclass",
    """
    import lib
    class A(lib.WithMeta): pass
    def f(x): return A() is None
    """,
    "lib.Meta.__call__ = lambda c: None",
)
change(
    "body import",
    """
    def f(x):
     import lib
     return lib.SETTING
    """,
    "import lib; lib.SETTING = 6",
    "lib.SETTING = 5",
)
change(
    "body import from",
    """
    def f(x):
     from lib import SETTING as s
     return s
    """,
    "import lib; lib.SETTING = 6",
)
change(
    "body import sub",
    """
    def f(x):
     import lib.settings
     return lib.settings.DEPTH
    """,
    "import lib.settings; lib.settings.DEPTH = 6",
)
change(
    "body import reexport",
    """
    def f(x):
     import lib
     return lib.DEPTH
    """,
    "import lib; lib.DEPTH = 6",
)
change(
    "body import table",
    """
    def f(x):
     import lib
     return dict(lib.TABLE)
    """,
    "import lib; lib.TABLE['b'] = 6",
)
change(
    "body import class",
    """
    def f(x):
     import lib
     return lib.Leaf().level
    """,
    "import lib; lib.Leaf.level = 9",
    "lib.Root.request = lambda s: 1; lib.Leaf.level=8",
)
change(
    "class of dataclass instance",
    """
    import dataclasses
    @dataclasses.dataclass
    class C: lr: int = 1
    class D(C):
     @property
     def lr(self): return 9
     @lr.setter
     def lr(self, v): pass
    c = C()
    def f(x): return c.lr
    """,
    "c.__class__ = D",
)
change(
    "class of namespace",
    """
    import types
    class D:
     lr=1
     @property
     def lx(self): return self.lr
    class E:
     lr=1
     lx=4
    c = D()
    def f(x): return c.lx
    """,
    "c.__class__ = E",
)
change(
    "module value nonplain",
    """
    import lib, decimal
    def f(x): return getattr(lib, 'limit', 0)
    """,
    "lib.limit = decimal.Decimal(3)",
)
change(
    "attrgetter",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import operator
    def f(x): return operator.attrgetter('__doc__')(g)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "attrgetter global",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import operator
    get = operator.attrgetter('__doc__')
    def f(x): return get(g)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "attrgetter dotted",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import operator
    get = operator.attrgetter('__class__', '__doc__')
    def f(x): return get(g)[1]
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "constant name",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    ATTR = '__doc__'
    def f(x): return getattr(g, ATTR)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "constant default",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x, a='__doc__'): return getattr(g, a)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "constant tuple",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    ATTRS = ('__doc__',)
    def f(x): return [getattr(C, a) for a in ATTRS]
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "constant module",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import types
    S = types.SimpleNamespace(a='__doc__')
    def f(x): return getattr(g, S.a)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "format",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return '{0.__doc__}'.format(g)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "format global",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    F = '{0.__doc__}'
    def f(x): return F.format(g)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "format map",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return '{g.__doc__}'.format_map({'g': g})
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "fstring",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return f'{g.__doc__}{C.__doc__}'
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "getdoc",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import inspect
    def f(x): return inspect.getdoc(g), inspect.getdoc(C)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "getdoc renamed",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    from inspect import getdoc as d
    def f(x): return d(g)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "vars",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return vars(C)['__doc__']
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "dict",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return C.__dict__['__doc__']
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "concat",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return getattr(g, '__do' + 'c__')
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "dynamic param",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x, n=('__%s__',)): return getattr(g, n[0] % 'doc')
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "dynamic join",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return getattr(g, '__' + ['doc'][0] + '__')
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "dynamic helper",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def name(): return ''.join(reversed('__cod__'))
    def f(x): return getattr(g, name())
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "getattribute",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return object.__getattribute__(g, '__' + 'doc' + '__')
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "pydoc",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import pydoc
    def f(x): return pydoc.render_doc(g)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "pydoc from",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    from pydoc import render_doc
    def f(x): return render_doc(g)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "pydoc body",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x):
     import pydoc
     return pydoc.getdoc(g)
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "help",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import io, contextlib
    def f(x):
     o = io.StringIO()
     with contextlib.redirect_stdout(o): help(g)
     return o.getvalue()
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "lambda alias of getattr",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    get = getattr
    def f(x): return get(g, '__do' + 'c__')
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "partial getattr",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import functools
    get = functools.partial(getattr, g)
    def f(x): return get('__do' + 'c__')
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "map getattr",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return list(map(getattr, [g], ['__do' + 'c__']))
    """,
    "g.__doc__ = 'two'; C.__doc__ = 'ctwo'",
)
change(
    "annot inplace",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return sorted(C.__annotations__.items(), key=repr)
    """,
    "C.__annotations__['y'] = float",
    "C.__annotations__['x'] = str",
)
change(
    "annot inplace fn",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def h(a: int): return 1
    def f(x): return sorted(h.__annotations__.items(), key=repr)
    """,
    "h.__annotations__['a'] = float",
)
change(
    "annot hints",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import typing
    def h(a: int): return 1
    def f(x): return sorted(typing.get_type_hints(h).items(), key=repr)
    """,
    "h.__annotations__['a'] = float",
    "h.__annotations__['b'] = float",
)
change(
    "annot attr const",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    A='__annotations__'
    def f(x): return sorted(getattr(C,A).items(), key=repr)
    """,
    "C.__annotations__['y'] = float",
)
change(
    "annot list",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    L=[C]
    def f(x): return [sorted(c.__annotations__.items(), key=repr) for c in L]
    """,
    "C.__annotations__['y'] = float",
)
change(
    "annot dataclass",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import dataclasses
    @dataclasses.dataclass
    class D:
     a: int = 1
    def f(x): return sorted(D.__annotations__.items(), key=repr), D()
    """,
    "D.__annotations__['y'] = float",
)
change(
    "annot passed",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def use(c): return sorted(c.__annotations__.items(), key=repr)
    def f(x): return use(C)
    """,
    "C.__annotations__['y'] = float",
)
change(
    "annot on argument type",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return sorted(getattr(C, '__anno'+'tations__').items(), key=repr)
    """,
    "C.__annotations__['y'] = float",
)
change(
    "annot signature",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import inspect
    def h(a: int): return 1
    def f(x): return str(inspect.signature(h))
    """,
    "h.__annotations__['a'] = float",
)
change(
    "annot memo",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def h(a: int): return 1
    h = __import__('funes').memorious(h)
    def f(x): return sorted(h.__annotations__.items(), key=repr)
    """,
    "h.__annotations__['a'] = float",
)
change(
    "qualname",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return g.__qualname__
    """,
    "g.__qualname__ = 'other'",
)
change(
    "name",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return g.__name__
    """,
    "g.__name__ = 'other'",
)
change(
    "name const",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    N='__name__'
    def f(x): return getattr(g, N)
    """,
    "g.__name__ = 'other'",
)
change(
    "module",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return g.__module__
    """,
    "g.__module__ = 'other'",
)
change(
    "module class",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return C.__module__, C.__qualname__
    """,
    "C.__module__ = 'other'",
    "C.__qualname__ = 'Ob'",
)
change(
    "class name",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return C.__name__
    """,
    "C.__name__ = 'other'",
)
change(
    "qualname format",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x): return '{0.__qualname__}'.format(g)
    """,
    "g.__qualname__ = 'other'",
)
change(
    "qualname list",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    L=[g, C]
    def f(x): return [t.__qualname__ for t in L]
    """,
    "g.__qualname__ = 'other'",
    "C.__qualname__ = 'oo'",
)
change(
    "qualname attrgetter",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    import operator
    get = operator.attrgetter('__qualname__')
    def f(x): return get(g)
    """,
    "g.__qualname__ = 'other'",
)
change(
    "own doc",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    def f(x):
     'mine'
     return f.__doc__
    """,
    "f.__doc__ = 'two'",
)
change(
    "method doc",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    class D:
     def m(self):
      'one'
    def f(x): return D.m.__doc__
    """,
    "D.m.__doc__ = 'two'",
)
change(
    "method doc on instance",
    """
    def g():
     'one'
     return 1
    class C:
     'cone'
     x: int = 1
    class D:
     def m(self):
      'one'
    d = D()
    def f(x): return d.m.__doc__
    """,
    "D.m.__doc__ = 'two'",
)
change(
    "decimal prec",
    """
    import decimal
    def f(x): return decimal.Decimal(1) / 3
    """,
    "decimal.getcontext().prec = 5",
    "decimal.getcontext().rounding = 'ROUND_UP'; decimal.getcontext().prec=4",
)
change(
    "each part of the decimal context",
    """
    import decimal
    def f(x):
        context = decimal.getcontext()
        shown = str(decimal.Decimal(10) ** 20)
        signals = [signal.__name__ for signal, is_set in context.traps.items() if is_set]
        return shown, context.capitals, context.clamp, context.Emax, context.Emin, sorted(signals)
    """,
    "decimal.getcontext().capitals = 0",
    "decimal.getcontext().clamp = 1",
    "decimal.getcontext().Emax = 1000",
    "decimal.getcontext().Emin = -1000",
    "decimal.getcontext().traps[decimal.Inexact] = True",
    "decimal.setcontext(decimal.Context(prec=7, traps=[decimal.Inexact]))",
)
change(
    "decimal from",
    """
    from decimal import Decimal as D
    def f(x): return D(1) / 3
    """,
    "import decimal; decimal.getcontext().prec = 5",
)
change(
    "decimal body",
    """
    def f(x):
     from decimal import Decimal as D
     return D(1) / 3
    """,
    "import decimal; decimal.getcontext().prec = 5",
)
change(
    "decimal value",
    """
    import decimal
    V = decimal.Decimal(1)
    del decimal
    def f(x): return V / 3
    """,
    "import decimal; decimal.getcontext().prec = 5",
)
change(
    "decimal helper",
    """
    import decimal
    def h(): return decimal.Decimal(1)
    def f(x): return h() / 3
    """,
    "decimal.getcontext().prec = 5",
)
change(
    "decimal class",
    """
    import decimal
    class M(decimal.Decimal): pass
    def f(x): return M(1) / 3
    """,
    "decimal.getcontext().prec = 5",
)
change(
    "decimal traps",
    """
    import decimal
    def f(x):
     try: return decimal.Decimal(1) / 0
     except decimal.DivisionByZero: return 0
    """,
    "decimal.getcontext().traps[decimal.DivisionByZero] = False",
)
change(
    "decimal dict values",
    """
    import decimal
    T = {'a': decimal.Decimal(1)}
    del decimal
    def f(x): return T['a'] / 3
    """,
    "import decimal; decimal.getcontext().prec = 5",
)
change(
    "patch.object",
    """
    import lib
    from unittest import mock
    class A(lib.Leaf): pass
    def f(x): return A().outer()
    """,
    "p = mock.patch.object(lib.Root, 'request', lambda s: 'mock'); p.start()",
    "p.stop()",
)
change(
    "mro two libs",
    """
    import lib, json
    class A(lib.Leaf, json.JSONEncoder): pass
    def f(x): return A().encode([1, 2])
    """,
    "json.JSONEncoder.item_separator = '|'",
)
change(
    "own mid",
    """
    import lib
    class A(lib.Leaf): pass
    class B(A): pass
    class C(B): pass
    def f(x): return C().outer()
    """,
    "lib.Root.request = lambda s: 3",
)
change(
    "patched by helper value",
    """
    import lib
    N = 1
    def mine(s): return N
    lib.Root.request = mine
    class A(lib.Leaf): pass
    def f(x): return A().outer()
    """,
    "N = 2",
)
change(
    "setattr type",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return A().level
    """,
    "type.__setattr__(lib.Root, 'level', 'new')",
)
change(
    "bool for int",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return A().level
    """,
    "lib.Root.level = True",
    "lib.Root.level = 1.0",
)
change(
    "partialmethod",
    """
    import lib, functools
    class A(lib.Leaf): pass
    def h(s, n): return n
    def f(x): return A().outer()
    """,
    "lib.Root.request = functools.partialmethod(h, 4)",
    "lib.Root.request = functools.partialmethod(h, 5)",
)
change(
    "cached_property",
    """
    import lib, functools
    class A(lib.Leaf): pass
    def f(x): return A().size
    """,
    """
    p = functools.cached_property(lambda s: 7); p.__set_name__(lib.Root, 'size'); lib.Root.size = p
    """,
)
change(
    "callable object on class",
    """
    import lib
    class Fn:
     n = 1
     def __call__(self, *a): return self.n
    class A(lib.Leaf): pass
    def f(x): return A().outer()
    """,
    "lib.Root.request = Fn()",
    "Fn.n = 2",
)
change(
    "getattr dunder on class",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x):
     try: return A().nothing
     except AttributeError: return 0
    """,
    "lib.Root.__getattr__ = lambda s, n: 5",
)
change(
    "init",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return vars(A())
    """,
    """
    def init(self): self.k = 1
    lib.Root.__init__ = init
    """,
)
change(
    "new",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return type(A()).__name__
    """,
    "lib.Root.__new__ = staticmethod(lambda c: 5)",
)
change(
    "eq",
    """
    import lib
    class A(lib.Leaf): pass
    def f(x): return A() == A()
    """,
    "lib.Root.__eq__ = lambda s, o: True",
)
change(
    "iter in named",
    """
    import lib
    def f(x):
     try: return list(lib.Leaf())
     except TypeError: return 0
    """,
    "lib.Root.__iter__ = lambda s: iter([1])",
)
change(
    "exception base",
    """
    import json
    class E(json.JSONDecodeError): pass
    def f(x): return str(E('a', 'b', 0))
    """,
    "json.JSONDecodeError.__str__ = lambda s: 'patched'",
)
change(
    "mixin abc",
    """
    import collections.abc
    class S(collections.abc.Sequence):
     def __getitem__(self, k): return 'abc'[k]
     def __len__(self): return 3
    def f(x): return S().index('b')
    """,
    "collections.abc.Sequence.index = lambda s, v: 9",
)
change(
    "userdict",
    """
    import collections
    class U(collections.UserDict): pass
    def f(x): return U(a=1).copy()
    """,
    "collections.UserDict.copy = lambda s: 9",
)
change(
    "counter",
    """
    import collections
    def f(x): return collections.Counter('aab').most_common()
    """,
    "collections.Counter.most_common = lambda s: 9",
)
change(
    "enum",
    """
    import enum
    class E(enum.Enum):
     A = 1
    def f(x): return str(E.A)
    """,
    "enum.Enum.__str__ = lambda s: 'patched'",
)
change(
    "dataclass of lib base",
    """
    import lib, dataclasses
    @dataclasses.dataclass
    class A(lib.Leaf):
     a: int = 1
    def f(x): return A().outer()
    """,
    "lib.Root.request = lambda s: 3",
)
change(
    "string formatter",
    """
    import string
    class F(string.Formatter): pass
    def f(x): return F().format('{}', 1)
    """,
    "string.Formatter.get_value = lambda s, k, a, kw: 'patched'",
)
change(
    "argparse",
    """
    import argparse
    class P(argparse.ArgumentParser): pass
    def f(x): return P(prog='a').format_usage()
    """,
    "argparse.ArgumentParser.format_usage = lambda s: 'x'",
)
change(
    "argument of own class",
    """
    import lib
    class A(lib.Leaf): pass
    a = A()
    def h(o): return o.outer()
    def f(x): return h(a)
    """,
    "lib.Root.request = lambda s: 3",
)
change(
    "own in container",
    """
    import lib
    class A(lib.Leaf): pass
    L = [A()]
    def f(x): return L[0].outer()
    """,
    "lib.Root.request = lambda s: 3",
)
change(
    "class attr lib class",
    """
    import lib
    class W:
     kind = lib.Leaf
     def go(self): return self.kind().outer()
    def f(x): return W().go()
    """,
    "lib.Root.request = lambda s: 3",
)
change(
    "alias global",
    """
    import lib
    K = lib.Leaf
    def f(x): return K().outer()
    """,
    "lib.Root.request = lambda s: 3",
)
change(
    "lib class default",
    """
    import lib
    def f(x, k=lib.Leaf): return k().outer()
    """,
    "lib.Root.request = lambda s: 3",
)
change(
    "captured",
    """
    import lib
    def make():
     k = lib.Leaf
     def f(x): return k().outer()
     return f
    f = make()
    """,
    "lib.Root.request = lambda s: 3",
)
change(
    "table replaced",
    """
    import lib
    class A(lib.Leaf):
     def go(self): return list(self.rows)
    def f(x): return A().go()
    """,
    "lib.Mid.rows = [5]",
    "lib.Mid.rows.append(6)",
)
change(
    "none to list",
    """
    import argparse
    class A(argparse.Namespace): pass
    def f(x): return getattr(A(), 'extra', 0)
    """,
    "argparse.Namespace.extra = [1]",
)
change(
    "body import attr nested",
    """
    def f(x):
     import lib.settings as s
     return s.DEPTH * 2
    """,
    "import lib.settings; lib.settings.DEPTH = 'q'",
)
change(
    "body import func",
    """
    def f(x):
     import lib
     return lib.helper() if hasattr(lib, 'helper') else 0
    """,
    "import lib; lib.helper = lambda: 4",
)
change(
    "slots dataclass class",
    """
    import dataclasses
    @dataclasses.dataclass
    class C: lr: int = 1
    @dataclasses.dataclass
    class D:
     lr: int = 1
     def __getattribute__(self, n): return 9 if n == 'lr' else object.__getattribute__(self, n)
    c = C()
    def f(x): return c.lr
    """,
    "c.__class__ = D",
)
change(
    "two dataclass levels",
    """
    import dataclasses
    @dataclasses.dataclass
    class C: lr: int = 1
    class D(C):
     lr = property(lambda s: 9, lambda s, v: None)
    @dataclasses.dataclass
    class O: c: C = None
    o = O(C())
    def f(x): return o.c.lr
    """,
    "o.c.__class__ = D",
)
change(
    "method caller",
    """
    import operator, lib
    def f(x): return operator.methodcaller('outer')(lib.Leaf())
    """,
    "lib.Root.request = lambda s: 3",
)
change(
    "doc in sort key",
    """
    def g():
     'b'
    def h():
     'a'
    import operator
    def f(x): return [t.__name__ for t in sorted([g, h], key=operator.attrgetter('__doc__'))]
    """,
    "g.__doc__ = '0'",
)
