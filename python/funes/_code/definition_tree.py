"""Prints the graph of a definition as a tree."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, TextIO

from funes._funes import definition_graph

Node = dict[str, Any]


def explain_definition(function: Any, file: TextIO | None = None) -> None:
    """Prints the definition of a function or class as a tree.

    The tree shows the functions and classes of your own code and the values that count. Its leaves
    are library code, which counts by name, and values that cannot be hashed, which count by type.

    Args:
        function: A function, memorious or not, or a class.
        file: The file to print to; by default the standard output.

    Raises:
        TypeError: The argument is neither a function nor a class.

    Example:
        >>> FACTOR = 2
        >>> def double(x):
        ...     return x * FACTOR
        >>> explain_definition(double)  # doctest: +SKIP
        mine.double (function)
        `- global FACTOR = 2
    """
    if not callable(function):
        raise TypeError(f"explain_definition takes a function or a class, not {function!r}")
    nodes = definition_graph(function)
    out = sys.stdout if file is None else file
    if not nodes:
        print(f"{function!r} is library code: it counts by its name", file=out)
        return
    for line in _tree(nodes):
        print(line, file=out)


def _tree(nodes: list[Node]) -> Iterator[str]:
    shown: set[int] = set()
    # A stack of lines: indentation, branch, label, the position of a node or None, and a string.
    pending: list[tuple[str, str, str, int | None, str]] = [("", "", "", 0, "")]
    while pending:
        before, branch, label, position, text = pending.pop()
        lead = before + branch
        if position is None:
            yield f"{lead}{label}{text}"
            continue
        node = nodes[position]
        title = f"{node['name']} ({node['kind']})"
        arrow = f"{label} -> " if label else ""
        if position in shown:
            yield f"{lead}{arrow}{title}, see above" if node["links"] else f"{lead}{arrow}{title}"
            continue
        shown.add(position)
        yield f"{lead}{arrow}{title}"
        below = before + {"": "", "|- ": "|  ", "`- ": "   "}[branch]
        children = list(_children(node))
        for index, (child_label, child, child_text) in reversed(list(enumerate(children))):
            last = index == len(children) - 1
            pending.append((below, "`- " if last else "|- ", child_label, child, child_text))


def _children(node: Node) -> Iterator[tuple[str, int | None, str]]:
    for label, reference in sorted(node["links"].items()):
        if "nodes" in reference:
            for position in reference["nodes"]:
                yield label, position, ""
        elif "warning" in reference:
            kind, reason = reference["type"][0], reference["warning"]
            yield label, None, f": by its type only, {kind}, because {reason}"
        elif "names" in reference:
            yield label, None, f": by name, {', '.join(dict.fromkeys(reference['names']))}"
        else:
            yield label, None, f" = {reference['shown']}"
