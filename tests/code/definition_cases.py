"""A table of small projects in two versions whose definitions of ``main.f`` are equal or differ.

Each project is written once. ``<<one => other>>`` is ``one`` in the first version and ``other`` in the
second. The text is the content of ``main.py``; a line ``#: name.py`` starts another file.
"""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

__all__ = ["CASES", "Case"]


class Case(NamedTuple):
    """One row of the table."""

    name: str
    is_same: bool
    text: str
    since: tuple[int, int] = (3, 10)  # the first version of Python that can run it
    has_source: bool = (
        True  # otherwise the byte code is hashed, which differs between versions of Python
    )

    def files(self, version: int) -> dict[str, str]:
        """Returns the path and content of each file of the project.

        version: 0 or 1.
        """
        text = re.sub(
            r"<<(.*?) => (.*?)>>", lambda choice: choice[version + 1], self.text, flags=re.DOTALL
        )
        names = ["main.py", *re.findall(r"^#: (\S+)$", text, flags=re.MULTILINE)]
        texts = re.split(r"^#: \S+\n", text, flags=re.MULTILINE)
        return dict(zip(names, texts, strict=True))


CASES: list[Case] = []


def different(
    name: str, text: str, since: tuple[int, int] = (3, 10), *, has_source: bool = True
) -> None:
    CASES.append(Case(name, False, textwrap.dedent(text).lstrip(), since, has_source))


def same(name: str, text: str, since: tuple[int, int] = (3, 10)) -> None:
    CASES.append(Case(name, True, textwrap.dedent(text).lstrip(), since))


# The function's own code

different("constant", "def f(x): return x + <<1 => 2>>")
different("operator", "def f(x): return x <<+ => ->> 1")
different("comparison", "def f(x): return x <<< => <=>> 1")
different("order of operands", "def f(x): return <<x - 1 => 1 - x>>")
different("type of a constant: int or float", "def f(x): return x * <<1 => 1.0>>")
different("type of a constant: int or bool", "def f(x): return [x, <<1 => True>>]")
different("type of a constant: str or bytes", "def f(x): return <<'a' => b'a'>>")
different("sign of zero", "def f(x): return <<0.0 => -0.0>>")
different("sign of an imaginary zero", "def f(x): return <<0j => -0j>>")
different("constant in a tuple", "def f(x): return x in (1, <<2 => 2.0>>)")
different("constant in a set", "def f(x): return x in {1, <<2 => 3>>}")
different("large int", f"def f(x): return x + 10**20 + <<{2**70} => {2**70 + 1}>>")
different("constant with a surrogate", r"def f(x): return '<<\ud800 => \ud801>>'")
different("None or Ellipsis", "def f(x): return <<None => ...>>")
different("text like a marker of the tree", "def f(x): return [<<')' => ']'>>]")
different("text or name", "def f(x): return <<'x' => x>>")
different("name of a local, as it is seen by locals()", "def f(x): <<a => b>> = x; return locals()")
different("name of a parameter, which callers may spell", "def f(<<x => y>>): return 1")
different("kind of a parameter", "def f(x, <<y=1 => *, y=1>>): return x")
different("positional-only parameter", "def f(x<< => , />>): return x")
different("star parameter", "def f(x, <<* => **>>y): return x")
different("keyword of a call", "def f(x): return dict(<<a => b>>=x)")
different("star in a call", "def f(x): return print(<<* => >>x)")
different("f-string text", "def f(x): return f'<<a => b>>{x}'")
different("f-string conversion", "def f(x): return f'{x!<<r => s>>}'")
different("f-string format", "def f(x): return f'{x:<<5 => 6>>}'")
different("f-string nested format", "def f(x, w): return f'{x:{w}.<<2 => 3>>}'")
different("f-string debug text", "def f(x): return f'{<<x= => x = >>}'")
different("subscript", "def f(x): return x[<<0 => 1>>]")
different("slice", "def f(x): return x[<<1: => :1>>]")
different("comprehension kind", "def f(x): return <<[i for i in x] => {i for i in x}>>")
different("comprehension condition", "def f(x): return [i for i in x if i > <<1 => 2>>]")
different("generator element", "def f(x): return sum(<<i => -i>> for i in x)")
different("dict comprehension key", "def f(x): return {<<i => i + 1>>: i for i in x}")
different("walrus target", "def f(x): return [<<y => z>> := x, locals()]")
different("lambda", "def f(x): return (lambda y: y + <<1 => 2>>)(x)")
different("default in a nested function", "def f(x): return (lambda y=<<1 => 2>>: y)()")
different(
    "nested function",
    """
    def f(x):
        def g(y):
            return y * <<2 => 3>>
        return g(x)
    """,
)
different(
    "decorator of a nested function",
    """
    import functools
    def f(x):
        <<@functools.lru_cache => >>
        def g(y):
            return y
        return g
    """,
)
different(
    "nested class",
    """
    def f(x):
        class A:
            y = <<1 => 2>>
        return A.y
    """,
)
different(
    "field of a nested dataclass",
    """
    from dataclasses import dataclass, fields
    def f(x):
        @dataclass
        class A:
            a: int
            <<b: int => c: int>>
        return len(fields(A))
    """,
)
different(
    "base of a nested class",
    """
    def f(x):
        class A(<<list => dict>>): pass
        return A()
    """,
)
different(
    "match pattern",
    """
    def f(x):
        match x:
            case [<<1 => 2>>, *rest]: return rest
            case {"a": y, **z}: return z
            case None: return y
    """,
)
different(
    "match singleton",
    """
    def f(x):
        match x:
            case <<None => True>>: return 1
    """,
)
different(
    "match capture or class",
    """
    def f(x):
        match x:
            case <<int() => float()>> as y: return y
    """,
)
different(
    "try, except", "def f(x):\n try: return x()\n except <<KeyError => ValueError>>: return 0"
)
different(
    "except or except star",
    "def f(x):\n try: x()\n except<< => *>> ValueError: pass",
    since=(3, 11),
)
different("finally", "def f(x):\n try: return x()\n finally: <<print(1) => print(2)>>")
different("else of a loop", "def f(x):\n for i in x: pass\n<< =>  else: return 1>>\n return 2")
different("with item", "def f(x):\n with open(x) as <<a => a.b>>: return 1")
different("async for", "async def f(x): return [i <<async for => for>> i in x]")
different("def or async def", "<<def => async def>> f(x): return x")
different("generator or list", "def f(x): <<yield => return>> x")
different("yield or yield from", "def f(x): yield <<x => from x>>")
different("return or not", "def f(x): <<return => >> x")
different("order of statements", "def f(x):\n <<print(1) => print(2)>>\n <<print(2) => print(1)>>")
different("assert", "def f(x):\n assert x > <<0 => 1>>\n return x")
different("assert message", "def f(x):\n assert x, <<'a' => 'b'>>\n return x")
different("raise", "def f(x): raise <<KeyError => ValueError>>(x)")
different("del", "def f(x):\n <<del x[0] => x[0]>>\n return x")
different("augmented assignment", "def f(x):\n x <<+= => -=>> 1\n return x")
different("unpacking", "def f(x):\n <<a, b => a, *b>> = x\n return b")
different("starred literal", "def f(x): return [<<x => *x>>]")
different("dict unpacking", "def f(x): return {<<**x => 'x': x>>}")
different("chained comparison", "def f(x): return <<1 < x < 3 => (1 < x) < 3>>")
different("local import", "def f(x):\n from math import <<sin => cos>> as g\n return g(x)")
different("relative level of a local import", "def f(x):\n from <<. => ..>> import g\n return g(x)")
different(
    "global or local",
    "y = 1\ndef f(x):\n def g():\n  <<y: int => y>>\n  return y\n return g()",
)
different("default", "def f(x, y=<<1 => 2>>): return x + y")
different("default's type", "def f(x, y=<<1 => True>>): return x + y")
different("default or none", "def f(x, y<<=None => >>): return x")
different("keyword default", "def f(x, *, y=<<1 => 2>>): return x + y")
different("mutable default", "def f(x, y=[1, <<2 => 3>>]): return x + y")
different("default from a name", "N = <<1 => 2>>\ndef f(x, y=N): return x + y")
different(
    "default is a function",
    "def g(x): return x + <<1 => 2>>\ndef f(x, y=g): return y(x)",
)
different("default is a lambda", "def f(x, y=lambda z: z + <<1 => 2>>): return y(x)")
different("lambda on a line of two", "g, f = lambda x: x + 1, lambda x: x + <<2 => 3>>")
different("lambda in a lambda on one line", "f = lambda x: lambda y: x + y + <<2 => 3>>")
same("the other lambda on a line of two", "f, g = lambda x: x + 1, lambda x: x + <<2 => 3>>")
same("the other lambda, with equal code", "f, g = lambda x: x + 2, lambda x: x + <<2 => 3>>")
different(
    "own decorator that wraps, not by functools.wraps",
    """
    def twice(g):
        def wrapper(x): return <<2 => 3>> * g(x)
        return wrapper
    @twice
    def f(x): return x
    """,
)
different(
    "own decorator around the function",
    """
    import functools
    def times(n):
        def decorate(g):
            @functools.wraps(g)
            def wrapper(x): return n * g(x)
            return wrapper
        return decorate
    @times(<<2 => 3>>)
    def f(x): return x
    """,
)

# Names

