"""Finds the names of libraries that the code of a function uses, with their lines."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from funes._code.source import find_source


class Use(NamedTuple):
    """A use of a name of a library."""

    #: The names under which the object may be known, such as ``numpy.random._generator.default_rng`` and
    #: ``numpy.random.default_rng``. Attributes that the code reads from the object are parts of them.
    names: tuple[str, ...]
    #: The file and the line.
    place: str
    #: The call, if the code calls the object.
    call: ast.Call | None
    #: True if the code sets the seed or state of what the call returns.
    is_seeded: bool


class SearchedCode:
    """The source of a function, in which names are looked for; empty without source."""

    def __init__(self, function: FunctionType) -> None:
        self._file = function.__code__.co_filename
        #: The trees, the numbers of lines before them in the file, and what the names in them refer to.
        self._trees = [(tree, offset, _Names(function, tree)) for tree, offset in _trees(function)]

    def library_names(self) -> Iterator[Use]:
        """Yields the uses of library objects by global, captured and imported names.

        Also yields builtins, as ``builtins.input``.
        """
        for tree, offset, names in self._trees:
            yield from self._uses(tree, offset, names)

    def orders_of_sets(self) -> Iterator[str]:
        """Yields the places where the function takes the elements of a new set in its order."""
        for tree, offset, names in self._trees:
            for node in ast.walk(tree):
                taken: ast.expr | None = None
                if isinstance(node, (ast.For, ast.comprehension)):
                    taken = node.iter
                elif isinstance(node, ast.Call) and node.args and names.of(node.func) in _TAKERS:
                    taken = node.args[0]
                if isinstance(taken, (ast.Set, ast.SetComp)) or (
                    isinstance(taken, ast.Call) and names.of(taken.func) in _SETS
                ):
                    yield f"{self._file}:{taken.lineno + offset}"

    def _uses(self, tree: ast.AST, offset: int, names: _Names) -> Iterator[Use]:
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        seeded = _seeded(tree)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in inner:
                found = names.of(node)
                if found:
                    place, call = f"{self._file}:{node.lineno + offset}", calls.get(id(node))
                    yield Use(found, place, call, id(call) in seeded)


def _seeded(tree: ast.AST) -> set[int]:
    """Returns the addresses of the calls whose result is assigned to a variable that is seeded somewhere."""
    made: list[tuple[str, int]] = []
    seeded: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            made += ((ast.unparse(target), id(node.value)) for target in node.targets)
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr == "state":
                    seeded.add(ast.unparse(target.value).removesuffix(".bit_generator"))
        elif isinstance(node, ast.Attribute) and node.attr in ("seed", "setstate", "set_state"):
            seeded.add(ast.unparse(node.value))
    return {address for name, address in made if name in seeded}


#: Functions that keep the order of what they are given.
_TAKERS = [(f"builtins.{name}",) for name in ("list", "tuple", "iter", "enumerate")]
_SETS = [("builtins.set",), ("builtins.frozenset",)]


def _trees(function: FunctionType) -> list[tuple[ast.AST, int]]:
    """Returns the trees of a function, and the number of lines before each of them in the file."""
    code, found = function.__code__, find_source(function)
    if found is None:
        return []
    if code.co_name == "<lambda>":
        trees = _lambdas(found.source, code)
    else:
        try:
            trees = [(ast.parse(textwrap.dedent(found.source)), 0)]
        except (SyntaxError, ValueError, RecursionError):
            trees = []
    return [(_body(tree), code.co_firstlineno - 1 + before) for tree, before in trees]


def _body(tree: ast.AST) -> ast.AST:
    """Returns what runs at a call. Decorators, defaults and annotations were evaluated at the definition."""
    if isinstance(tree, ast.Module) and len(tree.body) == 1:
        tree = tree.body[0]
    if isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return ast.Module(tree.body, [])
    return tree.body if isinstance(tree, ast.Lambda) else tree


def _lambdas(source: str, code: CodeType) -> list[tuple[ast.AST, int]]:
    """Returns the lambdas in a source with the parameters of `code`, each with the number of lines before it.

    The source of a lambda is the whole lines that contain it, which alone may be no valid code.
    """
    found: list[tuple[ast.AST, int]] = []
    for match in re.finditer(r"\blambda\b", source):
        text = source[match.start() :]
        ends = [len(text), *(each.start() for each in re.finditer(r"[,)\]}\n]", text))]
        for end in sorted(ends, reverse=True):
            with suppress(SyntaxError, ValueError, RecursionError):
                tree = ast.parse(f"({text[:end]})")
                node = next(node for node in ast.walk(tree) if isinstance(node, ast.Lambda))
                parameters = (*node.args.posonlyargs, *node.args.args)
                if [each.arg for each in parameters] == list(code.co_varnames[: code.co_argcount]):
                    found.append((node, source.count("\n", 0, match.start())))
                break
    return found


class _Names:
    """The objects of libraries to which the names in a function refer."""

    def __init__(self, function: FunctionType, tree: ast.AST) -> None:
        self._function = function
        self._cells = dict(
            zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        )
        self._local = set(_local_names(function.__code__))
        self._imported: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    self._imported[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self._imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def of(self, node: ast.AST) -> tuple[str, ...]:
        """Returns the names of the object to which a name with attributes refers; empty if it is not known."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ()
        tail = ".".join(reversed(attributes))
        return tuple(f"{base}.{tail}" if tail else base for base in self._bases(node.id))

    def _bases(self, name: str) -> tuple[str, ...]:
        if name in self._imported:
            return (self._imported[name],)
        if name in self._cells:
            try:
                return _names_of(self._cells[name].cell_contents)
            except ValueError:  # the variable has no value yet
                return ()
        if name in self._local:
            return ()
        namespace = self._function.__globals__
        if name not in namespace:
            function: Any = self._function  # not every version of its stub has the attribute
            namespace = function.__builtins__
        return _names_of(namespace.get(name))


def _local_names(code: CodeType) -> Iterator[str]:
    yield from code.co_varnames
    yield from code.co_cellvars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _local_names(constant)


#: The modules in C behind the module `os`.
_SYSTEM = ("posix", "nt")


def _names_of(value: Any) -> tuple[str, ...]:
    """Returns the names of a module, class or function: with the module that defines it, and those around it.

    An extension module such as ``pyarrow._csv`` stands behind a public one, whose name counts too.
    """
    if isinstance(value, ModuleType):
        return (value.__name__,)
    is_code = isinstance(value, (type, FunctionType, MethodType, BuiltinFunctionType))
    if not is_code and type(value).__name__ != "cython_function_or_method":
        return ()
    module, name = value.__module__, value.__qualname__
    if module is None and isinstance(value, BuiltinFunctionType):
        owner = value.__self__
        module = (owner if isinstance(owner, type) else type(owner)).__module__
    if not isinstance(module, str):
        return ()
    parts = ("os" if module in _SYSTEM else module).split(".")
    public = [part.lstrip("_") for part in parts]
    ends = range(len(parts), 0, -1)
    found = [".".join((*each[:end], name)) for each in (parts, public) for end in ends]
    return tuple(dict.fromkeys(found))
