"""Finds the free names of a function in its syntax tree, by Python's scoping rules.

This module does not use the compiler's symbol tables, for two reasons. They omit names that some
Python versions optimize away. And they have no attribute paths: the input of ``config.LR`` is only the
value of ``LR``, not all of ``config``.

`names_of` walks the tree once. It records each bound name in its scope, and each read with the scope
of the reader. When all scopes are known, it looks up each read from its scope outwards. Names that
are not bound inside the function are its inputs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from funes._code.normalize import FunctionNode, is_private, is_text

#: A name, and the attributes and literal keys that are read from its value: ("config", "LR") for
#: `config.LR`, ("TABLE", "['a']") for `TABLE["a"]`.
AttributePath = tuple[str, ...]

#: One use of the object at the end of a path: as a whole, (); by a literal key, ("['a']",), which is
#: a subscript, the left operand of `in`, or the first argument of a call; by a key that is a path
#: itself, ("config", "NAME"), after `MAYBE` if byte code does not show whether it is the key; or only
#: to store or delete something in it, `WRITTEN`.
Use = tuple[str, ...]
WRITTEN: Final[Use] = ("=",)
MAYBE: Final = "?"

#: The longest literal that is recorded as a key, in characters.
MAX_KEY: Final = 100


@lru_cache(maxsize=1024)
def key_of(step: str) -> str | bytes | None:
    """Returns the literal key of a step of a path; None for an attribute. Only the keys of uses are bytes.

    >>> key_of("['a']"), key_of("a")
    ('a', None)
    """
    return ast.literal_eval(step[1:-1]) if step[0] == "[" else None


def as_code(chain: AttributePath) -> str:
    """Returns a path as code.

    >>> as_code(("config", "TABLE", "['a']"))
    "config.TABLE['a']"
    """
    if len(chain) == 1:
        return chain[0]
    steps = (step if step[0] == "[" else f".{step}" for step in chain[1:])
    return "".join((chain[0], *steps))


class Read(NamedTuple):
    """A free name, with the attributes that are read from its value."""

    chain: AttributePath
    #: True if the name is declared `global`. Otherwise a captured variable of this name comes
    #: first.
    is_global: bool
    #: False if a class body may have bound the name itself. Then a missing global does not count.
    is_certain: bool
    #: What the code does with the object at the end of the path.
    uses: tuple[Use, ...] = ((),)


class LocalImport(NamedTuple):
    """An import in the body of a function, with the attributes that are read from its result.

    ``from ..pkg import mod; mod.f()`` is ``LocalImport("pkg", 2, "", ("mod", "f"))``.
    ``import a.b; a.c`` is ``LocalImport("a", 0, "a.b", ("c",))``: the name refers to ``a``, and
    ``a.b`` is loaded too.
    """

    module: str
    #: The number of leading dots.
    level: int
    #: The submodule that the import loads too; empty if there is none.
    loads: str
    chain: AttributePath
    #: What the code does with the object at the end of the path.
    uses: tuple[Use, ...] = ((),)


def written_name(origin: LocalImport) -> str:
    """Returns the module name as the import statement spells it, so that it stays when the package moves."""
    return "." * origin.level + origin.module


class Names(NamedTuple):
    """The free names and imports of a function, and the names that it changes."""

    reads: tuple[Read, ...]
    imports: tuple[LocalImport, ...]
    #: The names whose values statements of the function may change: by an assignment or by a
    #: method, directly or in a part of the value.
    changed: frozenset[str]
    #: The attributes that the function reads from any object.
    attributes: frozenset[str]
    #: The names that are local only by an annotation without a value (`x: int`), each with its
    #: scope.
    only_declared: tuple[tuple[int, str], ...]


def names_of(function: FunctionNode, private: str = "") -> Names:
    """Finds the free names of a function.

    private: The name of the enclosing class, which changes ``__name`` to ``_Class__name``; empty if
        there is none.

    >>> names_of(ast.parse("lambda x: x + config.LR", mode="eval").body).reads[0].chain
    ('config', 'LR')
    """
    walk = _Walk(function, private)
    walk.run()
    return walk.names()


class _Scope:
    """The names that a function, class, comprehension or list of type parameters binds."""

    __slots__ = (
        "bound",
        "declared",
        "global_names",
        "imports",
        "is_class",
        "outer",
        "outer_names",
        "pending",
        "private",
        "target",
    )

    def __init__(self, outer: _Scope | None, private: str, *, is_class: bool = False) -> None:
        self.outer = outer
        self.private = private
        self.is_class = is_class
        self.bound: set[str] = set()
        #: The names that are only annotated: `x: int`.
        self.declared: set[str] = set()
        self.global_names: set[str] = set()
        self.outer_names: set[str] = set()
        self.imports: dict[str, list[LocalImport]] = {}
        #: The nodes that still have to be walked.
        self.pending: list[Any] = []
        #: The scope in which `:=` binds a name: for a comprehension, the enclosing scope.
        self.target = self

    def mangled(self, name: str) -> str:
        if self.private and is_private(name):
            return f"_{self.private}{name}"
        return name


# The methods that change Python's own containers.
_MUTATING_METHODS = frozenset(
    (
        "add",
        "append",
        "appendleft",
        "clear",
        "difference_update",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "intersection_update",
        "move_to_end",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "reverse",
        "rotate",
        "setdefault",
        "sort",
        "subtract",
        "symmetric_difference_update",
        "update",
    )
)
# Builtins whose second argument is the name of an attribute.
_BY_NAME = frozenset(("getattr", "hasattr"))

_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_OUTSIDE = _Scope(None, "")
_GLOBAL = _Scope(None, "")


class _Walk:
    """A walk over a function's tree, scope by scope."""

    def __init__(self, function: FunctionNode, private: str) -> None:
        self.root = _Scope(None, private)
        self.scopes = [self.root]  # grows during the walk
        self.reads: list[tuple[_Scope, AttributePath, bool, Use]] = []
        self.changed: set[str] = set()
        self.attributes: set[str] = set()
        self._open_function(function, self.root)

    def run(self) -> None:
        """Walks all scopes until no scope has pending nodes: a walk may add nodes to an earlier scope."""
        unfinished = True
        while unfinished:
            unfinished = False
            for scope in self.scopes:
                if scope.pending:
                    unfinished = True
                    self._walk(scope)

    def _walk(self, scope: _Scope) -> None:
        pending, reads = scope.pending, self.reads
        while pending:
            node = pending.pop()
            kind = type(node)
            if kind is ast.Name and type(node.ctx) is ast.Load:
                reads.append((scope, (scope.mangled(node.id),), True, ()))
                continue
            handler = _HANDLERS.get(kind)
            if handler is not None:
                handler(self, node, scope)
                continue
            fields = _children_of.get(kind)
            for field in _children(kind) if fields is None else fields:
                value = getattr(node, field)
                if type(value) is list:
                    pending += value
                elif isinstance(value, ast.AST):
                    pending.append(value)

    # The lookup of names, which needs all scopes.

    def names(self) -> Names:
        reads: dict[Read, set[Use]] = {}
        imports: dict[LocalImport, set[Use]] = {}
        for scope, chain, is_certain, use in self.reads:
            if use and use[0][0] not in "[=" and self._scope_of(use[0], scope) is not _OUTSIDE:
                use = ()  # the key is a variable of the function
            found = self._scope_of(chain[0], scope)
            if found is _OUTSIDE or found is _GLOBAL:
                reads.setdefault(Read(chain, found is _GLOBAL, is_certain), set()).add(use)
                continue
            if found.is_class and chain[0] != "__class__":
                # A class body reads a name that it binds only later from the globals.
                reads.setdefault(Read(chain, True, False), set()).add(use)
            for origin in found.imports.get(chain[0], ()):
                whole = origin._replace(chain=origin.chain + chain[1:])
                imports.setdefault(whole, set()).add(use)
        for scope in self.scopes:
            for name in scope.bound & scope.global_names:
                self.changed.add(name)
                # Changes of the name are tracked, even if the code does not read it.
                reads.setdefault(Read((name,), True, False), {WRITTEN})
            self.changed |= scope.bound & scope.outer_names
        only_declared = sorted(
            (position, name)
            for position, scope in enumerate(self.scopes)
            for name in scope.declared - scope.bound
        )
        return Names(
            tuple(sorted(read._replace(uses=tuple(sorted(uses))) for read, uses in reads.items())),
            tuple(
                sorted(each._replace(uses=tuple(sorted(uses))) for each, uses in imports.items())
            ),
            frozenset(self.changed),
            frozenset(self.attributes),
            tuple(only_declared),
        )

    def _scope_of(self, name: str, reader: _Scope) -> _Scope:
        """Returns the scope that binds a name; `_GLOBAL` if the name is declared global, else `_OUTSIDE`."""
        scope: _Scope | None = reader
        while scope is not None:
            if scope.is_class and name == "__class__":
                return scope  # inside a method, `__class__` is the enclosing class
            if not scope.is_class or scope is reader:
                if name in scope.global_names:
                    return _GLOBAL
                if (name in scope.bound and name not in scope.outer_names) or (
                    name in scope.declared
                ):
                    return scope
            scope = scope.outer
        return _OUTSIDE

    # One method for each kind of node that binds or reads a name, or opens a scope.

    def _name(self, node: ast.Name, scope: _Scope) -> None:
        name = scope.mangled(node.id)
        if isinstance(node.ctx, ast.Load):
            self.reads.append((scope, (name,), True, ()))
        else:
            scope.bound.add(name)

    def _attribute(self, node: ast.Attribute, scope: _Scope) -> None:
        chain = self._chain(node, scope)
        if not isinstance(node.ctx, ast.Load):
            self.changed.update((node.attr, *chain))
        if chain:
            self.reads.append((scope, chain, True, ()))
        else:
            scope.pending.append(node.value)

    def _subscript(self, node: ast.Subscript, scope: _Scope) -> None:
        if isinstance(node.ctx, ast.Load):
            chain = self._chain(node, scope)
            if chain:
                self.reads.append((scope, chain, True, ()))
                return
            use = self._key(node.slice, scope)
        else:
            self._change(node, scope)
            use = WRITTEN
        self._use(node.value, use, scope)
        scope.pending.append(node.slice)

    def _use(self, node: ast.expr, use: Use, scope: _Scope) -> None:
        """Records what the code does with the value of an expression."""
        chain = self._chain(node, scope)
        if chain:
            self.reads.append((scope, chain, True, use))
        else:
            scope.pending.append(node)

    def _key(self, node: ast.expr, scope: _Scope) -> Use:
        """Returns the use of a container by a key."""
        if not isinstance(node, ast.Constant):
            return self._chain(node, scope)
        is_short = isinstance(node.value, (str, bytes)) and len(node.value) <= MAX_KEY
        return (f"[{node.value!r}]",) if is_short else ()

    def _compare(self, node: ast.Compare, scope: _Scope) -> None:
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            self._use(node.comparators[0], self._key(node.left, scope), scope)
            scope.pending.append(node.left)
        else:
            scope.pending += (node.left, *node.comparators)

    def _change(self, whole: ast.expr, scope: _Scope) -> None:
        """Records the names and literal keys that lead to an object which a statement changes."""
        while isinstance(whole, ast.Subscript):
            key = whole.slice
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self.changed.add(key.value)
            whole = whole.value
        if isinstance(whole, ast.Attribute):
            self.changed.add(scope.mangled(whole.attr))
        self.changed.update(self._chain(whole, scope))

    def _call(self, node: ast.Call, scope: _Scope) -> None:
        arguments = [*node.args, *(each.value for each in node.keywords if each.arg == "key")]
        if isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATING_METHODS:
            self._change(node.func.value, scope)
            is_by_key = node.func.attr in ("pop", "setdefault") and arguments
            if is_by_key and is_text(arguments[0]):
                self.changed.add(arguments[0].value)  # type: ignore[attr-defined]
        chain = self._chain(node, scope)
        if chain:
            self.reads.append((scope, chain, True, ()))
        else:
            self._use(node.func, self._key(arguments[0], scope) if arguments else (), scope)
            scope.pending += (*node.args, *node.keywords)

    def _chain(self, node: ast.expr, scope: _Scope) -> AttributePath:
        """Returns the path of an expression: ``a.b.c``, ``getattr(a, "b").c``; () if it is no path.

        ``hasattr(a, "b")`` is a path as well, since its result depends on the attribute.
        """
        attributes: list[str] = []
        while True:
            if isinstance(node, ast.Attribute):
                attributes.append(scope.mangled(node.attr))
                self.attributes.add(attributes[-1])
                node = node.value
            elif isinstance(node, ast.Subscript) and is_text(node.slice):
                attributes.append(f"[{node.slice.value!r}]")  # type: ignore[attr-defined]
                node = node.value
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "get"
                and len(node.args) in (1, 2)
                and not node.keywords
                and is_text(node.args[0])
            ):
                # ``TABLE.get("a")``, which is a lookup if TABLE is a dict.
                attributes.append(f"[{node.args[0].value!r}]")  # type: ignore[attr-defined]
                scope.pending += node.args[1:]
                node = node.func
            elif isinstance(node, ast.Name):
                return (scope.mangled(node.id), *reversed(attributes))
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in _BY_NAME
                and len(node.args) in (2, 3)
                and not node.keywords
                and isinstance(node.args[1], ast.Constant)
                and isinstance(node.args[1].value, str)
                and node.args[1].value.isidentifier()
            ):
                attributes.append(node.args[1].value)
                self.attributes.add(attributes[-1])
                scope.pending += (node.func, *node.args[2:])
                node = node.args[0]
            else:
                return ()

    def _augmented(self, node: ast.AugAssign, scope: _Scope) -> None:
        if isinstance(node.target, ast.Name):
            self.reads.append((scope, (scope.mangled(node.target.id),), True, ()))
        elif isinstance(node.target, ast.Subscript):
            self._use(node.target.value, self._key(node.target.slice, scope), scope)
        scope.pending += (node.target, node.value)

    def _annotated(self, node: ast.AnnAssign, scope: _Scope) -> None:
        if scope.is_class:
            self._maybe_read(node.annotation, scope)
        if node.value is not None:
            scope.pending += (node.target, node.value)
        elif isinstance(node.target, ast.Name) and node.simple:
            scope.declared.add(scope.mangled(node.target.id))

    def _walrus(self, node: ast.NamedExpr, scope: _Scope) -> None:
        scope.target.bound.add(scope.mangled(node.target.id))
        scope.pending.append(node.value)

    def _function(self, node: FunctionNode, scope: _Scope) -> None:
        if not isinstance(node, ast.Lambda):
            scope.bound.add(scope.mangled(node.name))
            scope.pending += node.decorator_list
        defaults = [*node.args.defaults, *node.args.kw_defaults]
        scope.pending += (default for default in defaults if default is not None)
        inner = self._open(self._type_parameters(node, scope))
        self._open_function(node, inner)

    def _open_function(self, node: FunctionNode, scope: _Scope) -> None:
        arguments = node.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            arguments.vararg,
            *arguments.kwonlyargs,
            arguments.kwarg,
        ):
            if argument is not None:
                scope.bound.add(scope.mangled(argument.arg))
        body: Iterable[ast.AST] = (node.body,) if isinstance(node, ast.Lambda) else node.body
        scope.pending += body

    def _class(self, node: ast.ClassDef, scope: _Scope) -> None:
        scope.bound.add(scope.mangled(node.name))
        scope.pending += node.decorator_list
        around = self._type_parameters(node, scope)
        around.pending += (*node.bases, *node.keywords)
        inner = self._open(around, is_class=True)
        inner.private = node.name.lstrip("_")
        inner.bound.update(("__module__", "__qualname__"))
        inner.pending += node.body

    def _type_parameters(self, node: ast.AST, scope: _Scope) -> _Scope:
        """Returns the scope of ``[T]`` in ``def f[T]()``, or `scope` itself without type parameters."""
        parameters = getattr(node, "type_params", ())
        if not parameters:
            return scope
        around = self._open(scope)
        around.bound.update(parameter.name for parameter in parameters)
        for parameter in parameters:
            for part in ("bound", "default_value"):
                expression = getattr(parameter, part, None)
                if expression is not None:
                    self._maybe_read(expression, around)
        return around

    def _type_alias(self, node: Any, scope: _Scope) -> None:
        scope.pending.append(node.name)
        self._maybe_read(node.value, self._type_parameters(node, scope))

    def _maybe_read(self, expression: ast.AST, scope: _Scope) -> None:
        """Records the names in an expression that is evaluated lazily or never."""
        for node in ast.walk(expression):
            if isinstance(node, (ast.Name, ast.Attribute)):
                chain = self._chain(node, scope)
                if chain:
                    self.reads.append((scope, chain, False, ()))

    def _comprehension(self, node: _Comprehension, scope: _Scope) -> None:
        inner = self._open(scope)
        inner.target = scope.target
        # The first iterable is evaluated outside, in the scope around the comprehension.
        scope.pending.append(node.generators[0].iter)
        for position, generator in enumerate(node.generators):
            inner.pending.append(generator.target)
            inner.pending += generator.ifs
            if position:
                inner.pending.append(generator.iter)
        if isinstance(node, ast.DictComp):
            inner.pending += (node.key, node.value)
        else:
            inner.pending.append(node.elt)

    def _global(self, node: ast.Global, scope: _Scope) -> None:
        scope.global_names.update(map(scope.mangled, node.names))

    def _nonlocal(self, node: ast.Nonlocal, scope: _Scope) -> None:
        scope.outer_names.update(map(scope.mangled, node.names))

    def _import(self, node: ast.Import, scope: _Scope) -> None:
        for alias in node.names:
            if alias.asname:
                self._imported(alias.asname, LocalImport(alias.name, 0, "", ()), scope)
            else:
                package = alias.name.partition(".")[0]
                self._imported(package, LocalImport(package, 0, alias.name, ()), scope)

    def _import_from(self, node: ast.ImportFrom, scope: _Scope) -> None:
        for alias in node.names:
            origin = LocalImport(node.module or "", node.level, "", (alias.name,))
            self._imported(alias.asname or alias.name, origin, scope)

    def _imported(self, name: str, origin: LocalImport, scope: _Scope) -> None:
        name = scope.mangled(name)
        scope.bound.add(name)
        scope.imports.setdefault(name, []).append(origin)

    def _except(self, node: ast.ExceptHandler, scope: _Scope) -> None:
        if node.name:
            scope.bound.add(scope.mangled(node.name))
        scope.pending += ast.iter_child_nodes(node)

    def _capture(self, node: ast.MatchAs | ast.MatchStar, scope: _Scope) -> None:
        if node.name:
            scope.bound.add(scope.mangled(node.name))
        scope.pending += ast.iter_child_nodes(node)

    def _match_mapping(self, node: ast.MatchMapping, scope: _Scope) -> None:
        if node.rest:
            scope.bound.add(scope.mangled(node.rest))
        scope.pending += ast.iter_child_nodes(node)

    def _open(self, outer: _Scope, *, is_class: bool = False) -> _Scope:
        scope = _Scope(outer, outer.private, is_class=is_class)
        self.scopes.append(scope)
        return scope