different("global number", "N = <<1 => 2>>\ndef f(x): return x + N")
different("global number's type", "N = <<1 => 1.0>>\ndef f(x): return x + N")
different("global below the function", "def f(x): return x + N\nN = <<1 => 2>>")
different("global in a comprehension", "N = <<1 => 2>>\ndef f(x): return [N for _ in x]")
different("global in a nested function", "N = <<1 => 2>>\ndef f(x): return (lambda: N)()")
different("global in a nested default", "N = <<1 => 2>>\ndef f(x): return (lambda n=N: n)()")
different(
    "global in a nested decorator",
    """
    def deco(g): return <<g => len>>
    def f(x):
        @deco
        def h(): pass
        return h
    """,
)
different(
    "global in a nested class body", "N = <<1 => 2>>\ndef f(x):\n class A: n = N\n return A.n"
)
different(
    "global that a class body rebinds", "n = <<1 => 2>>\ndef f(x):\n class A: n = n\n return A.n"
)
different("global in an f-string", "N = <<1 => 2>>\ndef f(x): return f'{x:{N}}'")
different(
    "global in a match pattern",
    """
    class C: A = <<1 => 2>>
    def f(x):
        match x:
            case C.A: return 1
    """,
)
different(
    "global declared so, under a local of the name",
    """
    n = <<1 => 2>>
    def f(x):
        n = 5
        def g():
            global n
            return n
        return g()
    """,
)
different("global list", "L = [1, <<2 => 3>>]\ndef f(x): return x in L")
different("global dict", "D = {'a': <<2 => 3>>}\ndef f(x): return D[x]")
different(
    "function in a global dict", "D = {'a': lambda x: x + <<2 => 3>>}\ndef f(x): return D['a'](x)"
)
different(
    "function in a global list", "def g(x): return <<2 => 3>>\nL = [g]\ndef f(x): return L[0](x)"
)
different(
    "function in a partial",
    """
    from functools import partial
    def g(x, y): return x + <<2 => 3>>
    h = partial(g, 1)
    def f(x): return h(x)
    """,
)
different(
    "argument of a partial",
    """
    from functools import partial
    def g(x, y): return x
    h = partial(g, <<1 => 2>>)
    def f(x): return h(x)
    """,
)
different(
    "keyword of a partial",
    """
    from functools import partial
    def g(x, y): return x
    h = partial(g, y=<<1 => 2>>)
    def f(x): return h(x)
    """,
)
different("global set", "S = {1, <<2 => 3>>}\ndef f(x): return x in S")
different(
    "global frozenset of functions", "S = frozenset([lambda: <<1 => 2>>])\ndef f(x): return S"
)
different("global bytes", "B = b'<<a => b>>'\ndef f(x): return B")
different("global range", "R = range(<<1 => 2>>)\ndef f(x): return R")
different("global slice", "S = slice(<<1 => 2>>)\ndef f(x): return x[S]")
different("global pattern", "import re\nP = re.compile('<<a => b>>')\ndef f(x): return P.match(x)")
different(
    "global decimal", "from decimal import Decimal\nD = Decimal('<<1 => 1.0>>')\ndef f(x): return D"
)
different(
    "global date", "from datetime import date\nD = date(2026, 1, <<1 => 2>>)\ndef f(x): return D"
)
different("global path", "from pathlib import Path\nP = Path('<<a => b>>')\ndef f(x): return P")
different(
    "global deque", "import collections\nD = collections.deque([<<1 => 2>>])\ndef f(x): return D"
)
different(
    "global counter",
    "import collections\nD = collections.Counter(a=<<1 => 2>>)\ndef f(x): return D",
)
different(
    "factory of a global defaultdict",
    "import collections\nD = collections.defaultdict(lambda: <<1 => 2>>)\ndef f(x): return D",
)
different(
    "global namespace",
    "import types\nN = types.SimpleNamespace(a=<<1 => 2>>)\ndef f(x): return N.a",
)
different("global generic type", "T = list[<<int => str>>]\ndef f(x): return T")
different("global union of types", "T = int | <<float => str>>\ndef f(x): return isinstance(x, T)")
different(
    "global function of a library's, made with arguments",
    "from operator import itemgetter\ng = itemgetter(<<1 => 2>>)\ndef f(x): return g(x)",
)
different(
    "function that a decorator put into a dict",
    """
    TABLE = {}
    def register(g):
        TABLE[g.__name__] = g
        return g
    @register
    def g(x): return <<1 => 2>>
    def f(x): return TABLE["g"](x)
    """,
)
different(
    "docstring of the module, which is read", '"""<<one => other>>"""\ndef f(x): return __doc__'
)
different(
    "docstring of a helper, which is read",
    "def g(): '<<one => other>>'\ndef f(x): return g.__doc__",
)
different(
    "docstring of a class, which is read", "class A: '<<one => other>>'\ndef f(x): return A.__doc__"
)
different(
    "global under an annotation in brackets, which makes no local of it",
    "y = <<1 => 2>>\ndef f(x):\n (y): int\n return y",
)
different("shadowed builtin", "<<def len(x): return 1 => >>\ndef f(x): return len(x)")
different("shadowed builtin's code", "def len(x): return <<1 => 2>>\ndef f(x): return len(x)")
different("missing name that is there later", "<<y = 1 => >>\ndef f(x): return y")
different("helper", "def g(x): return x + <<1 => 2>>\ndef f(x): return g(x)")
different("helper below", "def f(x): return g(x)\ndef g(x): return x + <<1 => 2>>")
different(
    "helper's helper",
    """
    def h(x): return x + <<1 => 2>>
    def g(x): return h(x)
    def f(x): return g(x)
    """,
)
different("helper's global", "N = <<1 => 2>>\ndef g(x): return x + N\ndef f(x): return g(x)")
different("helper's default", "def g(x, n=<<1 => 2>>): return x + n\ndef f(x): return g(x)")
different("helper passed on, not called", "def g(x): return <<1 => 2>>\ndef f(x): return map(g, x)")
different(
    "which of two helpers",
    """
    def g(x): return x
    def h(x): return -x
    def f(x): return <<g => h>>(x)
    """,
)
different("self-recursion", "def f(x): return <<0 => 1>> if x < 1 else f(x - 1)")
different(
    "mutual recursion",
    """
    def f(x): return 0 if x < 1 else g(x - 1)
    def g(x): return 1 if x < 1 else h(x - 1)
    def h(x): return <<2 => 3>> if x < 1 else f(x - 1)
    """,
)
different(
    "closure value",
    """
    def make(n):
        def f(x): return x + n
        return f
    f = make(<<1 => 2>>)
    """,
)
different(
    "closure value of a helper",
    """
    def make(n):
        def g(x): return x + n
        return g
    g = make(<<1 => 2>>)
    def f(x): return g(x)
    """,
)
different(
    "closure over a function",
    """
    def make(g):
        return lambda x: g(x)
    f = make(lambda x: x + <<1 => 2>>)
    """,
)
different(
    "helper behind functools.wraps",
    """
    import functools
    def deco(g):
        @functools.wraps(g)
        def wrapper(*args): return g(*args)
        return wrapper
    @deco
    def g(x): return x + <<1 => 2>>
    def f(x): return g(x)
    """,
)
different(
    "the wrapper around a helper",
    """
    import functools
    def deco(g):
        @functools.wraps(g)
        def wrapper(*args): return <<1 => 2>> * g(*args)
        return wrapper
    @deco
    def g(x): return x
    def f(x): return g(x)
    """,
)
different(
    "decorator of a helper, or none",
    """
    import functools
    def deco(g): return lambda x: -g(x)
    <<@deco => >>
    def g(x): return x
    def f(x): return g(x)
    """,
)
different(
    "argument of a helper's decorator",
    """
    import functools
    def scaled(by):
        def deco(g): return lambda x: by * g(x)
        return deco
    @scaled(<<2 => 3>>)
    def g(x): return x
    def f(x): return g(x)
    """,
)
different(
    "helper behind lru_cache",
    """
    import functools
    @functools.lru_cache(maxsize=None)
    def g(x): return x + <<1 => 2>>
    def f(x): return g(x)
    """,
)
different(
    "helper behind a context manager",
    """
    import contextlib
    @contextlib.contextmanager
    def g(x): yield x + <<1 => 2>>
    def f(x):
        with g(x) as y: return y
    """,
)
different(
    "registration of a singledispatch",
    """
    import functools
    @functools.singledispatch
    def g(x): return 0
    @g.register(int)
    def _(x): return <<1 => 2>>
    def f(x): return g(x)
    """,
)
different(
    "class of a registration",
    """
    import functools
    @functools.singledispatch
    def g(x): return 0
    @g.register(<<int => float>>)
    def _(x): return 1
    def f(x): return g(x)
    """,
)
different(
    "default of a singledispatch",
    """
    import functools
    @functools.singledispatch
    def g(x): return <<0 => 1>>
    def f(x): return g(x)
    """,
)
different(
    "attribute of a helper",
    """
    def g(x): return x
    g.scale = <<1 => 2>>
    def f(x): return g(x) * g.scale
    """,
)
different(
    "helper by a literal getattr",
    """
    import helpers
    def f(x): return getattr(helpers, "g")(x)
    #: helpers.py
    def g(x): return x + <<1 => 2>>
    """,
)
different(
    "default of a literal getattr",
    """
    import helpers
    def g(x): return <<1 => 2>>
    def f(x): return getattr(helpers, "h", g)(x)
    #: helpers.py
    """,
)

different(
    "attribute by a literal hasattr",
    """
    import helpers
    def f(x): return hasattr(helpers, "g")
    #: helpers.py
    <<def g(): pass => >>
    """,
)

# Other modules of the user's

