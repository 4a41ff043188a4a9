"""A table of changes in a running session that change the result of a memorious function `f`.

A row is the source of a module and a list of changes. Each change is a statement that is run in the module.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple

__all__ = ["CHANGES", "Change"]


class Change(NamedTuple):
    """One row of the table."""

    name: str
    text: str
    changes: tuple[str, ...]


CHANGES: list[Change] = []


def change(name: str, text: str, *changes: str) -> None:
    CHANGES.append(Change(name, textwrap.dedent(text), tuple(map(textwrap.dedent, changes))))


# Names

change("global", "N = 1\ndef f(x): return N", "N = 2", "N = [2]", "N.append(3)", "del N")
change("helper", "def g(): return 1\ndef f(x): return g()", "g = lambda: 2", "del g")
change(
    "alias of a module", "import math as m\ndef f(x): return m.pi", "import types as m; m.pi = 3"
)
change(
    "attribute of a module",
    "import config\ndef f(x): return config.N",
    "config.N = 2",
    "vars(config)['N'] = {3: [4]}",
    "config.N[3].append(5)",
    "del config.N",
    "config.__getattr__ = lambda name: 6",
)
change(
    "helper of a module",
    "import config\ndef f(x): return config.g()",
    "config.N = 2",
    "config.g = lambda: config.M",
    "config.M = 4",
)
change("name from a star import", "from config import *\ndef f(x): return N", "N = 2")
change(
    "module that is imported in the body",
    "def f(x):\n import config\n return config.N",
    "import config; config.N = 2",
    "import sys, types; m = types.ModuleType('config'); m.N = 3; sys.modules['config'] = m",
)
change(
    "module that is loaded again",
    "import config\ndef f(x): return config.g()",
    """
    import importlib, pathlib
    pathlib.Path(config.__file__).write_text("def g(): return 'another'")
    importlib.reload(config)
    """,
)
change("shadowed builtin", "def f(x): return divmod(7, 2)", "divmod = lambda x, y: 1", "del divmod")
change(
    "builtin that is replaced",
    "def f(x): return divmod(7, 2)",
    "import builtins; old = divmod; builtins.divmod = lambda x, y: 1",
    "builtins.divmod = old",
)
change(
    "builtin that is added",
    "def f(x):\n try: return added\n except NameError: return 1",
    "import builtins; builtins.added = 2",
    "del builtins.added",
)

# Functions

change(
    "code",
    "def g(x): return 1\ndef f(x): return g(x)",
    "g.__code__ = (lambda x: 2).__code__",
)
change(
    "names of a function",
    "def g(): pass\ndef f(x): return g.__name__, g.__qualname__",
    "g.__name__ = 'h'",
    "g.__qualname__ = 'a.h'",
)
change(
    "names of a class",
    "class C: pass\ndef f(x): return C.__name__, C.__qualname__, repr(C)",
    "C.__name__ = 'D'",
    "C.__qualname__ = 'A.D'",
)
change(
    "name of the class of an object",
    "class C: pass\ndef f(x): return type(C()).__name__",
    "C.__name__ = 'D'",
    "C.a = 1; C.__name__ = 'E'",
)
change("own code", "def f(x): return 1", "f.__wrapped__.__code__ = (lambda x: 2).__code__")
change(
    "defaults",
    "def g(y=1, *, z=[1]): return y, list(z)\ndef f(x): return g()",
    "g.__defaults__ = (2,)",
    "g.__kwdefaults__ = {'z': [3]}",
    "g.__kwdefaults__['z'] = [4]",
    "g.__kwdefaults__['z'].append(5)",
)
change(
    "captured variable",
    "def make(n): return lambda: n\ng = make(1)\ndef f(x): return repr(g())",
    "g.__closure__[0].cell_contents = [2]",
    "g.__closure__[0].cell_contents.append(3)",
)
change(
    "attribute of a helper",
    "def g(): pass\ng.n = 1\ndef f(x): return getattr(g, 'n', 0)",
    "g.n = 2",
    "g.__dict__ = {'n': 3}",
    "del g.n",
)
change(
    "attribute of a static method",
    "class A:\n @staticmethod\n def g(): pass\nA.g.n = [1]\ndef f(x): return repr(A.g.n)",
    "A.g.n.append(2)",
    "A.g.n = 3",
)
change(
    "attribute of functions in a list",
    "def g(): pass\nL = [g]\ndef f(x): return [getattr(s, 'n', 0) for s in L]",
    "g.n = 1",
    "g.n = 2",
    "vars(g).clear()",
)
change(
    "attribute of a memorious function",
    "@memorious\ndef g(): pass\ng.n = 1\ndef f(x): return getattr(g, 'n', 0)",
    "g.n = 2",
    "g.n = {3: []}",
    "g.n[3].append(4)",
    "del g.n",
    "g.__wrapped__.n = 5; g.n = g.__wrapped__.n",
)
change(
    "attribute of memorious functions in a dict",
    "@memorious\ndef g(): pass\nD = {'g': g}\ndef f(x): return [getattr(s, 'n', 0) for s in D.values()]",
    "g.n = 1",
    "g.n = 2",
    "del g.n",
)
change(
    "attribute of a wrapper around a memorious function",
    """
    import functools
    @memorious
    def h(x): return 1
    h.n = 1
    @functools.wraps(h)
    def g(x): return h(x)
    def f(x): return g(x), g.n
    """,
    "g.n = 2",
    "h.__wrapped__.__code__ = (lambda x: 3).__code__",
)
change(
    "its own attribute",
    "def f(x): return getattr(f, 'n', 0)",
    "f.n = 1",
    "f.n = 2",
    "del f.n",
)
change(
    "attribute of a helper behind lru_cache",
    "import functools\n@functools.lru_cache\ndef g(): pass\ndef f(x): return getattr(g, 'n', 0)",
    "g.n = 1",
    "g.n = 2",
)
change(
    "attribute of a helper behind contextmanager",
    "import contextlib\n@contextlib.contextmanager\ndef g(): yield\n"
    "def f(x): return repr(getattr(g, 'n', 0))",
    "g.n = 1",
    "g.n = [2]",
    "g.n.append(3)",
    "del g.n",
    "g.__wrapped__.n = 4; g.n = 5",
)
change(
    "attribute of a helper behind recursive_repr",
    "import reprlib\n@reprlib.recursive_repr()\ndef g(self): return 1\n"
    "def f(x): return repr(getattr(g, 'n', 0))",
    "g.n = 1",
    "g.n = {2: [3]}",
    "g.n[2].append(4)",
    "vars(g).clear()",
)
change(
    "attribute of a partial",
    "import functools\ng = functools.partial(lambda: 1)\ndef f(x): return getattr(g, 'n', 0)",
    "g.n = 1",
    "g.n = 2",
)
change(
    "attribute of a partial method",
    """
    import functools
    class A:
        def m(self, n): return n
        p = functools.partialmethod(m, 1)
    def f(x): return A().p()
    """,
    "vars(A)['p'].args = (2,)",
)
change(
    "attribute of a method, by another one of its class",
    """
    class A:
        def m(self): pass
        def read(self): return getattr(self.m, 'n', 0)
    def f(x): return A().read()
    """,
    "A.m.n = 1",
    "A.m.n = 2",
)
change(
    "attribute of a function in an attribute of a function",
    "def g(): pass\ndef h(): pass\ng.h = h\ndef f(x): return getattr(g.h, 'n', 0)",
    "h.n = 1",
    "g.h = lambda: 1; g.h.n = 2",
)
change(
    "attribute beside one that a helper counts in",
    """
    def g():
        g.calls += 1
        return g.n
    g.calls, g.n = 0, 1
    def f(x): return g()
    """,
    "g.n = 2",
    "g.n = 3",
)
change(
    "helper behind functools.wraps",
    """
    import functools
    def deco(g):
        @functools.wraps(g)
        def wrapper(): return g()
        return wrapper
    @deco
    def g(): return 1
    def f(x): return g()
    """,
    "g.__wrapped__.__code__ = (lambda: 2).__code__",
)
change(
    "helper behind lru_cache",
    "import functools\n@functools.lru_cache\ndef g(): return 1\ndef f(x): return g()",
    "g.__wrapped__.__code__ = (lambda: 2).__code__; g.cache_clear()",
)
change(
    "what lru_cache says that it wraps",
    "import functools\n@functools.lru_cache\ndef g(): return 1\ndef f(x): return g.__wrapped__()",
    "g.__wrapped__ = lambda: 2",
)
change(
    "registration of a singledispatch",
    """
    import functools
    @functools.singledispatch
    def g(x): return 0
    def f(x): return g(x)
    """,
    "g.register(int)(lambda x: 1)",
    "g.register(int)(lambda x: 2)",
    "g.registry[int].__code__ = (lambda x: 3).__code__; g._clear_cache()",
)
change(
    "registration of a single-dispatch method",
    """
    import functools
    class A:
        @functools.singledispatchmethod
        def g(self, x): return 0
    def f(x): return A().g(x)
    """,
    "A.__dict__['g'].register(int)(lambda self, x: 1)",
)
change(
    "argument of a partial",
    """
    import functools
    g = functools.partial(lambda y, z: (list(y), z), [1], z=1)
    def f(x): return g()
    """,
    "g.args[0].append(2)",
    "g.keywords['z'] = 3",
    "g.func.__code__ = (lambda y, z: 4).__code__",
)
change(
    "function in a dict",
    "D = {'a': lambda: 1}\ndef f(x): return [g() for g in D.values()]",
    "D['a'] = lambda: 2",
    "D['a'].__code__ = (lambda: 3).__code__",
    "D['b'] = D['a']",
)
change(
    "memorious function in a list",
    "@memorious\ndef g(): return 1\nL = [g]\ndef f(x): return L[0]()",
    "g.__wrapped__.__code__ = (lambda: 2).__code__",
)
change(
    "bound method",
    "class A:\n n = 1\n def m(self): return self.n\na = A()\ng = a.m\ndef f(x): return g()",
    "a.n = 2",
    "A.m.__code__ = (lambda self: 3).__code__",
)

# Classes and instances

change(
    "method",
    "class B:\n def m(self): return 1\nclass A(B): pass\ndef f(x): return A().m()",
    "B.m = lambda self: 2",
    "A.m = lambda self: 3",
    "A.m.__code__ = (lambda self: 4).__code__",
    "del A.m",
)
change(
    "base classes",
    """
    class B:
        def m(self): return 1
    class C:
        def m(self): return 2
    class A(B): pass
    def f(x): return A().m()
    """,
    "A.__bases__ = (C,)",
)
change(
    "metaclass",
    """
    class M(type):
        def __call__(cls): return 1
    class N(type):
        def __call__(cls): return 2
    class A(metaclass=M): pass
    def f(x): return A()
    """,
    "A.__class__ = N",
    "N.__call__ = lambda cls: 3",
)
change(
    "special method that was not there",
    "class A: pass\ndef f(x): return hasattr(A, '__len__') and len(A())",
    "A.__len__ = lambda self: 1",
    "A.__len__ = lambda self: 2",
    "del A.__len__",
)
change(
    "attribute of a class",
    "class A: T = {'a': [1]}\ndef f(x): return repr([A.T, getattr(A, 'n', 0)])",
    "A.T['a'].append(2)",
    "A.n = 1",
    "A.T = 3",
)
change(
    "property",
    "class A:\n @property\n def p(self): return 1\ndef f(x): return A().p",
    "A.p.fget.__code__ = (lambda self: 2).__code__",
    "A.p = property(lambda self: 3)",
)
change(
    "state of a descriptor",
    """
    class D:
        def __init__(self): self.n = 1
        def __get__(self, instance, owner): return self.n
    class P(property):
        def __init__(self): self.n = 1
        def __get__(self, instance, owner): return self.n
    class A: d, p = D(), P()
    def f(x): return A().d, A().p
    """,
    "A.__dict__['d'].n = 2",
    "A.__dict__['p'].n = 2",
    "D.__get__ = lambda *_: 3",
)
change(
    "instance",
    "class A: n = 1\nclass B: n = 2\na = A()\ndef f(x): return getattr(a, 'm', a.n)",
    "a.n = 3",
    "a.__class__ = B; del a.n",
    "B.n = 4",
    "a.m = 5",
)
change(
    "method of an instance",
    "class A:\n def m(self): return 1\na = A()\ndef f(x): return a.m()",
    "a.m = lambda: 2",
    "a.m.__code__ = (lambda: 3).__code__",
    "del a.m",
)
change(
    "dataclass",
    """
    from dataclasses import dataclass, field
    @dataclass
    class A:
        n: int = 1
        l: list = field(default_factory=list)
    a = A()
    def f(x): return repr(a)
    """,
    "a.n = 2",
    "a.l.append([3])",
    "a.l[0].append(4)",
)
change(
    "enum",
    "import enum\nclass E(enum.Enum):\n X = 1\nE.X.n = 1\ndef f(x): return E.X.n, str(E.X)",
    "E.X.n = 2",
    "E.X._value_ = 'value'; E.__str__ = lambda self: str(self._value_)",
    "E.X._value_ = 'other value'",
    "E.__str__ = lambda self: 'another'",
)
change(
    "variable that the function changes, beside one that it does not",
    "class A: total, n = 0, 1\ndef f(x):\n A.total += 1\n return A.n",
    "A.n = 2",
)

change(
    "state of an own property in slots",
    """
    class P(property):
        __slots__ = ("n", "__doc__")
        def __get__(self, instance, owner): return repr(getattr(self, "n", 0))
    class A: p = P(lambda self: 1)
    def f(x): return A().p
    """,
    "vars(A)['p'].n = [1]",
    "vars(A)['p'].n.append(2)",
    "vars(A)['p'].n = 3",
)
change(
    "state of an own property that was not there",
    """
    class P(property):
        def __get__(self, instance, owner): return getattr(self, "func", 0)
    class A: p = P(lambda self: 1)
    def f(x): return A().p
    """,
    "vars(A)['p'].func = 1",
    "vars(A)['p'].func = 2",
)
change(
    "module with a class of its own",
    """
    import sys, types
    import config
    class Config(types.ModuleType):
        @property
        def rate(self): return repr([self._rate, self.N])
    config._rate = [1]
    config.__class__ = Config
    def f(x): return config.rate
    """,
    "config._rate.append(2)",
    "config._rate = 3",
    "config.N = 4",
    "Config.rate = property(lambda self: 5)",
)
change(
    "arguments of a generic base",
    """
    from typing import Generic, TypeVar, get_args
    T = TypeVar("T")
    class P(Generic[T]): pass
    class A(P[int]): pass
    def f(x): return get_args(A.__orig_bases__[0])
    """,
    "A.__orig_bases__ = (P[str],)",
)
change(
    "subclasses of a class",
    """
    class A: pass
    def f(x): return [getattr(c, 'n', 0) for c in A.__subclasses__()]
    """,
    "class B(A): n = 1",
    "B.n = 2",
    "class C(A): n = 3",
)
change(
    "subclasses of subclasses",
    """
    class A: pass
    def walk(c): return [c.__name__, *map(walk, c.__subclasses__())]
    def f(x): return walk(A)
    """,
    "class B(A): pass",
    "class C(B): pass",
)
change(
    "docstring",
    """
    import inspect
    class A:
        "one"
        def m(self): "two"
    def g(): "three"
    L = [A(), A.m, g]
    def f(x): return [inspect.getdoc(part) for part in L]
    """,
    "A.__doc__ = 'four'",
    "A.m.__doc__ = 'five'",
    "g.__doc__ = None",
)
change(
    "docstring by its name",
    "def g(): 'one'\nclass A: 'two'\ndef f(x): return [g.__doc__, A.__doc__]",
    "g.__doc__ = 'three'",
    "A.__doc__ = 'four'",
)
change(
    "annotations",
    """
    class A: x: int
    def g(x: int): pass
    L = [A, g]
    def f(x): return [part.__annotations__ for part in L]
    """,
    "A.__annotations__ = {'x': str}",
    "g.__annotations__ = {'x': str}",
    "g.__annotations__['x'] = list[int]",
)
change(
    "classes registered in an abstract base class",
    """
    import abc
    class Shape(abc.ABC): pass
    class Round(Shape): pass
    class A: pass
    class B: pass
    def f(x): return isinstance(A(), Shape), isinstance(B(), Shape)
    """,
    "Shape.register(A)",
    "Round.register(B)",
)
change(
    "docstrings and annotations of a class that has none, by a name that is made at run time",
    """
    class Base: pass
    class Other:
        "other"
        y: int
    class A(Base): pass
    def show(cls):
        held = cls.__dict__.get("__annotations__", cls.__dict__.get("__annotations_cache__", ()))
        return cls.__doc__, list(held), cls.__mro__[1].__doc__
    def f(x, name="__doc__"): return getattr(A, name), show(A)
    """,
    "A.__doc__ = 'one'",
    "A.__annotations__ = {'x': int}",
    "A.__annotations__['z'] = str",
    "Base.__doc__ = 'two'",
    "A.__bases__ = (Other,)",
    "del A.__annotations__",
)

# Values that change in place

change("list in a tuple", "T = (1, ([2],))\ndef f(x): return repr(T)", "T[1][0].append(3)")
change("set", "S = {1}\ndef f(x): return sorted(S)", "S.add(2)", "S.remove(1)")
change("bytearray", "B = bytearray(b'a')\ndef f(x): return bytes(B)", "B[0] = 98")
change(
    "array",
    "import numpy as np\nA = np.zeros(4)\ndef f(x): return A.tolist()",
    "A[1] = 2",
    "A.resize((2, 2), refcheck=False)",
)
change(
    "frame",
    "import pandas as pd\nD = pd.DataFrame({'a': [1, 2]})\ndef f(x): return D.to_dict()",
    "D.loc[0, 'a'] = 3",
    "D['b'] = 1",
    "D.columns = ['c', 'd']",
)
change(
    "default factory",
    "import collections\nD = collections.defaultdict(lambda: 1)\ndef f(x): return D.copy()[0]",
    "D.default_factory.__code__ = (lambda: 2).__code__",
    "D[0] = 3",
)

# Plain namespaces, of which only what is read counts

change(
    "attribute of a namespace",
    """
    import argparse, types
    from dataclasses import dataclass
    args, box = argparse.Namespace(a=1, b=[1]), types.SimpleNamespace(inner=types.SimpleNamespace(n=1))
    @dataclass
    class Options: rate: float = 1
    options = Options()
    def f(x): return args.a, args.b[0], box.inner.n, options.rate
    """,
    "args.a = 2",
    "args.b[0] = 2",
    "args.__dict__ = {'a': 3, 'b': [3]}",
    "box.inner.n = 2",
    "box.inner = types.SimpleNamespace(n=3)",
    "options.rate = 2",
    "Options.rate = property(lambda self: 4)",
    "del args.a",
)
change(
    "class that holds values",
    """
    class Config:
        LR = 1
        class Model: depth = [1]
    def f(x): return Config.LR, Config.Model.depth[0]
    """,
    "Config.LR = 2",
    "Config.Model.depth[0] = 2",
    "Config.Model.depth = [3]",
    "Config = type('Config', (), {'LR': 4, 'Model': Config.Model})",
    "type.__setattr__(Config, 'Model', type('Model', (), {'depth': [5]}))",
)
change(
    "dict that is read by its keys",
    """
    TABLE = {"a": 1, "b": {"c": [1]}}
    def f(x): return TABLE["a"], TABLE["b"]["c"][0], TABLE.get("d", 0), TABLE.get("e")
    """,
    "TABLE['a'] = 2",
    "TABLE['b']['c'][0] = 2",
    "TABLE['b'] = {'c': [3]}",
    "TABLE['d'] = 4",
    "TABLE['e'] = 5",
    "TABLE = {'a': 6, 'b': {'c': [6]}}",
    "import collections; TABLE = collections.defaultdict(int, {'a': 7, 'b': {'c': [7]}})",
    "TABLE['a'] = 8",
)

# Computed values

change(
    "variable of a context",
    """
    from contextvars import ContextVar
    V, W = ContextVar("v", default=1), ContextVar("w")
    def f(x): return V.get(), W.get(0)
    """,
    "V.set(2)",
    "W.set([3])",
    "W.get().append(4)",
    "V = ContextVar('v', default=5)",
)
change(
    "variable of a thread",
    """
    import threading
    class Mine(threading.local):
        n = 1
        def get(self): return self.n
    local, mine = threading.local(), Mine()
    def f(x): return getattr(local, "n", 0), mine.get()
    """,
    "local.n = 1",
    "mine.n = 2",
    "Mine.get = lambda self: 3",
    "local = threading.local()",
)
change(
    "module that is there later",
    """
    def f(x):
        try: import guards_later as later
        except ImportError: return 0
        return later.N
    """,
    """
    import os, pathlib, time
    pathlib.Path(__file__).with_name("guards_later.py").write_text("N = 1")
    import importlib; importlib.invalidate_caches()
    """,
    "import guards_later; guards_later.N = 2",
)
change(
    "module of a package that is there later",
    """
    def f(x):
        try: from guards_package.inner import N
        except ImportError: return 0
        return N
    """,
    """
    import pathlib
    folder = pathlib.Path(__file__).with_name("guards_package")
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "inner.py").write_text("N = 1")
    import importlib; importlib.invalidate_caches()
    """,
)
change(
    "builtin that is imported by its name",
    "from builtins import divmod\ndef f(x): return divmod(7, 2)",
    "divmod = lambda x, y: 1",
    "from builtins import divmod",
)
change(
    "attribute that byte code takes by its name",
    "import types\nh = types.SimpleNamespace(K=1)\nexec('def g(): return getattr(h, \"K\")')\n"
    "def f(x): return g()",
    "h.K = 2",
    "h.K = [3]",
)

# More of each kind

change(
    "attribute of a class that an uncalled method assigns",
    "class C:\n lr = 2\n @staticmethod\n def set(lr): C.lr = lr\ndef f(x): return C.lr",
    "C.lr = 3",
    "C.set(4)",
    "setattr(C, 'lr', 5)",
)
change(
    "global that an uncalled function assigns",
    "N = 1\ndef set(n):\n global N\n N = n\ndef f(x): return N",
    "N = 2",
    "set(3)",
)
change(
    "variable of a module that an uncalled function assigns",
    "import config\ndef set():\n import config\n config.N = 5\ndef f(x): return config.N",
    "config.N = 7",
    "set()",
)
change(
    "registry that a static method fills",
    "class R:\n items = {}\n @staticmethod\n def add(g): R.items[g.__name__] = g\n"
    "R.add(lambda: 1)\ndef f(x): return [g() for g in R.items.values()]",
    "R.add(lambda: 5)",
    "R.items.clear()",
)
change(
    "singleton",
    "class S:\n one = None\n rate = 1\n @classmethod\n def get(cls):\n"
    "  if cls.one is None: cls.one = cls()\n  return cls.one\ndef f(x): return S.get().rate",
    "S.get().rate = 2",
    "S.one = None",
    "S.rate = 3",
)
change(
    "context variable in a dict and in a class",
    "import contextvars\nclass A: v = contextvars.ContextVar('v', default=1)\n"
    "T = {'a': contextvars.ContextVar('w', default=1)}\n"
    "def f(x): return repr([A.v.get(), T['a'].get()])",
    "A.v.set(2)",
    "T['a'].set([2])",
    "T['a'].get().append(3)",
)
change(
    "value of an enum member",
    "import enum\nclass E(enum.Enum): A = 1\ndef f(x): return E.A.value",
    "E.A._value_ = 2",
)
change(
    "cached property that is set, and deleted",
    "import functools\nclass A:\n @functools.cached_property\n def p(self): return 1\n"
    "a = A()\ndef f(x): return getattr(a, 'p', 0)",
    "a.p = 2",
    "del A.p; a.p = 3",
    "del a.p",
)
change(
    "attribute of a singledispatch function",
    "import functools\n@functools.singledispatch\ndef g(x): return 1\n"
    "def f(x): return getattr(g, 'n', 0)",
    "g.n = 1",
    "g.n = 2",
)
change(
    "attribute of a class method",
    "class A:\n @classmethod\n def m(cls): pass\ndef f(x): return getattr(A.m, 'n', 0)",
    "A.m.__func__.n = 1",
    "vars(A)['m'].__func__.n = 2",
)
change(
    "attribute that a metaclass answers for",
    "class M(type):\n def __getattr__(cls, name): return 1\nclass A(metaclass=M): pass\n"
    "def f(x): return A.n",
    "M.__getattr__ = lambda cls, name: 2",
    "A.n = 3",
)
change(
    "table in a library",
    "import mimetypes\ndef f(x): return mimetypes.types_map.get('.funes')",
    "mimetypes.types_map['.funes'] = 'text'",
    "del mimetypes.types_map['.funes']",
)
change(
    "extra of a logging adapter",
    "import logging\nlog = logging.LoggerAdapter(logging.getLogger('x'), {'n': 1})\n"
    "def f(x): return log.extra['n']",
    "log.extra['n'] = 2",
    "log.extra = {'n': 3}",
    "log = logging.LoggerAdapter(logging.getLogger('x'), {'n': 4})",
)
change(
    "logging adapter of one's own",
    "import logging\nclass A(logging.LoggerAdapter):\n n = 1\n def m(self): return self.n\n"
    "log = A(logging.getLogger('x'), {})\ndef f(x): return log.m()",
    "log.n = 2",
    "A.n, log.n = 3, 4",
    "A.m = lambda self: 5",
)
change(
    "logger of one's own",
    "import logging\nclass A(logging.Logger):\n n = 1\n def m(self): return self.n\n"
    "log = A('x')\ndef f(x): return log.m()",
    "log.n = 2",
    "A.m = lambda self: 5",
)

change(
    "argument of a context manager as decorator",
    """
    import contextlib, decimal
    @contextlib.contextmanager
    def prec(n):
        with decimal.localcontext() as context:
            context.prec = n
            yield
    @prec(5)
    def g(): return str(decimal.Decimal(1) / 3)
    def f(x): return g()
    """,
    "g = prec(9)(g.__wrapped__)",
    "g = prec(n=7)(g.__wrapped__)",
)
change(
    "module that a package loads on demand",
    """
    import sys, types, config
    impl = types.ModuleType("impl")
    impl.N = 1
    parts = {"part": impl}
    config.__getattr__ = parts.__getitem__
    def f(x): return config.part.N
    """,
    "impl.N = 2",
    "parts['part'] = types.ModuleType('impl'); parts['part'].N = 3",
)
change(
    "annotation of a module",
    "import config\nconfig.__annotations__ = {'N': int}\ndef f(x): return config.__annotations__['N']",
    "config.__annotations__['N'] = str",
    "config.__annotations__ = {'N': list}",
)
change(
    "option of lru_cache",
    """
    import functools
    def h(x): return type(x)
    g = functools.lru_cache(typed=True)(h)
    def f(x): return g.cache_parameters()
    """,
    "g = functools.lru_cache(typed=False)(h)",
    "g = functools.lru_cache(maxsize=2)(h)",
)

# Environment variables

change(
    "environment variable",
    "import os\ndef f(x): return os.environ.get('GUARD')",
    "os.environ['GUARD'] = '1'",
    "os.environ.update(GUARD='')",
    "os.environ.pop('GUARD')",
)
change(
    "name of an environment variable",
    "import os\nN = 'GUARD'\ndef f(x): return os.getenv(N)",
    "os.environ['GUARD'] = '1'; os.environ['GUARDS'] = '2'",
    "N = 'GUARDS'",
    "del os.environ['GUARD'], os.environ['GUARDS']",
)
