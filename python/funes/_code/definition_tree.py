"""The graph of a definition, for people, as a tree on the screen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, TextIO

from funes._funes import definition_graph

Node = dict[str, Any]


def explain_definition(function: Any, file: TextIO | None = None) -> None:
    """Print what the definition of a function or class consists of, as a tree.

    Shown are the functions and classes that are followed, the values that count, and where it stops: at libraries,
    which count by name, and at what cannot be hashed, which counts by its type.

    Args:
        function: A function, memorious or not, or a class.
        file: Where to print; the standard output by default.

    Raises:
        TypeError: It is neither.

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
        print(f"{function!r} is a library's: it counts by its name", file=out)
        return
    for line in _tree(nodes):
        print(line, file=out)


def _tree(nodes: list[Node]) -> Iterator[str]:
    shown: set[int] = set()
    # Lines to come, the next one last: the text before the branch, the branch, label, position of a node or text.
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
    for label, link in sorted(node["links"].items()):
        if "nodes" in link:
            for position in link["nodes"]:
                yield label, position, ""
        elif "doubt" in link:
            yield label, None, f": by its type only, {link['type'][0]}, since {link['doubt']}"
        elif "names" in link:
            yield label, None, f": by name, {', '.join(dict.fromkeys(link['names']))}"
        else:
            yield label, None, f" = {link['shown']}"