different(
    "imported helper",
    """
    from helpers import g
    def f(x): return g(x)
    #: helpers.py
    def g(x): return x + <<1 => 2>>
    """,
)
different(
    "imported helper under another name",
    """
    from helpers import g as h
    def f(x): return h(x)
    #: helpers.py
    def g(x): return x + <<1 => 2>>
    """,
)
different(
    "helper of a module",
    """
    import helpers
    def f(x): return helpers.g(x)
    #: helpers.py
    def g(x): return x + <<1 => 2>>
    """,
)
different(
    "helper's helper in another module",
    """
    import helpers
    def f(x): return helpers.g(x)
    #: helpers.py
    import deeper
    def g(x): return deeper.h(x)
    #: deeper.py
    N = <<1 => 2>>
    def h(x): return x + N
    """,
)
different(
    "number in a module",
    """
    import config
    def f(x): return x * config.LR
    #: config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "number in a module with another name",
    """
    import config as c
    def f(x): return x * c.LR
    #: config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "star import",
    """
    from config import *
    def f(x): return x * LR
    #: config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "chain through a package",
    """
    import pkg.sub.mod
    def f(x): return pkg.sub.mod.g(x)
    #: pkg/__init__.py
    #: pkg/sub/__init__.py
    #: pkg/sub/mod.py
    def g(x): return x + <<1 => 2>>
    """,
)
different(
    "module of a package with another name",
    """
    import pkg.mod as m
    def f(x): return m.g(x)
    #: pkg/__init__.py
    #: pkg/mod.py
    def g(x): return x + <<1 => 2>>
    """,
)
different(
    "package without __init__",
    """
    from pkg import mod
    def f(x): return mod.g(x)
    #: pkg/mod.py
    def g(x): return x + <<1 => 2>>
    """,
)
different(
    "relative import inside a package",
    """
    from pkg.a import f
    #: pkg/__init__.py
    #: pkg/a.py
    from . import b
    from .c import N
    def f(x): return b.g(x) + N
    #: pkg/b.py
    def g(x): return x + 1
    #: pkg/c.py
    N = <<1 => 2>>
    """,
)
different(
    "module that is named as one of the library's",
    """
    import statistics
    def f(x): return statistics.mean(x)
    #: statistics.py
    def mean(x): return <<1 => 2>>
    """,
)
different(
    "local import of a function",
    """
    def f(x):
        from helpers import g
        return g(x)
    #: helpers.py
    def g(x): return x + <<1 => 2>>
    """,
)
different(
    "local import of a module",
    """
    def f(x):
        import config
        return x * config.LR
    #: config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "local import of a module with another name",
    """
    def f(x):
        import pkg.config as c
        return x * c.LR
    #: pkg/__init__.py
    #: pkg/config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "local import of a package's module by its full name",
    """
    def f(x):
        import pkg.config
        return x * pkg.config.LR
    #: pkg/__init__.py
    #: pkg/config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "local import of a module from a package",
    """
    def f(x):
        from pkg import config
        return x * config.LR
    #: pkg/__init__.py
    #: pkg/config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "relative local import",
    """
    from pkg.a import f
    #: pkg/__init__.py
    #: pkg/a.py
    def f(x):
        from .b import g
        return g(x)
    #: pkg/b.py
    def g(x): return x + <<1 => 2>>
    """,
)
different(
    "local import, used in a nested function",
    """
    def f(x):
        import config
        return (lambda: config.LR)()
    #: config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "local import in a try",
    """
    def f(x):
        try:
            import missing_at_all as m
        except ImportError:
            import config as m
        return m.LR
    #: config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "closure over a module",
    """
    def make():
        import config
        return lambda x: config.LR * x
    f = make()
    #: config.py
    LR = <<0.1 => 0.2>>
    """,
)
different(
    "module with a __getattr__",
    """
    import config
    def f(x): return config.LR
    #: config.py
    def __getattr__(name): return <<0.1 => 0.2>>
    """,
)
different(
    "which library's module a name is",
    """
    import <<math => cmath>> as m
    def f(x): return m.sqrt(x)
    """,
)
different(
    "which library's function a name is",
    """
    from math import <<sin => cos>> as g
    def f(x): return g(x)
    """,
)

# Classes

different("method", "class A:\n def m(self): return <<1 => 2>>\ndef f(x): return A().m()")
different("__init__", "class A:\n def __init__(self): self.a = <<1 => 2>>\ndef f(x): return A().a")
different("class attribute", "class A: n = <<1 => 2>>\ndef f(x): return A.n")
different(
    "class attribute, read by a method only",
    """
    class A:
        n = <<1 => 2>>
        def m(self): return self.n
    def f(x): return A().m()
    """,
)
different(
    "property",
    """
    class A:
        @property
        def p(self): return <<1 => 2>>
    def f(x): return A().p
    """,
)
different(
    "setter of a property",
    """
    class A:
        @property
        def p(self): return 1
        @p.setter
        def p(self, value): self.q = <<1 => 2>>
    def f(x): return A().p
    """,
)
different(
    "static method",
    """
    class A:
        @staticmethod
        def m(): return <<1 => 2>>
    def f(x): return A.m()
    """,
)
different(
    "class method",
    """
    class A:
        @classmethod
        def m(cls): return <<1 => 2>>
    def f(x): return A.m()
    """,
)
different(
    "static or class method",
    """
    class A:
        @<<static => class>>method
        def m(*args): return args
    def f(x): return A.m()
    """,
)
different(
    "cached property",
    """
    import functools
    class A:
        @functools.cached_property
        def p(self): return <<1 => 2>>
    def f(x): return A().p
    """,
)
different(
    "single-dispatch method",
    """
    import functools
    class A:
        @functools.singledispatchmethod
        def m(self, x): return 0
        @m.register(int)
        def _(self, x): return <<1 => 2>>
    def f(x): return A().m(x)
    """,
)
different(
    "partial method",
    """
    import functools
    class A:
        def m(self, n): return n
        p = functools.partialmethod(m, <<1 => 2>>)
    def f(x): return A().p()
    """,
)
different(
    "own descriptor",
    """
    class D:
        def __get__(self, instance, owner): return <<1 => 2>>
    class A: d = D()
    def f(x): return A().d
    """,
)
same(
    "attribute that restates that of the base",
    """
    class Base:
        rate, name = 0.1, None
    class Model(Base):
        <<pass => rate, name = 0.1, None>>
    def f(x): return Model.rate, Model.name
    """,
)
different(
    "attribute that restates that of the base in another type",
    """
    class Base: rate = 1
    class Model(Base): rate = <<1 => True>>
    def f(x): return Model.rate
    """,
)
different(
    "attribute that the base has, and that restated another one",
    """
    class Base: rate = <<0.1 => 0.2>>
    class Model(Base): rate = 0.1
    def f(x): return Base.rate
    """,
)
different(
    "method of a base class",
    """
    class B:
        def m(self): return <<1 => 2>>
    class A(B): pass
    def f(x): return A().m()
    """,
)
different(
    "base class",
    """
    class B: pass
    class C: pass
    class A(<<B => C>>): pass
    def f(x): return A()
    """,
)
different(
    "order of base classes",
    """
    class B: pass
    class C: pass
    class A(<<B, C => C, B>>): pass
    def f(x): return A()
    """,
)
different("base class in a library", "class A(<<list => dict>>): pass\ndef f(x): return A()")
different(
    "method reached by super",
    """
    class B:
        def m(self): return <<1 => 2>>
    class A(B):
        def m(self): return super().m()
    g = A.m
    def f(x): return g(x)
    """,
)
different(
    "metaclass",
    """
    class M(type):
        def __call__(cls): return <<1 => 2>>
    class A(metaclass=M): pass
    def f(x): return A()
    """,
)
different(
    "__init_subclass__",
    """
    class B:
        def __init_subclass__(cls): cls.n = <<1 => 1 + 1>>
    class A(B): pass
    def f(x): return A.n
    """,
)
different(
    "order of slots",
    """
    class A:
        __slots__ = (<<"a", "b" => "b", "a">>)
        def names(self): return list(self.__slots__)
    def f(x): return A().names()
    """,
)
different(
    "order of slots with texts",
    """
    class A:
        __slots__ = {<<"a": "1", "b": "2" => "b": "2", "a": "1">>}
    def f(x): return list(A.__slots__)
    """,
)
same(
    "order of slots in a set",
    """
    class A:
        __slots__ = {<<"a", "b" => "b", "a">>}
    def f(x): return A()
    """,
)
different(
    "alias of an enum member",
    """
    from enum import Enum
    class A(Enum):
        B = 1
        <<C = 2 => C = 2; D = 2>>
    def f(x): return list(A.__members__)
    """,
)
different("slots", "class A: __slots__ = ('a', '<<b => c>>')\ndef f(x): return A()")
different(
    "special method", "class A:\n def __add__(self, o): return <<1 => 2>>\ndef f(x): return A() + 1"
)
different(
    "class of a global instance",
    """
    class A:
        def m(self): return <<1 => 2>>
    a = A()
    def f(x): return a.m()
    """,
)
different(
    "state of a global instance",
    """
    class A:
        def __init__(self, n): self.n = n
    a = A(<<1 => 2>>)
    def f(x): return a.n
    """,
)
different(
    "bound method in a global",
    """
    class A:
        def __init__(self, n): self.n = n
        def m(self): return self.n
    g = A(<<1 => 2>>).m
    def f(x): return g()
    """,
)
different(
    "function reached by a class attribute",
    """
    def g(x): return <<1 => 2>>
    class A: h = staticmethod(g)
    def f(x): return A.h(x)
    """,
)
different(
    "private name, which depends on the class",
    """
    class <<A => B>>:
        def m(self): return self.__n
    f = <<A => B>>.m
    """,
)
different(
    "method attached later",
    """
    class A: pass
    def m(self): return <<1 => 2>>
    A.m = m
    def f(x): return A().m()
    """,
)
different(
    "dataclass default",
    """
    from dataclasses import dataclass
    @dataclass
    class A:
        a: int = <<1 => 2>>
    def f(x): return A()
    """,
)
different(
    "dataclass default factory",
    """
    from dataclasses import dataclass, field
    @dataclass
    class A:
        a: list = field(default_factory=lambda: [<<1 => 2>>])
    def f(x): return A()
    """,
)
different(
    "dataclass fields",
    """
    from dataclasses import dataclass
    @dataclass
    class A:
        a: int
        << => b: int>>
    def f(x): return A
    """,
)
different(
    "order of dataclass fields",
    """
    from dataclasses import dataclass
    @dataclass
    class A:
        <<a => b>>: int
        <<b => a>>: int
    def f(x): return A(1, 2)
    """,
)
different(
    "parameter of a dataclass",
    """
    from dataclasses import dataclass
    @dataclass(<<order=True => >>)
    class A:
        a: int
    def f(x): return A(1)
    """,
)
different(
    "option of a dataclass field",
    """
    from dataclasses import dataclass, field
    @dataclass
    class A:
        a: int = field(default=1, <<compare => repr>>=False)
    def f(x): return A(1)
    """,
)
different(
    "method of a dataclass that it would make itself",
    """
    from dataclasses import dataclass
    @dataclass
    class A:
        a: int
        def __eq__(self, other): return <<True => False>>
    def f(x): return A(1) == A(2)
    """,
)
different(
    "method of a dataclass made by exec",
    """
    text = '''
    from dataclasses import dataclass
    @dataclass
    class A:
        a: int
        def __eq__(self, other): return <<True => False>>
    '''
    import textwrap
    exec(textwrap.dedent(text))
    def f(x): return A(1) == A(2)
    """,
    has_source=False,
)
different(
    "class variable of a dataclass",
    """
    from dataclasses import dataclass
    from typing import ClassVar
    @dataclass
    class A:
        a: <<int => ClassVar[int]>> = 1
    def f(x): return A()
    """,
)
different(
    "make_dataclass",
    """
    from dataclasses import make_dataclass
    A = make_dataclass("A", [("<<a => b>>", int)])
    def f(x): return A(1)
    """,
)
different(
    "named tuple's field",
    """
    from typing import NamedTuple
    class A(NamedTuple):
        <<a => b>>: int
    def f(x): return A(1)
    """,
)
different(
    "named tuple's default",
    """
    from typing import NamedTuple
    class A(NamedTuple):
        a: int = <<1 => 2>>
    def f(x): return A()
    """,
)
different(
    "named tuple's method",
    """
    from typing import NamedTuple
    class A(NamedTuple):
        a: int
        def m(self): return <<1 => 2>>
    def f(x): return A(1).m()
    """,
)
different(
    "namedtuple",
    """
    from collections import namedtuple
    A = namedtuple("A", "a <<b => c>>")
    def f(x): return A(1, 2)
    """,
)
different(
    "defaults set on a namedtuple",
    """
    from collections import namedtuple
    A = namedtuple("A", "a b")
    A.__new__.__defaults__ = (<<1 => 2>>,)
    def f(x): return A(x)
    """,
)
different(
    "defaults set on a typed named tuple",
    """
    from typing import NamedTuple
    class A(NamedTuple):
        a: int
        b: int = 1
    A.__new__.__defaults__ = (<<1 => 2>>,)
    def f(x): return A(x)
    """,
)
different(
    "defaults taken from a named tuple",
    """
    from collections import namedtuple
    A = namedtuple("A", "a b", defaults=[1])
    A.__new__.__defaults__ = <<(1,) => None>>
    def f(x): return A(x)
    """,
)
different(
    "defaults set on a dataclass",
    """
    from dataclasses import dataclass, field
    from typing import ClassVar
    @dataclass
    class A:
        n: ClassVar[int] = 3
        a: int
        b: list = field(default_factory=list)
        c: int = 1
    A.__init__.__defaults__ = (A.__init__.__defaults__[0], <<1 => 2>>)
    def f(x): return A(x)
    """,
)
different(
    "keyword defaults set on a dataclass",
    """
    from dataclasses import dataclass
    @dataclass(kw_only=True)
    class A:
        a: int = 1
    A.__init__.__kwdefaults__ = {"a": <<1 => 2>>}
    def f(x): return A()
    """,
)
different(
    "enum member's value",
    """
    from enum import Enum
    class A(Enum):
        X = <<1 => 2>>
    def f(x): return A.X
    """,
)
different(
    "enum member's name",
    """
    from enum import Enum
    class A(Enum):
        <<X => Y>> = 1
    def f(x): return list(A)
    """,
)
different(
    "order of enum members",
    """
    from enum import Enum
    class A(Enum):
        X = <<1 => 2>>
        Y = <<2 => 1>>
    def f(x): return list(A)
    """,
)
different(
    "method of an enum",
    """
    from enum import Enum
    class A(Enum):
        X = 1
        def m(self): return <<1 => 2>>
    def f(x): return A.X.m()
    """,
)
different(
    "special methods of an enum",
    """
    from enum import Enum
    class A(Enum):
        X = 1
        def __str__(self): return "<<a => b>>"
    def f(x): return str(A.X)
    """,
)
different(
    "__new__ of an enum",
    """
    from enum import Enum
    class A(Enum):
        X = 1
        def __new__(cls, value):
            member = object.__new__(cls)
            member._value_ = value
            member.n = <<1 => 2>>
            return member
    def f(x): return A.X.n
    """,
)
different(
    "_missing_ of an enum",
    """
    from enum import Enum
    class A(Enum):
        X = 1
        @classmethod
        def _missing_(cls, value): return <<cls.X => None>>
    def f(x): return A(x)
    """,
)
different(
    "method of a data type that an enum takes over",
    """
    from enum import Enum
    class A(str, Enum):
        X = "x"
        __str__ = <<str.__str__ => str.__repr__>>
    def f(x): return str(A.X)
    """,
)
different(
    "member of a flag",
    """
    from enum import IntFlag, auto
    class A(IntFlag):
        X = auto()
        <<Y = auto() => pass>>
    def f(x): return A(x)
    """,
)
different(
    "frozen dataclass with slots",
    """
    from dataclasses import dataclass
    @dataclass(frozen=True, slots=True, order=True)
    class A:
        a: int = <<1 => 2>>
        def m(self): return self.a
    def f(x): return A()
    """,
)
different(
    "total ordering",
    """
    import functools
    @functools.total_ordering
    class A:
        def __eq__(self, other): return True
        def __lt__(self, other): return <<True => False>>
    def f(x): return A() < A()
    """,
)
different(
    "protocol",
    """
    from typing import Protocol, runtime_checkable
    @runtime_checkable
    class A(Protocol):
        def <<m => n>>(self) -> int: ...
    def f(x): return isinstance(x, A)
    """,
)
different(
    "abstract class",
    """
    import abc
    class A(abc.ABC):
        @abc.abstractmethod
        def m(self): ...
        def n(self): return <<1 => 2>>
    def f(x): return A.n(x)
    """,
)
different(
    "typed dict of a library's form",
    """
    from typing import TypedDict
    class A(TypedDict):
        a: int
    def f(x): return A(a=<<1 => 2>>)
    """,
)
different(
    "own subclass of property",
    """
    class lazy(property):
        pass
    class A:
        @lazy
        def p(self): return <<1 => 2>>
    def f(x): return A().p
    """,
)
different(
    "code of an own subclass of property",
    """
    class lazy(property):
        def __get__(self, instance, owner=None): return <<1 => 2>>
    class A:
        @lazy
        def p(self): return 1
    def f(x): return A().p
    """,
)
different("exception class", "class E(<<KeyError => ValueError>>): pass\ndef f(x): raise E")
different("class made by type()", "A = type('A', (), {'n': <<1 => 2>>})\ndef f(x): return A.n")
different(
    "generic class",
    """
    from typing import Generic, TypeVar
    T = TypeVar("T")
    class A(Generic[T]):
        def m(self): return <<1 => 2>>
    def f(x): return A().m()
    """,
)
different(
    "new generic syntax",
    """
    class A[T]:
        def m[S](self, x: S) -> T: return <<1 => 2>>
    def f[S](x: S): return A().m(x)
    """,
    since=(3, 12),
)
different(
    "cyclic classes",
    """
    class A:
        def m(self): return B()
    class B:
        def m(self): return A() or <<1 => 2>>
    def f(x): return A().m()
    """,
)

different(
    "state of a descriptor",
    """
    class D:
        def __init__(self, n): self.n = n
        def __get__(self, instance, owner): return self.n
    class A: d = D(<<1 => 2>>)
    def f(x): return A().d
    """,
)
different(
    "state of an own property",
    """
    class P(property):
        def __init__(self, get, n):
            super().__init__(get)
            self.n = n
        def __get__(self, instance, owner=None): return self.n
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "what a descriptor does with its name",
    """
    class D:
        def __set_name__(self, owner, name): self.name = name + "<<a => b>>"
        def __get__(self, instance, owner): return self.name
    class A: d = D()
    def f(x): return A().d
    """,
)
different(
    "method that a class decorator adds",
    """
    def deco(cls):
        cls.m = lambda self: <<1 => 2>>
        return cls
    @deco
    class A: pass
    def f(x): return A().m()
    """,
)
different(
    "kind of a dataclass field",
    """
    from dataclasses import dataclass, InitVar
    @dataclass
    class A: a: <<int => InitVar[int]>>
    def f(x): return A(x)
    """,
)
different(
    "attribute of an enum member, set by its class",
    """
    from enum import Enum
    class A(Enum):
        X = 1
        def __init__(self, value): self.n = <<1 => 2>>
    def f(x): return A.X.n
    """,
)
different(
    "attribute of an enum member, set from outside",
    """
    from enum import Enum
    class A(Enum):
        X = 1
    A.X.n = <<1 => 2>>
    def f(x): return A.X.n
    """,
)
same(
    "cached property of an enum member",
    """
    import functools
    from enum import Enum
    class A(Enum):
        X = 1
        @functools.cached_property
        def p(self): return 1
    <<pass => A.X.p>>
    def f(x): return A.X.p
    """,
)

