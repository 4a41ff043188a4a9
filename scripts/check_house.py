"""Checks rules of this project that no linter has: words, import directions, module names in strings, file lengths.

    python scripts/check_house.py

Prints each violation as FILE:LINE: TEXT, and exits with 1 if there is any. CONTRIBUTING.md gives the reasons.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Words for persons, which must not stand for a thread, process, caller, reader or file.
WORDS = re.compile(
    r"\b(who|whoever|whom|somebody|someone|nobody|anybody|anyone|everybody|everyone|others)\b", re.I
)
#: The token type of the text in f-strings, from Python 3.12 on.
FSTRING_MIDDLE = getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)
CHECKED = (".md", ".py", ".pyi", ".rs", ".sh", ".toml", ".yml")
#: Decisions are history, and the code of conduct is an external text.
EXEMPT = ("docs/decisions/", "scripts/check_house.py", "CODE_OF_CONDUCT.md")

#: A file of the extension holds one noun, and few of them need more lines.
MAX_RUST_LINES = 400

#: Packages from the lowest to the highest. None imports a higher one, except by the table of callbacks.
LAYERS = (
    ("funes.errors", "funes._funes", "funes._atomic_json", "funes._warnings"),
    ("funes._code", "funes._values", "funes._entries"),
    ("funes._results",),
    ("funes._memo", "funes._call"),
    ("funes._remote",),
    ("funes._tools", "funes._sweeps"),
    ("funes._hooks", "funes.types", "funes"),
)


def files() -> Iterator[str]:
    """Yields the files that are checked, as paths below the root."""
    listed = subprocess.run(
        ["git",  # noqa: S607
         "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.split():
        if name.endswith(CHECKED) and not name.startswith(EXEMPT) and (ROOT / name).exists():
            yield name


def words() -> Iterator[str]:
    """Yields uses of words for persons."""
    for name in files():
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
        for start, prose in prose_of(name, text):
            for found in WORDS.finditer(
                re.sub(r"`[^`\n]*`", lambda code: " " * len(code.group()), prose)
            ):
                line = start + prose.count("\n", 0, found.start())
                yield f"{name}:{line}: name the thread, process, caller or file instead of {found.group()!r}"


def prose_of(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yields comments and strings of a source file with their first lines; the whole text of other files."""
    if name.endswith((".py", ".pyi")):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING, FSTRING_MIDDLE):
                yield token.start[0], token.string
    elif name.endswith(".rs"):
        for number, line in enumerate(text.splitlines(), 1):
            yield from ((number, found.group()) for found in re.finditer(r'//.*|"[^"]*"', line))
    else:
        yield 1, text


def modules() -> dict[str, ast.Module]:
    """Parses the modules of the package."""
    top = ROOT / "python"
    found = {}
    for path in sorted(top.glob("funes/**/*.py")):
        name = ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(
    name: str, tree: ast.Module, known: dict[str, ast.Module], for_types: bool = True
) -> dict[str, int]:
    """Returns the modules of funes that a module imports, also lazily, with a line for each.

    for_types: include imports for type checkers only.
    """
    found: dict[str, int] = {}
    typed = [
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for part in branch.body
        for node in ast.walk(part)
    ]
    for node in ast.walk(tree):
        if not for_types and node in typed:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "funes":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.setdefault(whole if whole in known else str(node.module), node.lineno)
    found.pop(name, None)
    return found


def layer(module: str) -> int:
    """Returns the number of the layer of a module; 0 is the lowest."""
    for number, packages in enumerate(LAYERS):
        if any(
            module == package or module.startswith(f"{package}.")
            for package in packages
            if package != "funes"
        ):
            return number
    return len(LAYERS) - 1


def directions() -> Iterator[str]:
    """Yields imports of higher layers, and import cycles."""
    known = modules()
    edges = {name: imports(name, tree, known) for name, tree in known.items()}
    for name in edges:
        if name in ("funes", "funes.__main__", "funes._hooks", "funes.types"):
            continue
        for target, line in imports(name, known[name], known, for_types=False).items():
            if layer(target) > layer(name):
                yield f"python/{name.replace('.', '/')}.py:{line}: imports {target}, which lies above it"
    for circle in circles(
        {
            name: [*targets]
            for name, targets in edges.items()
            if name not in ("funes", "funes._hooks")
        }
    ):
        yield f"python/funes: these import each other: {', '.join(circle)}"


def circles(edges: dict[str, list[str]]) -> Iterator[list[str]]:
    """Yields strongly connected components of more than one module (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for target in edges.get(node, ()):
            if target not in order:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], order[target])
        if low[node] == order[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in edges:
        if node not in order:
            visit(node)
    yield from found


def strings() -> Iterator[str]:
    """Yields strings in Rust or Python that name a module of funes."""
    private = re.compile(r"""["']funes\._(?!funes\b)\w+""")
    for name in files():
        if not name.startswith(("python/", "rust/py/src/")):
            continue
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            if private.search(line.partition("//")[0] if name.endswith(".rs") else line):
                yield f"{name}:{number}: names a module by a string: register a callback in funes/_hooks.py"


def lengths() -> Iterator[str]:
    """Yields files of the extension that are too long."""
    for path in sorted((ROOT / "rust/py/src").glob("**/*.rs")):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_RUST_LINES:
            yield f"{path.relative_to(ROOT)}:{lines}: more than {MAX_RUST_LINES} lines: split it by nouns"


def main() -> int:
    """Prints the violations."""
    found = [*words(), *directions(), *strings(), *lengths()]
    print("\n".join(found), end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