# The fields of a node that can contain names. Lists may contain strings and None, without fields.
_children_of: dict[type, tuple[str, ...]] = {ast.Constant: (), ast.MatchSingleton: ()}


def _children(kind: type) -> tuple[str, ...]:
    fields = getattr(kind, "_fields", ())
    _children_of[kind] = children = tuple(field for field in fields if field not in _LEAVES)
    return children


_LEAVES = frozenset(
    ("arg", "attr", "conversion", "ctx", "id", "is_async", "name", "op", "ops", "type_comment")
)

_HANDLERS: dict[type[ast.AST], Callable[[_Walk, Any, _Scope], None]] = {
    ast.Name: _Walk._name,
    ast.Attribute: _Walk._attribute,
    ast.Subscript: _Walk._subscript,
    ast.Compare: _Walk._compare,
    ast.Call: _Walk._call,
    ast.AugAssign: _Walk._augmented,
    ast.AnnAssign: _Walk._annotated,
    ast.NamedExpr: _Walk._walrus,
    ast.FunctionDef: _Walk._function,
    ast.AsyncFunctionDef: _Walk._function,
    ast.Lambda: _Walk._function,
    ast.ClassDef: _Walk._class,
    ast.ListComp: _Walk._comprehension,
    ast.SetComp: _Walk._comprehension,
    ast.DictComp: _Walk._comprehension,
    ast.GeneratorExp: _Walk._comprehension,
    ast.Global: _Walk._global,
    ast.Nonlocal: _Walk._nonlocal,
    ast.Import: _Walk._import,
    ast.ImportFrom: _Walk._import_from,
    ast.ExceptHandler: _Walk._except,
    ast.MatchAs: _Walk._capture,
    ast.MatchStar: _Walk._capture,
    ast.MatchMapping: _Walk._match_mapping,
}
if sys.version_info >= (3, 12):
    _HANDLERS[ast.TypeAlias] = _Walk._type_alias