different(
    "subclass in a table that __init_subclass__ fills",
    """
    class B:
        table = []
        def __init_subclass__(cls): B.table.append(cls)
    class A(B):
        def m(self): return <<1 => 2>>
    def f(x): return [cls().m() for cls in B.table]
    """,
)
different(
    "names by position of a dataclass, or none",
    """
    from dataclasses import dataclass
    @dataclass<< => (match_args=False)>>
    class A: a: int
    def f(x): return A(x)
    """,
)
different(
    "names by position of a dataclass, given by hand",
    """
    from dataclasses import dataclass
    @dataclass
    class A:
        a: int
        b: int
        __match_args__ = ("<<a => b>>",)
    def f(x): return A(x, x)
    """,
)
different(
    "boundary of a flag",
    """
    from enum import KEEP, STRICT, Flag
    class A(Flag, boundary=<<STRICT => KEEP>>): X = 1
    def f(x): return A(x)
    """,
    since=(3, 11),
)
different(
    "instance of an own class that decorates",
    """
    import functools
    class Scaled:
        def __init__(self, g):
            functools.update_wrapper(self, g)
            self.by = <<1 => 2>>
        def __call__(self, x): return self.by * self.__wrapped__(x)
    @Scaled
    def g(x): return x
    def f(x): return g(x)
    """,
)
different(
    "__post_init__ of a dataclass",
    """
    from dataclasses import dataclass
    @dataclass
    class A:
        a: int
        def __post_init__(self): self.a += <<1 => 2>>
    def f(x): return A(x)
    """,
)
different(
    "partial method",
    """
    import functools
    class A:
        def m(self, n): return n
        p = functools.partialmethod(m, <<1 => 2>>)
    def f(x): return A().p()
    """,
)

# Attributes that are set on functions

different(
    "attribute of a static method",
    """
    class Tools:
        @staticmethod
        def helper(x): return x
    Tools.helper.k = <<1 => 2>>
    def f(x): return Tools.helper.k
    """,
)
different(
    "attribute of functions in a list",
    """
    def step(x): return x
    step.order = <<1 => 2>>
    STEPS = [step]
    def f(x): return [s.order for s in STEPS]
    """,
)
different(
    "attribute of functions in a dict of an instance",
    """
    import types
    def step(x): return x
    step.tags = ["<<a => b>>"]
    NS = types.SimpleNamespace(steps={"step": step})
    def f(x): return [s.tags for s in NS.steps.values()]
    """,
)
different(
    "attribute of a function in an attribute of a function",
    """
    def helper(x): return x
    def inner(x): return x
    helper.inner = inner
    inner.k = <<1 => 2>>
    def f(x): return helper.inner.k
    """,
)
different(
    "attribute of a helper behind lru_cache",
    """
    import functools
    @functools.lru_cache
    def g(x): return x
    g.k = <<1 => 2>>
    def f(x): return g.k
    """,
)
different(
    "attribute of a partial",
    """
    import functools
    def h(x): return x
    g = functools.partial(h, 1)
    g.k = <<1 => 2>>
    def f(x): return g.k
    """,
)
different(
    "attribute of a helper behind contextmanager",
    """
    import contextlib
    @contextlib.contextmanager
    def g(x): yield x
    g.k = <<1 => 2>>
    def f(x): return g.k
    """,
)
different(
    "attribute of a method, read by its class",
    """
    class A:
        def m(self): return 1
        m.route = "<</a => /b>>"
        def routes(self): return [v.route for v in vars(type(self)).values() if hasattr(v, "route")]
    def f(x): return A().routes()
    """,
)
different(
    "function that a wrapper says that it wraps",
    """
    import functools
    def h(x): return x + <<1 => 2>>
    @functools.wraps(h)
    def g(x): return x
    def f(x): return g.__wrapped__(x)
    """,
)
different(
    "attribute by a name made at run time",
    """
    def g(x): return x
    g.scale = <<1 => 2>>
    def f(x): return getattr(g, "sc" + "ale")
    """,
)
different(
    "attribute of a function that is passed on",
    """
    def weigh(g): return g.weight
    def g(x): return x
    g.weight = <<1 => 2>>
    def f(x): return weigh(g)
    """,
)
same(
    "attributes that functools.wraps copies from where a function stands",
    """
    import functools
    class Call:
        def __call__(self, x): return x
    call = Call()
    def g(x<< => : int>>):
        "<<one => other>>"
        return x
    p = functools.update_wrapper(functools.partial(g, 1), g)
    def f(x): return p()
    """,
)
same(
    "mark for type checkers",
    """
    class A:
        def m(self): return 1
        <<pass => m.__override__ = m.__final__ = True>>
    def f(x): return A().m()
    """,
)

# Options and types of classes that libraries make

