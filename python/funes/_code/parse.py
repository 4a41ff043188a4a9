"""Parses source code, and finds the function that compiles to a given code object."""

from __future__ import annotations

import ast
import contextvars
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import CodeType
from typing import Any

from funes._code.bytecode import nested_codes, same_code
from funes._code.normalize import Content, FunctionNode, content
from funes._code.read_parts import ALL_READERS
from funes._code.scopes import Names, names_of


class SourceFunction:
    """A function in source code."""

    def __init__(self, node: FunctionNode, private: str, lines: list[str], line: int) -> None:
        self._node: FunctionNode | None = node
        self._lines = lines
        self._parts: tuple[Content, Names, frozenset[str]] | None = None
        #: The line on which the function starts, counted from 1.
        self.line = line
        #: The name of the enclosing class, which mangles `__name`; empty if there is none.
        self.private = private

    @property
    def content(self) -> Content:
        """The normalized tree of the function."""
        return self._analyzed()[0]

    @property
    def names(self) -> Names:
        """The free names of the function."""
        return self._analyzed()[1]

    @property
    def readers(self) -> frozenset[str]:
        """The names of `ALL_READERS` that the function uses."""
        return self._analyzed()[2]

    @property
    def source(self) -> str:
        """The source code of the function, for display; for a lambda, the whole lines that contain it."""
        margin = len(self._lines[0]) - len(self._lines[0].lstrip())
        return "".join(line[margin:] if line[:margin].isspace() else line for line in self._lines)

    def _analyzed(self) -> tuple[Content, Names, frozenset[str]]:
        node = self._node
        if self._parts is None and node is not None:
            tree, names = content(node), names_of(node, self.private)
            self._parts = tree, names, tree.readers | readers_among(names)
            # Drop the tree: it is a hundred times larger than these results, and each garbage
            # collection would visit it.
            self._node = None
        assert self._parts is not None
        return self._parts


def readers_among(names: Names) -> frozenset[str]:
    """Returns the names of `ALL_READERS` among the free names of code."""
    found = {read.chain[0] for read in names.reads}
    found.update(part for origin in names.imports for part in (origin.module, *origin.chain))
    return ALL_READERS & found


_Found = list[tuple[SourceFunction, CodeType]]


class Fragment:
    """The compiled code of a range of lines of a file.

    start: The number of lines in the file before the range.
    flags: The flags of the `__future__` features with which the file was compiled.
    is_rewritten: If true, the lines are compiled with pytest's rewritten assertions.
    """

    def __init__(
        self, filename: str, lines: list[str], start: int, flags: int, is_rewritten: bool
    ) -> None:
        self._by_name: dict[str, _Found] = {}
        self._by_line: dict[tuple[str, int], _Found] = {}
        # Where warnings are aware of contexts (without the GIL by default), the filters of the
        # present context come before those of the process. An empty context has none.
        run = contextvars.Context().run
        functions, codes = run(_compiled, filename, lines, flags, is_rewritten)
        for code in codes:
            name = code.co_name
            function = functions.get((name, code.co_firstlineno))
            if function is not None:
                self._by_name.setdefault(name, []).append((function, code))
                self._by_line.setdefault((name, function.line + start), []).append((function, code))

    def find(self, code: CodeType) -> SourceFunction | None:
        """Returns the function that compiles to `code`, if there is one.

        Tries functions on the same line first, then other functions, since edits above the function
        may have moved it.
        """
        for candidates in (
            self._by_line.get((code.co_name, code.co_firstlineno), ()),
            self._by_name.get(code.co_name, ()),
        ):
            for function, compiled in candidates:
                if same_code(compiled, code):
                    return function
        return None


# Maps the name and the first line of a code object to the function.
_Functions = dict[tuple[str, int], SourceFunction]


def _compiled(
    filename: str, lines: list[str], flags: int, is_rewritten: bool
) -> tuple[_Functions, Iterable[CodeType]]:
    """Returns the functions and code objects of some source lines; empty if they do not compile."""
    try:
        with _without_warnings():
            tree = _parsed(filename, lines, flags)
            functions = _functions(tree, lines)
            if is_rewritten:
                tree = _parsed(filename, lines, flags)
                _functions(tree, lines)  # moves the lambdas as in the first tree
                _rewrite_asserts(tree, lines)
            # A notebook cell may have `await` outside a function. The flag changes nothing else.
            flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            code = compile(tree, filename, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError):
        return {}, ()
    return functions, nested_codes(code)


_IGNORE_ALL: list[Any] = [("ignore", None, Warning, None, 0)]


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppresses warnings about the source, which Python showed when it compiled the source first.

    `warnings.catch_warnings` would also reset Python's record of warnings that were already shown.
    """
    filters = warnings.filters
    # Another thread may be here, too. Only the thread that replaced the filters restores them.
    if filters is not _IGNORE_ALL:
        warnings.filters = _IGNORE_ALL
    try:
        yield
    finally:
        if filters is not _IGNORE_ALL:
            warnings.filters = filters


def _parsed(filename: str, lines: list[str], flags: int) -> ast.Module:
    flags |= ast.PyCF_ONLY_AST
    tree = compile("".join(lines), filename, "exec", flags, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def _functions(tree: ast.Module, lines: list[str]) -> _Functions:
    """Returns the functions of a tree.

    Moves lambdas that share a line to separate lines after the last line, since only the line
    number distinguishes their code objects.
    """
    functions: _Functions = {}
    lambdas: dict[int, list[tuple[ast.Lambda, SourceFunction]]] = {}
    for node, private in _functions_under(tree, any("lambda" in line for line in lines)):
        line = _first_line(node)
        function = SourceFunction(node, private, lines[line - 1 : node.end_lineno], line)
        if isinstance(node, ast.Lambda):
            lambdas.setdefault(line, []).append((node, function))
        else:
            functions[node.name, line] = function
    for line, group in lambdas.items():
        if len(group) > 1:
            _spread([node for node, _ in group], line, len(lines))
    for group in lambdas.values():
        functions.update((("<lambda>", node.lineno), function) for node, function in group)
    return functions


def _first_line(node: FunctionNode) -> int:
    if isinstance(node, ast.Lambda) or not node.decorator_list:
        return node.lineno
    return node.decorator_list[0].lineno


def _spread(lambdas: list[ast.Lambda], line: int, last_line: int) -> None:
    """Changes the line numbers of lambdas that share a line, so that different lambdas are on different lines.

    The content of a lambda moves with it, and an outer lambda moves before the lambdas inside. Equal
    lambdas stay on one line, since the compiler may have merged them.
    """
    numbers: dict[str, int] = {}
    for node in lambdas:
        number = numbers.setdefault(ast.dump(node), len(numbers) + 1)
        ast.increment_lineno(node, line + number * last_line - node.lineno)


def _functions_under(tree: ast.Module, has_lambdas: bool) -> Iterator[tuple[FunctionNode, str]]:
    """Yields all functions in a tree, each with the name of the enclosing class."""
    # Expressions contain no functions other than lambdas.
    children = ast.iter_child_nodes if has_lambdas else _statements_in
    pending: list[tuple[ast.AST, str]] = [(tree, "")]
    while pending:
        node, private = pending.pop()
        if isinstance(node, ast.ClassDef):
            outside = (*node.decorator_list, *node.bases, *node.keywords)
            pending += ((child, private) for child in outside)
            pending += ((child, node.name.lstrip("_")) for child in node.body)
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node, private
        pending += ((child, private) for child in children(node))


def _statements_in(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the statements directly inside a statement, its exception handlers, and its match cases."""
    for block in _BLOCKS.get(type(node), ()):
        yield from getattr(node, block)


_BLOCK_NAMES = ("body", "orelse", "handlers", "finalbody", "cases")
_BLOCK_HOLDERS: tuple[type[ast.AST], ...] = (
    ast.Module,
    ast.ExceptHandler,
    ast.match_case,
    *ast.stmt.__subclasses__(),
)
_BLOCKS = {
    kind: tuple(field for field in kind._fields if field in _BLOCK_NAMES) for kind in _BLOCK_HOLDERS
}


def _rewrite_asserts(tree: ast.Module, lines: list[str]) -> None:
    """Rewrites the assertions of a tree as pytest does in test modules."""
    rewrite: Any = sys.modules["_pytest.assertion.rewrite"]
    hooks = (hook for hook in sys.meta_path if isinstance(hook, rewrite.AssertionRewritingHook))
    config = getattr(next(hooks, None), "config", None)
    # Another version of pytest may rewrite in another way. Then the code does not match, and the
    # byte code counts.
    with suppress(Exception):
        rewrite.rewrite_asserts(tree, "".join(lines).encode(), None, config)