different(
    "abstract method or none",
    """
    import abc
    class A(abc.ABC):
        <<@abc.abstractmethod => >>
        def m(self): ...
    def f(x): return A()
    """,
)
different(
    "abstract property or none",
    """
    import abc
    class A(abc.ABC):
        @property
        <<@abc.abstractmethod => >>
        def m(self): return 1
    def f(x): return A()
    """,
)
different(
    "abstract static method or none",
    """
    import abc
    class A(abc.ABC):
        @staticmethod
        <<@abc.abstractmethod => >>
        def m(): return 1
    def f(x): return A()
    """,
)
different(
    "dataclass field's annotation",
    """
    from dataclasses import dataclass
    @dataclass
    class A:
        a: <<int => float>> = 1
    def f(x): return A()
    """,
)
different(
    "dataclass field's annotation, as a text",
    """
    from __future__ import annotations
    from dataclasses import dataclass
    @dataclass
    class A:
        a: <<int => dict[str, int] | None>> = 1
    def f(x): return A()
    """,
)
different(
    "class that an annotation of a dataclass field names",
    """
    from dataclasses import dataclass
    class B: n = <<1 => 2>>
    @dataclass
    class A:
        a: "list[B]"
    def f(x): return A(x)
    """,
)
same(
    "dataclass field's annotation as a text, or not",
    """
    from dataclasses import dataclass
    from typing import ClassVar, List, Optional, TypeVar
    T = TypeVar("T")
    class B: n = 1
    @dataclass
    class A:
        a: <<list[B] => "list[B]">>
        b: <<Optional[int] => "Optional[int]">>
        c: <<List[T] => "List[T]">>
        d: <<"A" => "A">>
        e: <<ClassVar[int] => "ClassVar[int]">> = 1
        g: "not.known[here]" = 1
    def f(x): return A(x)
    """,
)
different(
    "named tuple field's annotation",
    """
    from typing import NamedTuple
    class A(NamedTuple):
        a: <<int => str>>
    def f(x): return A(x)
    """,
)
different(
    "typed dict's annotation",
    """
    from typing import TypedDict
    class A(TypedDict):
        a: <<int => str>>
    def f(x): return A(a=x)
    """,
)
different(
    "whether a typed dict is total",
    """
    from typing import TypedDict
    class A(TypedDict<< => , total=False>>):
        a: int
    def f(x): return A(a=x)
    """,
)
different(
    "argument of a generic base",
    """
    from typing import Generic, TypeVar, get_args
    T = TypeVar("T")
    class Parser(Generic[T]):
        @classmethod
        def parse(cls, text): return get_args(cls.__orig_bases__[0])[0](text)
    class A(Parser[<<int => float>>]): pass
    def f(x): return A.parse(x)
    """,
)
different(
    "argument of a library's generic base",
    """
    from collections.abc import Mapping
    class A(Mapping[str, <<int => "float">>]): pass
    def f(x): return A
    """,
)
different(
    "class in an argument of a generic base",
    """
    from typing import Generic, TypeVar
    T, S = TypeVar("T"), TypeVar("S")
    class B: n = <<1 => 2>>
    class Parser(Generic[T, S]): pass
    class A(Parser[S, list[B]], Generic[S]): pass
    def f(x): return A()
    """,
)
different(
    "state of an own property, called func",
    """
    class P(property):
        def __init__(self, get, n):
            super().__init__(get)
            self.func = n
        def __get__(self, instance, owner=None): return self.func
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "state of an own property, called lock",
    """
    class P(property):
        def __init__(self, get, n):
            super().__init__(get)
            self.lock = n
        def __get__(self, instance, owner=None): return self.lock
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "state of an own property, called attrname",
    """
    class P(property):
        def __init__(self, get, n):
            super().__init__(get)
            self.attrname = n
        def __get__(self, instance, owner=None): return self.attrname
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "state of an own property, called n",
    """
    class P(property):
        def __init__(self, get, n):
            super().__init__(get)
            self.n = n
        def __get__(self, instance, owner=None): return self.n
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "state of an own property, called _n",
    """
    class P(property):
        def __init__(self, get, n):
            super().__init__(get)
            self._n = n
        def __get__(self, instance, owner=None): return self._n
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "state of an own property, called __name",
    """
    class P(property):
        def __init__(self, get, n):
            super().__init__(get)
            self.__name = n
        def __get__(self, instance, owner=None): return self.__name
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "state of an own property in slots",
    """
    class P(property):
        __slots__ = ("n", "__doc__")
        def __init__(self, get, n):
            super().__init__(get)
            self.n = n
        def __get__(self, instance, owner=None): return self.n
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "state of an own staticmethod in slots",
    """
    class P(staticmethod):
        __slots__ = ("n",)
        def __new__(cls, get, n): return super().__new__(cls, get)  # 3.15 takes no more
        def __init__(self, get, n):
            super().__init__(get)
            self.n = n
        def __get__(self, instance, owner=None): return self.n
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "state of an own classmethod in slots",
    """
    class P(classmethod):
        __slots__ = ("n",)
        def __new__(cls, get, n): return super().__new__(cls, get)  # 3.15 takes no more
        def __init__(self, get, n):
            super().__init__(get)
            self.n = n
        def __get__(self, instance, owner=None): return self.n
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "state of an own cached property",
    """
    import functools
    class P(functools.cached_property):
        def __init__(self, get, lock):
            super().__init__(get)
            self.lock = lock
        def __get__(self, instance, owner=None): return self.lock
    class A: p = P(lambda self: 1, <<1 => 2>>)
    def f(x): return A().p
    """,
)
different(
    "module with a class of its own",
    """
    import config
    def f(x): return config.LR
    #: config.py
    import sys, types
    class Config(types.ModuleType):
        @property
        def LR(self): return self._rate
    _rate = <<1 => 2>>
    sys.modules[__name__].__class__ = Config
    """,
)
different(
    "module with a class of its own, whose property hides what stands in it",
    """
    import config
    def f(x): return config.LR
    #: config.py
    import sys, types
    class Config(types.ModuleType):
        @property
        def LR(self): return <<1 => 2>>
    LR = 0
    sys.modules[__name__].__class__ = Config
    """,
)
different(
    "module with a class of its own, captured",
    """
    def make():
        import config
        return lambda x: config.get("_rate")
    f = make()
    #: config.py
    import sys, types
    class Config(types.ModuleType):
        def get(self, name): return getattr(self, name)
    _rate = [<<1 => 2>>]
    sys.modules[__name__].__class__ = Config
    """,
)
different(
    "subclasses of a class",
    """
    class Base: pass
    class A(Base): pass
    <<class B(Base): pass => >>
    def f(x): return [c.__name__ for c in Base.__subclasses__()]
    """,
)
different(
    "code of a subclass of a class",
    """
    class Base: pass
    class A(Base):
        def m(self): return <<1 => 2>>
    def f(x): return [c().m() for c in Base.__subclasses__()]
    """,
)
different(
    "subclasses of subclasses",
    """
    class Base: pass
    class A(Base): pass
    <<class B(A): pass => >>
    def walk(cls): return [cls, *(c for sub in cls.__subclasses__() for c in walk(sub))]
    def f(x): return walk(Base)
    """,
)

# Docstrings and annotations that are read

different(
    "docstring read by a getter that was set on a cached function",
    """
    from functools import lru_cache
    from operator import attrgetter
    @lru_cache
    def helper(): return 1
    helper.read = attrgetter("__doc__")
    def other(): "<<a => b>>"
    def f(x): return helper.read(other)
    """,
)
different(
    "read docstring of a method",
    """
    class A:
     def m(self): '<<a => b>>'
    def f(x): return A.m.__doc__
    """,
)
different(
    "read docstring of a class of an instance",
    """
    class A: '<<a => b>>'
    a = A()
    def f(x): return a.__doc__
    """,
)
different(
    "read docstring by type(x)",
    """
    class A: '<<a => b>>'
    a = A()
    def f(x): return type(a).__doc__
    """,
)
different(
    "read docstring of self",
    """
    class A:
     '<<a => b>>'
     def m(self): return self.__doc__
    def f(x): return A().m()
    """,
)
different(
    "read docstring of __class__",
    """
    class A:
     '<<a => b>>'
     def m(self): return __class__.__doc__
    def f(x): return A().m()
    """,
)
different(
    "read docstring by inspect",
    """
    import inspect
    def g(): '<<a => b>>'
    def f(x): return inspect.getdoc(g)
    """,
)
different(
    "read docstring by a function of inspect under another name",
    """
    from inspect import getdoc as text
    def g(): '<<a => b>>'
    def f(x): return text(g)
    """,
)
different(
    "read docstring of tools in a list",
    """
    def g(): '<<a => b>>'
    TOOLS = [g]
    def f(x): return [t.__doc__ for t in TOOLS]
    """,
)
different(
    "read docstring of tools in a dict, by getattr",
    """
    def g(): '<<a => b>>'
    TOOLS = {'g': g}
    def f(x): return getattr(TOOLS['g'], '__doc__')
    """,
)
different(
    "read docstring of a method of a tool",
    """
    class A:
     def m(self): '<<a => b>>'
    a = A()
    def f(x): return a.m.__doc__
    """,
)
different(
    "read docstring of a property",
    """
    class A:
     p = property(lambda self: 1, doc='<<a => b>>')
    def f(x): return vars(A)['p'].__doc__
    """,
)
different(
    "read docstring of a nested function",
    """
    def f(x):
     def g(): '<<a => b>>'
     return g.__doc__
    """,
)
different(
    "read docstring of a nested class",
    """
    def f(x):
     class A: '<<a => b>>'
     return A().__doc__
    """,
)
different(
    "read docstring of a partial's function",
    """
    import functools
    def g(): '<<a => b>>'
    p = functools.partial(g)
    def f(x): return p.func.__doc__
    """,
)
different(
    "read docstring of a helper behind lru_cache",
    """
    import functools
    @functools.lru_cache
    def g(): '<<a => b>>'
    def f(x): return g.__doc__
    """,
)
different(
    "read docstring of a base class",
    """
    class B: '<<a => b>>'
    class A(B): pass
    def f(x): return x.method(A)
    """,
)
different(
    "read docstring of a class that is passed on",
    """
    class A: '<<a => b>>'
    def f(x): return x.model(kind=A)
    """,
)
different(
    "read docstring by a helper that gets it",
    """
    class A: '<<a => b>>'
    def text(c): return c.__doc__
    def f(x): return text(A)
    """,
)
different(
    "read docstring in what vars tells of a class",
    """
    class A: "<<a => b>>"
    def f(x): return [text for text in vars(A).values() if isinstance(text, str)]
    """,
)
different(
    "read docstring in the dict of a class",
    """
    class A: "<<a => b>>"
    def f(x): return list(A.__dict__.values())
    """,
)
different(
    "attribute of a singledispatch function",
    """
    import functools
    @functools.singledispatch
    def g(x): return 0
    g.k = <<1 => 2>>
    def f(x): return g.k
    """,
)
different(
    "read docstring its own",
    """
    def f(x):
     '<<a => b>>'
     return f.__doc__
    """,
)
different(
    "read annotation of a class",
    """
    class A:
     x: <<int => str>>
    def f(d): return A.__annotations__
    """,
)
different(
    "read annotation of a class, by name",
    """
    class A:
     x: <<int => str>>
    def f(d): return getattr(A, '__annotations__')
    """,
)
different(
    "read annotation of a function",
    """
    def g(x: <<int => str>>): pass
    def f(d): return g.__annotations__
    """,
)
different(
    "read annotation of the result of a function",
    """
    def g(x) -> <<int => 'str'>>: pass
    def f(d): return g.__annotations__
    """,
)
different(
    "read annotation by type(x)",
    """
    class A:
     x: <<int => str>>
    a = A()
    def f(d): return type(a).__annotations__
    """,
)
different(
    "read annotation by get_type_hints",
    """
    import typing
    class A:
     x: <<int => 'str'>>
    a = A()
    def f(d): return typing.get_type_hints(type(a))
    """,
)
different(
    "read annotation by get_type_hints, of a function",
    """
    from typing import get_type_hints
    def g(x: <<int => str>>): pass
    L = [g]
    def f(d): return get_type_hints(L[0])
    """,
)
different(
    "read annotation by inspect.signature",
    """
    import inspect
    def g(x: <<int => str>>): pass
    def f(d): return inspect.signature(g).parameters
    """,
)
different(
    "read annotation of self",
    """
    class A:
     x: <<int => str>>
     def m(self): return self.__annotations__
    def f(d): return A().m()
    """,
)
different(
    "read annotation of a class that is passed on",
    """
    class A:
     x: <<int => str>>
    def f(d): return d.adapter(A)
    """,
)
different(
    "read annotation of a base of a class that is passed on",
    """
    class B:
     x: <<int => str>>
    class A(B): pass
    def f(d): return d.adapter(type=A)
    """,
)
different(
    "read annotation of a nested function",
    """
    def f(x):
     def g(y: <<int => str>>): pass
     return g.__annotations__
    """,
)
different(
    "read annotation by dataclasses.fields",
    """
    from dataclasses import dataclass, fields
    @dataclass
    class A:
     x: <<int => str>>
    def f(d): return [field.type for field in fields(A)]
    """,
)
same(
    "docstring of a class that is asked for something else",
    """
    class A:
     '<<a => b>>'
     n = 1
    def f(x): return isinstance(x, A), A.n, A() == x, type(x) is A
    """,
)
same(
    "docstring of a class that is raised and caught",
    "class A(Exception): '<<a => b>>'\ndef f(x):\n try: raise A(1)\n except (A, ValueError): pass",
)
same(
    "docstring of a class, if that of another one is read by its name",
    "class A: '<<a => b>>'\nclass B: 'c'\ndef f(x): return A(), B.__doc__",
)
same("annotation of a plain class", "class A:\n x: <<int => str>> = 1\ndef f(d): return A().x")
same(
    "annotation of an enum",
    "import enum\nclass A(enum.Enum):\n <<x: int => x: str>>\n X = 1\ndef f(d): return A.X",
)
same(
    "docstring of a function, if a library's is read",
    "import json\ndef g(x): '<<a => b>>'\ndef f(x): return json.dumps.__doc__, g(x)",
)

same(
    "types of fields of all kinds, as they are or as texts",
    """
    <<pass => from __future__ import annotations>>
    from dataclasses import dataclass
    from typing import (
        Annotated, Any, Callable, ClassVar, List, Literal, NewType, Optional, Tuple, TypeVar, Union,
    )
    Json = Union[int, List["Json"]]
    Number = NewType("Number", int)
    T = TypeVar("T")
    @dataclass
    class A:
        a: "Json"
        b: "A | None"
        c: Callable[[int, "A"], str]
        d: Callable[..., str]
        e: Literal["x", 1, None]
        g: Annotated[int, "meta", 5]
        h: Any
        i: "missing.Self"
        j: ClassVar[int] = 3
        k: Tuple[int, ...] = ()
        l: type[int] = int
        m: "list['A']" = ()
        n: T = 1
        o: Number = 1
        p: Optional["not here"] = 1
        q: -5 = 1
    def f(x): return A
    """,
)
same(
    "words that are names of what reads code elsewhere",
    """
    def g(x: <<int => str>>):
        "<<one => other>>"
        return x
    def f(signature):
        help = dict(getdoc=signature, help="signature")
        return g(help)
    """,
)
same(
    "docstring and annotation of a class that is handed to builtins",
    """
    class A:
        "<<one => other>>"
        n: <<int => str>> = 1
    def f(x): return isinstance(x, (A, int)), list(map(A, x)), sorted(x, key=A), callable(A)
    """,
)
same(
    "docstring of a class that is subclassed, matched or called with arguments",
    """
    class A:
        "<<one => other>>"
        def __init__(self, n=1): self.n = n
    def f(x):
        class B(A): pass
        match x:
            case A(n=1): return B(2).n
        return A(n=3)
    """,
)

# What must not count

same("comment", "def f(x):\n    <<# one => # other>>\n    return x")
same("docstring", 'def f(x):\n    """<<one => other>>"""\n    return x')
same("docstring or none", 'def f(x):\n    <<"doc" => pass>>\n    return x')
same("only a docstring, or pass", 'def f(x): <<"doc" => pass>>')
same(
    "docstring of a nested function",
    """
    def f(x):
        def g():
            "<<one => other>>"
            return x
        return g()
    """,
)
same("docstring of a class", 'class A:\n    """<<one => other>>"""\ndef f(x): return A()')
same("docstring of a method", 'class A:\n def m(self): "<<one => other>>"\ndef f(x): return A()')
same("formatting", "def f(x): return <<x+1 => ( x  +  1 )>>")
same("line breaks", "def f(x): return <<(x, 1) => (\n    x,\n    1,\n)>>")
same("quotes", "def f(x): return <<'a' => \"a\">>")
same("raw strings", r"def f(x): return <<'\\d' => r'\d'>>")
same("spelling of numbers", "def f(x): return <<1000 + 16 + .5 => 1_000 + 0x10 + 0.50>>")
same("joined strings", "def f(x): return <<'ab' => 'a' 'b'>>")
same("joined f-strings", "def f(x): return <<f'ab{x}cd' => 'a' f'b{x}' 'c' f'd'>>")
same("unicode prefix", "def f(x): return <<'a' => u'a'>>")
same("annotation of a parameter", "def f(x<< => : int>>): return x")
same("annotation of the result", "def f(x)<< =>  -> int>>: return x")
same("annotation of a local", "def f(x):\n y<< => : int>> = x\n return y")
same("annotation of a local without a value", "def f(x):\n <<pass => y: int>>\n y = x\n return y")
same(
    "annotation that names a class",
    """
    class A: n = <<1 => 2>>
    def f(x: A) -> A: return x
    """,
)
same(
    "future annotations", "<<pass => from __future__ import annotations>>\ndef f(x: int): return x"
)
same("type comment", "def f(x):\n y = x  <<# type: int => # type: str>>\n return y")
same("lines above", "<<\n\n => import os\n\nX = 1>>\ndef f(x): return x")
same("unrelated function", "def g(x): return <<1 => 2>>\ndef f(x): return x")
same("unrelated global", "N = <<1 => 2>>\ndef f(x): return x")
same(
    "unrelated part of a module that is used",
    """
    import config
    def f(x): return config.LR
    #: config.py
    LR = 1
    OTHER = <<1 => 2>>
    def unrelated(): return <<1 => 2>>
    """,
)
same(
    "order of definitions",
    """
    <<def g(x): return x => N = 2>>
    def f(x): return g(x) + N
    <<N = 2 => def g(x): return x>>
    """,
)
same(
    "order of methods",
    """
    class A:
        <<def a(self): pass => n = 1>>
        <<n = 1 => def a(self): pass>>
    def f(x): return A()
    """,
)
same(
    "order of a global dict and set",
    """
    D = {<<1: 2, 3: 4 => 3: 4, 1: 2>>}
    S = {<<'a', 'b' => 'b', 'a'>>}
    def f(x): return D, S
    """,
)
same("local of the name of a global", "y = <<1 => 2>>\ndef f(x):\n y = x\n return y")
same("parameter of the name of a global", "y = <<1 => 2>>\ndef f(y): return y")
same("loop variable of the name of a global", "y = <<1 => 2>>\ndef f(x):\n for y in x: print(y)")
same(
    "comprehension variable of the name of a global",
    "y = <<1 => 2>>\ndef f(x): return [y for y in x]",
)
same(
    "exception of the name of a global",
    """
    y = <<1 => 2>>
    def f(x):
        try: return x
        except ValueError as y: print(y)
    """,
)
same("import of the name of a global", "y = <<1 => 2>>\ndef f(x):\n import os as y\n return y.sep")
same(
    "captured pattern of the name of a global",
    """
    y = <<1 => 2>>
    def f(x):
        match x:
            case [y, *_]: return y
    """,
)
same(
    "walrus in a comprehension, of the name of a global",
    """
    y = <<1 => 2>>
    def f(x):
        [y := i for i in x]
        return y
    """,
)
same("attribute of the name of a global", "y = <<1 => 2>>\ndef f(x): return x.y")
same("keyword of the name of a global", "y = <<1 => 2>>\ndef f(x): return dict(y=x)")
same(
    "name in a class body is not seen by its methods",
    """
    class A:
        y = 1
        def m(self): return self.y
    def f(x): return A()
    z = <<1 => 2>>
    """,
)
same(
    "where a helper stands",
    """
    <<def g(x): return x => from helpers import g>>
    def f(x): return g(x)
    #: helpers.py
    def g(x): return x
    """,
)
same(
    "the decorator's text, if it gives the same function",
    """
    def identity(g): return g
    <<@identity => >>
    def f(x): return x
    """,
)
same(
    "logger",
    """
    import logging
    log = logging.getLogger("main")
    log.setLevel(<<10 => 20>>)
    def f(x):
        log.info(x)
        return x
    """,
)
different(
    "name of a logger",
    """
    import logging
    log = logging.getLogger("<<one => other>>")
    def f(x):
        log.info(x)
        return x
    """,
)
different(
    "name of a logger behind an adapter in a class",
    """
    import logging
    class A:
        log = logging.LoggerAdapter(logging.getLogger("<<one => other>>"), {})
    def f(x): return A.log
    """,
)
different(
    "extra of a logging adapter",
    """
    import logging
    log = logging.LoggerAdapter(logging.getLogger("x"), {"rate": <<1 => 2>>})
    def f(x): return log.extra["rate"]
    """,
)
different(
    "method of a logger of one's own",
    """
    import logging
    class A(logging.Logger):
        def m(self): return <<1 => 2>>
    log = A("x")
    def f(x): return log.m()
    """,
)
same(
    "level of a logger of one's own",
    """
    import logging
    class A(logging.Logger): pass
    log = A("x")
    log.setLevel(<<10 => 20>>)
    def f(x): return log.info(x)
    """,
)
same(
    "adapter of a logger that has the name of its module",
    """
    from <<a => b>> import f
    #: a.py
    import logging
    log = logging.LoggerAdapter(logging.getLogger(__name__), {})
    def f(x): return log.info(x)
    #: b.py
    import logging
    log = logging.LoggerAdapter(logging.getLogger(__name__), {})
    def f(x): return log.info(x)
    """,
)
same(
    "logger that has the name of its module",
    """
    import logging, helpers
    log = logging.getLogger(__name__ + ".part")
    class A:
        log = logging.getLogger(__name__)
        log.addHandler(<<logging.NullHandler() => logging.StreamHandler()>>)
    def f(x): return helpers.g(x), A, log
    #: helpers.py
    import logging
    log = logging.getLogger(<<__name__ => "helpers">>)
    def g(x): return log
    """,
)
different(
    "bare object of another module",
    """
    from <<one => other>> import MISSING
    def f(x, y=MISSING): return x is MISSING, y
    #: one.py
    MISSING = object()
    #: other.py
    MISSING = object()
    """,
)
different(
    "bare object under another name",
    """
    ONE, OTHER = object(), object()
    class A:
        nothing = <<ONE => OTHER>>
    def f(x): return x is A.nothing
    """,
)
same(
    "bare object that another module imports too",
    """
    from one import MISSING
    <<pass => import aaa>>
    def f(x): return x is MISSING
    #: one.py
    MISSING = object()
    #: aaa.py
    from one import MISSING
    """,
)
different(
    "member of an enumeration of bare objects",
    """
    import enum
    class A(enum.Enum):
        ONE = object()
        <<TWO => THREE>> = object()
    def f(x): return x is A.ONE
    """,
)
for place in ('MODELS["a"]', 'MODELS.get("a")', 'TABLES["all"]["a"]', 'getattr(space, "a")'):
    for part, is_different in (
        ("docstring", True),
        ("annotation", True),
        ("method", True),
        ("method of another class", False),
    ):
        (different if is_different else same)(
            f"{part} of a class, where {place} is passed on",
            f"""
            import types
            class A:
                "{"<<one => other>>" if part == "docstring" else "one"}"
                x: {"<<int => str>>" if part == "annotation" else "int"}
                def go(self): return {"<<1 => 2>>" if part == "method" else "1"}
            class B:
                def go(self): return {"<<1 => 2>>" if part == "method of another class" else "1"}
            MODELS = {{"a": A, "b": B}}
            TABLES = {{"all": MODELS}}
            space = types.SimpleNamespace(a=A, b=B)
            def run(model, x): return model
            def f(x): return run({place}, x)
            """,
        )
same(
    "docstring of a class in a dict that is called",
    """
    class A:
        "<<one => other>>"
    MODELS = {"a": A}
    def f(x): return MODELS["a"]()
    """,
)
same(
    "lock",
    """
    import threading
    lock = threading.Lock()
    <<pass => lock.acquire()>>
    def f(x):
     with lock: return x
    """,
)
same(
    "__file__ and __name__",
    """
    <<pass => __file__ = 'elsewhere'; __name__ = 'other'>>
    def f(x): return (__file__, __name__)
    """,
)
same(
    "library's random state",
    """
    import random
    from random import random as draw
    random.seed(<<1 => 2>>)
    def f(x): return draw()
    """,
)
same("unused local import", "def f(x):\n import config\n return x\n#: config.py\nLR = <<1 => 2>>\n")
same("type parameters", "def f<< => [T]>>(x): return x", since=(3, 12))
same(
    "calls of a helper behind lru_cache",
    """
    import functools
    @functools.lru_cache
    def g(x): return x
    <<pass => g(1)>>
    def f(x): return g(x)
    """,
)
same(
    "calls of a singledispatch",
    """
    import functools
    @functools.singledispatch
    def g(x): return x
    <<pass => g(1)>>
    def f(x): return g(x)
    """,
)
same(
    "pickled instance, whose class then has a cache of its slots",
    """
    import copy
    class A: pass
    a = A()
    a.n = 1
    <<pass => copy.copy(a)>>
    def f(x): return a
    """,
)
same(
    "docstring and annotations of a function behind an instance of an own class",
    """
    import functools
    class Plain:
        def __init__(self, g): functools.update_wrapper(self, g)
        def __call__(self, x): return self.__wrapped__(x)
    @Plain
    def g(x<< => : int>>):
        "<<one => other>>"
        return x
    def f(x): return g(x)
    """,
)
same("brackets of a tuple", "def f(x): return <<x, 1 => (x, 1)>>")
same("brackets of a with", "def f(x):\n with <<open(x) as a => (open(x) as a)>>: return a")
same(
    "elif or else if",
    "def f(x):\n if x: return 1\n <<elif x > 1: return 2 => else:\n  if x > 1: return 2>>",
)
same("semicolon or line", "def f(x):\n y = 1<<; => \n >>z = 2\n return y, z")
same("comma at the end", "def f(x<< => ,>>): return print(x<< => ,>>)")
same(
    "overloads of a helper",
    """
    from typing import overload
    <<pass => @overload
    def g(x: int) -> int: ...>>
    def g(x): return x
    def f(x): return g(x)
    """,
)
same(
    "what was used before, of all kinds",
    """
    import abc, copy, inspect, re, typing
    from dataclasses import dataclass
    from enum import Flag
    class A(abc.ABC): pass
    @dataclass
    class B:
        a: int = 1
    class C(Flag): X, Y = 1, 2
    T = typing.TypeVar("T")
    class D(typing.Generic[T]): pass
    @typing.runtime_checkable
    class E(typing.Protocol):
        def m(self): ...
    P = re.compile("a")
    def g(x: int) -> int: return [i for i in range(x)]
    def use():
        isinstance(1, A), repr(B()), B() == B(), B.__annotations__, C.X | C.Y, C(3), D[int]
        isinstance(1, E), P.match("a"), [g(5) for _ in range(200)], copy.copy(B())
        typing.get_type_hints(g), inspect.signature(B)
    <<pass => use()>>
    def f(x): return A, B, C, C.X, D, E, P, g
    """,
)


# Plain namespaces: only what is read counts

for name, makes, reads in (
    ("argparse", "import argparse\nA = argparse.Namespace({})", "A.{}"),
    ("namespace", "import types\nA = types.SimpleNamespace({})", "A.{}"),
    ("dict", "A = dict({})", "A['{}']"),
    ("dict with get", "A = dict({})", "A.get('{}')"),
    (
        "dataclass",
        "from dataclasses import dataclass\n@dataclass\nclass O:\n a: int\n b: int\nA = O({})",
        "A.{}",
    ),
    ("class", "class A: a, b = dict({}).values()", "A.{}"),
    ("nested", "import types\nA = dict(n=types.SimpleNamespace({}))", "A['n'].{}"),
):
    other, read = makes.format("a=1, b=<<1 => 2>>"), reads.format("a")
    same(f"what is not read of a {name}", f"{other}\ndef f(x): return {read}")
    different(f"what is read of a {name}", f"{other}\ndef f(x): return {reads.format('b')}")
    different(f"a {name} as a whole", f"{other}\ndef f(x): return {read}, repr(A)")
    same(
        f"what is not read of a {name} in a module",
        f"import m\ndef f(x): return m.{read}\n#: m.py\n{other}\n",
    )
different("missing key", "A = {'a': 1}\ndef f(x): return A.get('<<b => c>>')")
different("key that is there", "A = {'a': 1<<, 'b': None => >>}\ndef f(x): return A.get('b')")
different(
    "dataclass whose attribute is made by a property",
    """
    from dataclasses import dataclass
    @dataclass
    class O:
        n: int
        @property
        def half(self): return self.n / <<2 => 4>>
    A = O(1)
    def f(x): return A.half
    """,
)
different(
    "class that is no plain namespace",
    """
    class A:
        n = 1
        @classmethod
        def set(cls): cls.n = <<2 => 3>>
    def f(x):
        A.set()
        return A.n
    """,
)
different(
    "method called get of something else",
    """
    class A:
        def get(self, key): return key * <<2 => 3>>
    a = A()
    def f(x): return a.get("b")
    """,
)

# State that a call changes, by its value at the start

different("counter", "n = <<0 => 1>>\ndef f(x):\n global n\n n += 1\n return n")
different("table that is filled", "T = {<< => 1: 1>>}\ndef f(x):\n T[x] = 1\n return len(T)")
different(
    "variable of an outer function that is assigned",
    """
    def make():
        n = <<0 => 1>>
        def f(x):
            nonlocal n
            n += x
            return n
        return f
    f = make()
    """,
)
different(
    "class attribute that an uncalled method assigns",
    """
    class Config:
        lr = <<2 => 3>>
        @staticmethod
        def configure(lr): Config.lr = lr
    def f(x): return x * Config.lr
    """,
)
different(
    "function in a registry that a metaclass fills",
    """
    class Meta(type):
        registry = {}
        def __init__(cls, name, bases, body):
            Meta.registry[name] = cls
            super().__init__(name, bases, body)
    class A(metaclass=Meta):
        def m(self): return <<1 => 2>>
    def f(x): return [cls().m() for cls in Meta.registry.values()]
    """,
)

# Libraries

same(
    "builtin imported by its name",
    "<< => from builtins import repr, str, open>>\ndef f(x): return repr(str(x)), open",
)
different(
    "builtin imported by another's name",
    "<< => from builtins import len as repr>>\ndef f(x): return repr(x)",
)
different("value in a library", "import math\n<< => math.tau = 1.0>>\ndef f(x): return math.tau")
different(
    "function that was put into a library",
    "import json\n<< => json.dumps = lambda x: x>>\ndef f(x): return json.dumps(x)",
)
same("value of the machine", "import sys\n<< => sys.maxsize = 5>>\ndef f(x): return sys.maxsize")

# Paths in the project

same(
    "folder of the project",
    """
    import os
    from pathlib import Path
    HERE = Path(__file__).resolve().parent
    DATA, TEXT = HERE / "data" / "a.csv", os.path.dirname(os.path.abspath(__file__))
    class Paths: root = HERE
    def f(x): return HERE, DATA, TEXT, Paths.root
    """,
)
different(
    "file in the project",
    """
    from pathlib import Path
    HERE = Path(__file__).parent
    FILE = HERE / "<<a => b>>.csv"
    def f(x): return FILE
    """,
)
different(
    "path or text",
    "from pathlib import Path\nHERE = <<Path => str>>(Path(__file__).parent)\ndef f(x): return HERE",
)
different("path elsewhere", "P = '/data/<<a => b>>'\ndef f(x): return P")

# More of each kind

different(
    "function in a registry that a static method fills",
    """
    class Registry:
        items = {}
        @staticmethod
        def add(fn):
            Registry.items[fn.__name__] = fn
            return fn
    @Registry.add
    def g(x): return x + <<1 => 2>>
    def f(x): return Registry.items["g"](x)
    """,
)
different(
    "function in a registry that a class method fills",
    """
    class Registry:
        items = []
        @classmethod
        def add(cls, fn):
            cls.items.append(fn)
            return fn
    @Registry.add
    def g(x): return x + <<1 => 2>>
    def f(x): return [i(x) for i in Registry.items]
    """,
)
different(
    "state of a singleton that is set from outside",
    """
    class Settings:
        _instance = None
        @classmethod
        def get(cls):
            if cls._instance is None: cls._instance = cls()
            return cls._instance
        rate = 1
    Settings.get().rate = <<1 => 2>>
    def f(x): return x * Settings.get().rate
    """,
)
different(
    "variable of a module that an uncalled function assigns",
    """
    import cfg
    def setup():
        import cfg
        cfg.lr = 5
    def f(x): return x * cfg.lr
    #: cfg.py
    lr = <<1 => 2>>
    """,
)
different(
    "attribute of a class whose name an uncalled function gives to a module",
    """
    class cfg: lr = <<1 => 2>>
    def setup():
        import json as cfg
        cfg.lr = 5
    def f(x): return x * cfg.lr
    """,
)
different(
    "captured variable of the name of a global that is assigned",
    """
    def make(n):
        def g(x): return x * n
        return g
    n = 0
    def count():
        global n
        n += 1
    f = make(<<1 => 2>>)
    """,
)
different(
    "global that an uncalled function deletes",
    """
    N = <<1 => 2>>
    def drop():
        global N
        del N
    def f(x): return N
    """,
)
different(
    "class attribute that __set_name__ sets",
    """
    class Field:
        def __init__(self, k): self.k = k
        def __set_name__(self, owner, name): owner.fields = {**getattr(owner, 'fields', {}), name: self.k}
    class A: a = Field(<<1 => 2>>)
    def f(x): return A.fields
    """,
)
different(
    "__class_getitem__",
    """
    class A:
        def __class_getitem__(cls, k): return k * <<1 => 2>>
    def f(x): return A[x]
    """,
)
different(
    "keyword for __init_subclass__",
    """
    class B:
        def __init_subclass__(cls, unit): cls.unit = unit
    class A(B, unit=<<"a" => "b">>): pass
    def f(x): return A.unit
    """,
)
different(
    "keyword for a metaclass",
    """
    class M(type):
        def __new__(m, n, b, d, **k): c = super().__new__(m, n, b, d); c.k = k; return c
        def __init__(c, n, b, d, **k): super().__init__(n, b, d)
    class A(metaclass=M, size=<<1 => 2>>): pass
    def f(x): return A.k
    """,
)
different(
    "names by position of a plain class",
    """
    class P:
        __match_args__ = (<<"a", "b" => "b", "a">>)
        def __init__(self): self.a, self.b = 1, 2
    def f(x):
        match P():
            case P(a, b): return a
    """,
)
different(
    "base class by __mro_entries__",
    """
    class Base:
        n = <<1 => 2>>
    class E:
        def __mro_entries__(self, bases): return (Base,)
    class A(E()): pass
    def f(x): return A.n
    """,
)
different(
    "abstract property that is called",
    """
    import abc
    class A(abc.ABC):
        @property
        <<@abc.abstractmethod => >>
        def p(self): return 1
    def f(x):
        try: return A().p
        except TypeError: return 0
    """,
)
different(
    "__subclasshook__",
    """
    import abc
    class A(abc.ABC):
        @classmethod
        def __subclasshook__(cls, o): return <<True => False>>
    def f(x): return isinstance(1, A)
    """,
)
different(
    "member of a protocol that is asked for at run time",
    """
    from typing import Protocol, runtime_checkable
    @runtime_checkable
    class P(Protocol):
        def <<a => b>>(self): ...
    class C:
        def a(self): pass
    def f(x): return isinstance(C(), P)
    """,
)
different(
    "annotated member of a protocol that is asked for at run time",
    """
    from typing import Protocol, runtime_checkable
    @runtime_checkable
    class P(Protocol):
        <<a => b>>: int
    class C:
        a = 1
    def f(x): return isinstance(C(), P)
    """,
)
different(
    "annotated member of a base of a protocol that a case names",
    """
    from typing import Protocol, runtime_checkable
    class Base(Protocol):
        <<a => b>>: int
    @runtime_checkable
    class P(Base, Protocol):
        def m(self): ...
    def f(x):
        match x:
            case P(): return 1
    """,
)
different(
    "annotated member of a protocol that is derived from one for run time, in a tuple",
    """
    from typing import Protocol, runtime_checkable
    @runtime_checkable
    class Base(Protocol):
        def m(self): ...
    class P(Base, Protocol):
        <<a => b>>: "int"
    KINDS = (int, P)
    def f(x): return isinstance(x, KINDS)
    """,
)
different(
    "whether a protocol can be asked for at run time",
    """
    from typing import Protocol, runtime_checkable
    <<@runtime_checkable => >>
    class P(Protocol):
        a: int
    def f(x):
        try: return isinstance(x, P)
        except TypeError: return 1
    """,
)
same(
    "type of a member of a protocol that is asked for at run time",
    """
    from typing import Protocol, runtime_checkable
    @runtime_checkable
    class P(Protocol):
        a: <<int => str>>
    def f(x): return isinstance(x, P)
    """,
)
same(
    "member of a protocol that is a hint",
    """
    from typing import Protocol
    class P(Protocol):
        <<a => b>>: int
    class C(P): pass
    def f(x: P): return C()
    """,
)
different(
    "argument of a global literal type",
    """
    from typing import Literal, get_args
    Mode = Literal["a", <<"b" => "c">>]
    def f(x): return get_args(Mode)
    """,
)
different(
    "metadata of a dataclass field that are read",
    """
    from dataclasses import dataclass, field, fields
    @dataclass
    class A:
        a: int = field(default=1, metadata={"unit": <<"m" => "s">>})
    def f(x): return fields(A)[0].metadata["unit"]
    """,
)
different(
    "metadata of an annotation that are read",
    """
    from typing import Annotated, get_type_hints
    class A:
        a: Annotated[int, <<1 => 2>>]
    def f(x): return get_type_hints(A, include_extras=True)
    """,
)
different(
    "function that was put in place of a library's",
    """
    import string
    string.capwords = lambda s: <<1 => 2>>
    def f(x): return string.capwords(x)
    """,
)
different(
    "registration at a singledispatch without a decorator",
    """
    import functools, json
    @functools.singledispatch
    def show(x): return 1
    show.register(int)(lambda x: <<1 => 2>>)
    def f(x): return show(x)
    """,
)
different(
    "value of an enum member that is set from outside",
    """
    import enum
    class E(enum.Enum):
        A = 1
    E.A._value_ = <<1 => 2>>
    def f(x): return E.A.value
    """,
)
different(
    "key of an itemgetter",
    """
    import operator
    G = operator.<<itemgetter(0) => itemgetter(1)>>
    def f(x): return G(x)
    """,
)
different(
    "argument of a methodcaller",
    """
    import operator
    G = operator.methodcaller("get", <<"a" => "b">>)
    def f(x): return G(x)
    """,
)
same(
    "option that is not read",
    """
    import argparse
    p = argparse.ArgumentParser(); p.add_argument("--a", default=1); p.add_argument("--b", default=<<1 => 2>>)
    args = p.parse_args([])
    def f(x): return args.a
    """,
)
same(
    "key that is not read, by get",
    """
    C = {"a": 1, "b": <<1 => 2>>}
    def f(x): return C.get("a") + C["a"]
    """,
)
different(
    "namespace that is read as a whole, too",
    """
    import types
    A = types.SimpleNamespace(a=1, b=<<1 => 2>>)
    def f(x): return A.a, vars(A)
    """,
)
different(
    "class that is passed on, with an attribute that is read",
    """
    class C:
        a = 1
        b = <<1 => 2>>
    def g(c): return c.b
    def f(x): return C.a, g(C)
    """,
)
same(
    "nested class that is not read",
    """
    class C:
        a = 1
        class I: b = <<1 => 2>>
    def f(x): return C.a
    """,
)
different(
    "attribute by a name made at run time, of a namespace",
    """
    class C:
        a = 1
        b = <<1 => 2>>
    def f(x): return C.a, getattr(C, "ab"[x])
    """,
)
same(
    "folders of the file, joined",
    """
    from pathlib import Path
    import os
    HERE = Path(__file__).parent
    A = os.path.dirname(os.path.abspath(__file__))
    def f(x): return HERE / x, os.path.join(A, x)
    # <<a => b>>
    """,
)
different(
    "read annotation by inspect.get_annotations",
    """
    import inspect
    class R:
        a: <<int => str>>
    def f(x): return [t(x) for t in inspect.get_annotations(R, eval_str=True).values()]
    """,
)
different(
    "read annotation by a helper of another module",
    """
    import h
    class R:
        a: <<int => str>>
    def f(x): return h.hints(R)
    #: h.py
    from typing import get_type_hints
    def hints(c): return get_type_hints(c)
    """,
)
same(
    "builtin imported by its name, or not at all",
    """
    <<import builtins => from builtins import len>>
    def f(x): return len(x)
    """,
)
same(
    "builtin assigned to its name",
    """
    <<len = len => pass>>
    def f(x): return len(x)
    """,
)
different(
    "name of a property in vars",
    """
    class A:
        @property
        def <<p => q>>(self): return 1
    def f(x): return [n for n in vars(A) if not n.startswith('__')]
    """,
)
same(
    "equal exception of another module",
    """
    from <<a => b>> import Error
    def f(x):
        try: raise Error(x)
        except Error: return 1
    #: a.py
    class Error(Exception): pass
    #: b.py
    class Error(Exception): pass
    """,
)
same(
    "equal dataclass of another module",
    """
    from <<a => b>> import P
    def f(x): return P(x).n
    #: a.py
    from dataclasses import dataclass
    @dataclass
    class P: n: int
    #: b.py
    from dataclasses import dataclass
    @dataclass
    class P: n: int
    """,
)
different(
    "exception of another module that is not equal",
    """
    from <<a => b>> import Error
    def f(x):
        try: raise Error(x)
        except Error as error: return str(error)
    #: a.py
    class Error(Exception): pass
    #: b.py
    class Error(Exception):
        def __str__(self): return "b"
    """,
)

# Syntax of 3.12 and 3.13: type parameters

different(
    "bound of an own type parameter that the body reads",
    "def f[T: <<int => str>>](x): return T.__bound__",
    since=(3, 12),
)
same(
    "bound of a type parameter that no code reads",
    "def f[T: <<int => str>>](x: T): return x",
    since=(3, 12),
)
different(
    "constraints of an own type parameter that the body reads",
    "def f[T: (int, <<str => bytes>>)](x): return T.__constraints__",
    since=(3, 12),
)
different(
    "bound with a class of the user",
    """
    class A:
        n = <<1 => 2>>
    def f[T: A](x): return T.__bound__.n
    """,
    since=(3, 12),
)
different(
    "bound of the type parameter of a helper",
    """
    def g[T: <<int => str>>](x): return T.__bound__
    def f(x): return g(x)
    """,
    since=(3, 12),
)
different(
    "type parameters of a helper, read by name",
    """
    def g[T: <<int => str>>](x): return x
    def f(x): return g.__type_params__[0].__bound__
    """,
    since=(3, 12),
)
different(
    "type parameters of a class, read by name",
    """
    class A[T: <<int => str>>]: pass
    def f(x): return A.__type_params__[0].__bound__
    """,
    since=(3, 12),
)
different(
    "type parameters of a function, read by an unknown path",
    """
    def g[T: <<int => str>>](x): return x
    L = [g]
    def f(x): return L[0].__type_params__[0].__bound__
    """,
    since=(3, 12),
)
different(
    "parameters of a generic base",
    """
    from typing import Generic, TypeVar
    T = TypeVar("T", bound=<<int => str>>)
    class A(Generic[T]): pass
    def f(x): return A.__parameters__[0].__bound__
    """,
)
different(
    "value of a type alias",
    """
    type A = <<int => str>>
    def f(x): return A.__value__
    """,
    since=(3, 12),
)
different(
    "value of a local type alias",
    """
    def f(x):
        type A = <<int => str>>
        return A.__value__
    """,
    since=(3, 12),
)
different(
    "default of an own type parameter that the body reads",
    "def f[T = <<int => str>>](x): return T.__default__",
    since=(3, 13),
)
same(
    "default of a type parameter that no code reads",
    "def f[T = <<int => str>>](x: T): return x",
    since=(3, 13),
)
different(
    "default of a class's type parameter, read by a method",
    """
    class A[T = <<int => str>>]:
        def m(self): return T.__default__
    def f(x): return A().m()
    """,
    since=(3, 13),
)
different(
    "default of a type parameter of a nested function",
    """
    def f(x):
        def g[T = <<int => str>>](y): return T.__default__
        return g(x)
    """,
    since=(3, 13),
)
different(
    "bound of a type parameter of a nested class",
    """
    def f(x):
        class A[T: <<int => str>>]: pass
        return A.__type_params__[0].__bound__
    """,
    since=(3, 12),
)

# Syntax of 3.14: template strings, except without parentheses, deferred annotations

different("template string: text", "def f(x): return t'<<a => b>>{x}'", since=(3, 14))
different("template string: conversion", "def f(x): return t'{x!<<r => s>>}'", since=(3, 14))
different("template string: format", "def f(x): return t'{x:<<5 => 6>>}'", since=(3, 14))
different("template string: expression", "def f(x): return t'{x<< => + 1>>}'", since=(3, 14))
different("template string or f-string", "def f(x): return <<t => f>>'{x}'", since=(3, 14))
different("template string: nested", "def f(x): return t'{t\"<<a => b>>{x}\"}'", since=(3, 14))
different(
    "template string: value of a global",
    """
    K = <<1 => 2>>
    def f(x): return t'{x}{K}'
    """,
    since=(3, 14),
)
different(
    "template string as a global",
    """
    x = 1
    K = t'<<a => b>>{x}'
    def f(y): return K
    """,
    since=(3, 14),
)
same("template string: quotes", "def f(x): return t<<'a{x}' => \"a{x}\">>", since=(3, 14))
same("template string: adjacent pieces", "def f(x): return t'a<< => ' t'>>b{x}c'", since=(3, 14))
different(
    "except without parentheses: types",
    """
    def f(x):
        try: return x[0]
        except ValueError, <<TypeError => KeyError>>: return 0
    """,
    since=(3, 14),
)
same(
    "except with and without parentheses",
    """
    def f(x):
        try: return x[0]
        except <<ValueError, TypeError => (ValueError, TypeError)>>: return 0
    """,
    since=(3, 14),
)
same("annotation with an undefined name", "def f(x: <<Later => Never>>): return x", since=(3, 14))
same(
    "deferred annotation of a class that no code reads",
    """
    class A:
        n: <<Later => Never>> = 1
    def f(x): return A.n
    """,
    since=(3, 14),
)
different(
    "deferred annotation, read as text",
    """
    import annotationlib
    def g(y: <<Later => Never>>): return y
    def f(x): return annotationlib.get_annotations(g, format=annotationlib.Format.STRING)
    """,
    since=(3, 14),
)
different(
    "deferred annotation with an operator, read as text",
    """
    import annotationlib
    def g(y: Later[<<int => str>>] | None): return y
    def f(x): return annotationlib.get_annotations(g, format=annotationlib.Format.STRING)
    """,
    since=(3, 14),
)
different(
    "annotate function, called by name",
    """
    def g(y: <<int => str>>): return y
    def f(x): return g.__annotate__(1)
    """,
    since=(3, 14),
)
different(
    "annotate function of a class",
    """
    class A: n: <<int => str>>
    def f(x): return A.__annotate__(1)
    """,
    since=(3, 14),
)
different(
    "annotate function, called by annotationlib",
    """
    import annotationlib
    def g(y: <<int => str>>): return y
    def f(x): return annotationlib.call_annotate_function(g.__annotate__, annotationlib.Format.VALUE)
    """,
    since=(3, 14),
)
different(
    "field of a dataclass with a later name",
    """
    from dataclasses import dataclass
    @dataclass
    class A:
        a: Later
        n: <<int => Later>> = 1
    class Later: pass
    def f(x): return A.__annotations__
    """,
    since=(3, 14),
)
different(
    "conditional annotation",
    """
    W = True
    class A:
        if W:
            n: <<int => str>> = 1
    def f(x): return A.__annotations__
    """,
    since=(3, 14),
)

# Syntax and types of 3.15: unpacking in comprehensions, lazy imports, frozendict, sentinels

different(
    "unpacking in a list comprehension", "def f(x): return [<< => *>>i for i in x]", since=(3, 15)
)
different(
    "unpacking in a set comprehension", "def f(x): return {<< => *>>i for i in x}", since=(3, 15)
)
different("unpacking in a generator", "def f(x): return list(<< => *>>i for i in x)", since=(3, 15))
different(
    "unpacking in a dict comprehension",
    "def f(x): return {**<<d => d['a']>> for d in x}",
    since=(3, 15),
)
same(
    "unpacking in a comprehension: layout",
    "def f(x): return [<<*i => * i>> for i in x]",
    since=(3, 15),
)
different(
    "lazily imported function",
    """
    lazy from helpers import g
    def f(x): return g(x)
    #: helpers.py
    def g(x): return x + <<1 => 2>>
    """,
    since=(3, 15),
)
different(
    "lazily imported value",
    """
    lazy from helpers import K
    def f(x): return x + K
    #: helpers.py
    K = <<1 => 2>>
    """,
    since=(3, 15),
)
different(
    "lazily imported module",
    """
    lazy import helpers
    def f(x): return helpers.g(x)
    #: helpers.py
    def g(x): return x + <<1 => 2>>
    """,
    since=(3, 15),
)
different(
    "lazily imported helper of a helper",
    """
    from middle import h
    def f(x): return h(x)
    #: middle.py
    lazy from helpers import g
    def h(x): return g(x)
    #: helpers.py
    def g(x): return x + <<1 => 2>>
    """,
    since=(3, 15),
)
different(
    "lazily imported class",
    """
    lazy from helpers import A
    def f(x): return A().m(x)
    #: helpers.py
    class A:
        def m(self, x): return x + <<1 => 2>>
    """,
    since=(3, 15),
)
different(
    "lazily imported name under __lazy_modules__",
    """
    __lazy_modules__ = ["helpers"]
    from helpers import g
    def f(x): return g(x)
    #: helpers.py
    def g(x): return x + <<1 => 2>>
    """,
    since=(3, 15),
)
same(
    "lazy or eager import of user code",
    """
    << => lazy >>from helpers import g
    def f(x): return g(x)
    #: helpers.py
    def g(x): return x + 1
    """,
    since=(3, 15),
)
same(
    "lazy or eager import of a library",
    """
    << => lazy >>from math import sqrt
    << => lazy >>import json
    def f(x): return json.dumps(sqrt(x))
    """,
    since=(3, 15),
)
same(
    "unused lazy import",
    "<< => lazy import helpers>>\ndef f(x): return x\n#: helpers.py\nK = 1\n",
    since=(3, 15),
)
different(
    "value in a frozendict",
    """
    K = frozendict(a=1, b=<<2 => 3>>)
    def f(x): return K[x]
    """,
    since=(3, 15),
)
different(
    "function in a frozendict",
    """
    def g(x): return <<1 => 2>>
    K = frozendict(g=g)
    def f(x): return K["g"](x)
    """,
    since=(3, 15),
)
different(
    "frozendict or dict", "K = <<dict => frozendict>>(a=1)\ndef f(x): return K", since=(3, 15)
)
same(
    "order of a frozendict",
    """
    K = frozendict(<<a=1, b=2 => b=2, a=1>>)
    def f(x): return K[x]
    """,
    since=(3, 15),
)
different(
    "name of a sentinel",
    """
    <<MISSING => ABSENT>> = sentinel("<<MISSING => ABSENT>>")
    def f(x, y=<<MISSING => ABSENT>>): return repr(y)
    """,
    since=(3, 15),
)
different(
    "sentinel or None",
    """
    MISSING = <<sentinel("MISSING") => None>>
    def f(x): return x is MISSING
    """,
    since=(3, 15),
)
same(
    "place of a sentinel in its module",
    """
    <<MISSING = sentinel("MISSING") => >>
    K = 1
    <<pass => MISSING = sentinel("MISSING")>>
    def f(x): return x is MISSING
    """,
    since=(3, 15),
)

# What the user passes to a decorator of a library

PREC = """
import contextlib, decimal
START = <<0 => 1>>
@contextlib.contextmanager
def prec(n, extra=0):
    with decimal.localcontext() as context:
        context.prec = n + extra
        yield
"""


def in_context(name: str, call: str, start: str = "0", *, is_same: bool = False) -> None:
    text = textwrap.dedent(PREC).replace("<<0 => 1>>", start)
    text += f"@{call}\ndef g(): return decimal.Decimal(1) / 3\ndef f(x): return g()\n"
    CASES.append(Case(name, is_same, text.lstrip()))


in_context("argument of a context manager as decorator", "prec(<<5 => 9>>)")
in_context("keyword of a context manager as decorator", "prec(5, extra=<<0 => 1>>)")
in_context("list that a context manager as decorator gets", "prec([5, <<1 => 2>>])")
in_context("global beside a context manager as decorator", "prec(5)", "<<0 => 1>>", is_same=True)
different(
    "code of a context manager as decorator",
    """
    import contextlib
    LOG = []
    @contextlib.contextmanager
    def noted():
        LOG.append(<<1 => 2>>)
        yield
    @noted()
    def g(): return LOG[-1]
    def f(x): return g()
    """,
)
different(
    "global that a context manager as decorator reads",
    """
    import contextlib
    N = <<1 => 2>>
    LOG = []
    @contextlib.contextmanager
    def noted():
        LOG.append(N)
        yield
    @noted()
    def g(): return LOG[-1]
    def f(x): return g()
    """,
)
different(
    "argument of a context manager above the function itself",
    """
    import contextlib
    @contextlib.contextmanager
    def noted(n): yield
    @noted(<<1 => 2>>)
    def f(x): return x
    """,
)
different(
    "argument of a context manager above a method",
    """
    import contextlib
    @contextlib.contextmanager
    def noted(n): yield
    class A:
        @noted(<<1 => 2>>)
        def m(self): return 1
    def f(x): return A().m()
    """,
)
same(
    "docstring of a context manager as decorator",
    """
    import contextlib
    @contextlib.contextmanager
    def noted(n):
        "<<a => b>>"
        yield
    @noted(1)
    def g(): return 1
    def f(x): return g()
    """,
)
for what, option in (
    ("type option", "typed=<<True => False>>"),
    ("size", "maxsize=<<1 => 2>>"),
    ("size or no limit", "maxsize=<<None => 128>>"),
):
    different(
        f"{what} of lru_cache",
        f"""
        import functools
        @functools.lru_cache({option})
        def g(x): return x
        def f(x): return g(x)
        """,
    )
same(
    "lru_cache without a limit or cache",
    """
    import functools
    @functools.<<lru_cache(maxsize=None) => cache>>
    def g(x): return x
    def f(x): return g(x)
    """,
)

# Limits of type parameters

for what, made in (
    ("bound", 'TypeVar("T", bound=<<int => str>>)'),
    ("bound that is a string", 'TypeVar("T", bound="<<int => str>>")'),
    ("constraint", 'TypeVar("T", <<int, str => str, bytes>>)'),
    ("bound that refers to the parameter", 'TypeVar("T", bound="dict[T, <<int => str>>]")'),
):
    different(
        f"{what} of a type parameter",
        f"""
        from typing import Generic, TypeVar
        T = {made}
        class A(Generic[T]): pass
        def f(x): return A.__parameters__[0]
        """,
    )
different(
    "class that bounds a type parameter",
    """
    from typing import Generic, TypeVar
    class B: n = <<1 => 2>>
    T = TypeVar("T", bound=B)
    class A(Generic[T]): pass
    def f(x): return A.__parameters__[0].__bound__.n
    """,
)
different(
    "bound of a type parameter in an annotation of a field",
    """
    from dataclasses import dataclass
    from typing import TypeVar
    T = TypeVar("T", bound=<<int => str>>)
    @dataclass
    class A: n: T
    def f(x): return A(x)
    """,
)
same(
    "type parameter without limits",
    """
    from typing import Generic, TypeVar
    <<T => S>> = TypeVar("<<T => S>>")
    class A(Generic[<<T => S>>]): pass
    def f(x): return A()
    """,
)

# Modules that load their parts on demand

for what, found, read in (
    ("module", "impl", "lazy.part.N"),
    ("function of a module", "impl", "lazy.part.g()"),
    ("function", "impl.g", "lazy.part()"),
    ("value", "impl.N", "lazy.part"),
):
    different(
        f"{what} that a package loads on demand",
        f"""
        import lazy
        def f(x): return {read}
        #: lazy.py
        def __getattr__(name):
            if name == "part":
                import importlib
                impl = importlib.import_module("impl")
                return {found}
            raise AttributeError(name)
        #: impl.py
        N = <<1 => 2>>
        def g(): return N
        """,
    )
different(
    "module that a package loads on demand and keeps",
    """
    import lazy
    def f(x): return lazy.part.N
    #: lazy.py
    def __getattr__(name):
        if name == "part":
            import impl
            globals()[name] = impl
            return impl
        raise AttributeError(name)
    #: impl.py
    N = <<1 => 2>>
    """,
)
same(
    "another attribute of a module that a package loads on demand",
    """
    import lazy
    def f(x): return lazy.part.N
    #: lazy.py
    def __getattr__(name):
        import impl
        return impl
    #: impl.py
    N = 1
    M = <<1 => 2>>
    """,
)

# Annotations of modules

different(
    "annotation of the module itself",
    """
    N: <<int => str>> = 1
    def f(x): return __annotations__["N"]
    """,
)
for read in ("config.__annotations__['N']", "typing.get_type_hints(config)['N']"):
    different(
        f"annotation of a module in {read.partition('(')[0].partition('[')[0]}",
        f"""
        import typing, config
        def f(x): return {read}
        #: config.py
        N: <<int => str>> = 1
        """,
    )
different(
    "annotations in Signature.from_callable",
    """
    import inspect
    def g(x: <<int => str>>): return x
    def f(x): return inspect.Signature.from_callable(g)
    """,
)
same(
    "annotation of a module that no code reads",
    """
    import config
    N: <<int => str>> = 1
    def f(x): return config.N
    #: config.py
    N: <<int => str>> = 1
    """,
)

# Metaclasses that compute attributes

for error in ("KeyError", "ValueError"):
    different(
        f"class whose metaclass raises {error} for other attributes",
        f"""
        class M(type):
            def __getattr__(cls, name):
                if name == "q": return cls.D["q"]
                raise {error}(name)
        class A(metaclass=M):
            D = {{"q": <<1 => 2>>}}
        def f(x): return A.q
        """,
    )
different(
    "base whose metaclass raises for other attributes",
    """
    class M(type):
        def __getattr__(cls, name): return {}[name]
    class A(metaclass=M):
        def m(self): return <<1 => 2>>
    class B(A): pass
    def f(x): return B().m()
    """,
)

# Environment variables that the code names

VARIABLE = 'import os\nos.environ["SCALE"] = "<<1 => 2>>"\n'

for name, body in {
    "subscript": 'def f(x): return os.environ["SCALE"]',
    "get": 'def f(x): return os.environ.get("SCALE", 3)',
    "getenv": 'def f(x): return os.getenv("SCALE")',
    "in": 'def f(x): return "SCALE" in os.environ and x',
    "renamed": 'from os import environ as e\ndef f(x): return e["SCALE"]',
    "renamed getenv": 'from os import getenv as g\ndef f(x): return g("SCALE")',
    "bytes": 'def f(x): return os.environb[b"SCALE"]',
    "in the body": "def f(x):\n from os import environ\n return environ['SCALE']",
    "name in a global": 'NAME = "SCALE"\ndef f(x): return os.environ[NAME]',
    "helper": 'class A:\n def m(self): return os.getenv("SCALE")\ndef f(x): return A().m()',
    "comprehension": 'def f(x): return [int(os.environ["SCALE"]) for _ in x]',
}.items():
    different(f"environment variable: {name}", f"{VARIABLE}{body}")
different(
    "environment variable: not set or empty",
    """
    import os
    os.environ["SCALE"] = ""
    <<del os.environ["SCALE"] => >>
    def f(x): return os.getenv("SCALE")
    """,
)
same("environment variable: another one", f'{VARIABLE}def f(x): return os.getenv("SCALES")')
same(
    "environment variable: one that the code sets",
    f'{VARIABLE}def f(x): os.environ["SCALE"] = "4"; del os.environ["SCALE"]',
)
same("environment variable: the whole environment", f"{VARIABLE}def f(x): return dict(os.environ)")
same(
    "environment variable: the whole environment by another name",
    f"{VARIABLE}from os import environ\ndef f(x, e=environ): return dict(environ), e",
)
same(
    "environment variable of a machine or a job",
    """
    import os
    for name in ("HOME", "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"):
        os.environ[name] = "<</a => /b>>"
    NAME = "SLURM_JOB_ID"
    def f(x): return os.environ["HOME"], os.getenv(NAME), "CUDA_VISIBLE_DEVICES" in os.environ
    """,
)
