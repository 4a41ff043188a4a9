"""Compares two definitions by their `definition.json` files."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Node = dict[str, Any]
Reference = dict[str, Any]


class Change(NamedTuple):
    """A difference between two definitions. `str` formats it in one line.

    Example:
        >>> print(Change("changed", "value", "RATE", "mine.step", "0.1", "0.2"))
        RATE: 0.1 -> 0.2
    """

    how: Literal["changed", "added", "removed"]
    #: The kind of thing that changed: ``"function"``, ``"class"`` or another kind of code;
    #: ``"value"``; ``"depends_on"``; or ``"unknown"``.
    what: str
    #: The qualified name of the code that changed, or the name of the value that changed.
    name: str
    #: The qualified name of the code that holds or reads the value; empty if code changed.
    of: str = ""
    #: A short representation of the value before the change. `after` is that after the change.
    before: str = ""
    after: str = ""
    #: A unified diff of the source, if the code itself changed and both sources are recorded.
    diff: str = ""

    def __str__(self) -> str:
        if self.what == "unknown":
            return self.name
        if self.what in ("value", "depends_on"):
            return self._value()
        if self.how != "changed":
            return f"{self.name} ({self.what}) {self.how}"
        if not self.diff:
            return f"{self.name} ({self.what}) changed; no source is recorded"
        lines = self.diff.splitlines()[2:]
        more, less = (sum(line.startswith(sign) for line in lines) for sign in "+-")
        return f"{self.name} ({self.what}) changed: {_lines(more)} added, {_lines(less)} removed"

    def _value(self) -> str:
        if self.how == "added":
            return f"{self.name} = {self.after} added"
        if self.how == "removed":
            return f"{self.name} = {self.before} removed"
        if self.before == self.after:
            return f"{self.name}: {self.before} -> another {self.after}"
        return f"{self.name}: {self.before} -> {self.after}"


def _lines(count: int) -> str:
    return f"{count} line" if count == 1 else f"{count} lines"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Lists the differences between two definitions.

    The nodes of both definitions are matched, beginning with the memorious function. Two nodes match
    if equal references lead to them, or if they have the same name and kind. A renamed function is
    listed as a removed one and an added one.

    Args:
        old: The content of the `definition.json` of one definition; see docs/format.md.
        new: The content of the `definition.json` of the other definition.

    Returns:
        The changes; those nearest to the memorious function come first. The list is empty if the
        definitions are equal. If they differ in something that the files do not record, the list
        contains one change of the kind ``"unknown"``.

    Example:
        >>> node = {"name": "mine.f", "kind": "function", "own": "", "source": ""}
        >>> old = {"nodes": [{**node, "links": {"global RATE": {"value": "1", "shown": "0.1"}}}]}
        >>> new = {"nodes": [{**node, "links": {"global RATE": {"value": "2", "shown": "0.2"}}}]}
        >>> [str(change) for change in changes(old, new)]
        ['RATE: 0.1 -> 0.2']
    """
    reported: dict[Change, Change] = {}
    for change in _of_nodes(old["nodes"], new["nodes"]):
        # A global is reported once, even if several functions read it.
        reported.setdefault(change._replace(of=""), change)
    found = list(reported.values())
    found += _of_depends_on(old.get("depends_on"), new.get("depends_on"))
    if not found and old.get("definition") != new.get("definition"):
        reason = (
            "depends_on=, or another input that is not recorded"
            if "depends_on" not in old or "depends_on" not in new
            else "an input that is not recorded"
        )
        found.append(Change("changed", "unknown", reason))
    return found


def _of_nodes(old: Sequence[Node], new: Sequence[Node]) -> Iterator[Change]:
    pairs = _Pairs(old, new)
    for position, node in enumerate(new):
        partner = pairs.old_of.get(position)
        if partner is None:
            yield Change("added", node["kind"], node["name"])
        else:
            yield from _of_node(old[partner], node, pairs)
    for position, node in enumerate(old):
        if position not in pairs.new_of:
            yield Change("removed", node["kind"], node["name"])


class _Pairs:
    """The matching of the nodes of two definitions."""

    def __init__(self, old: Sequence[Node], new: Sequence[Node]) -> None:
        self.old, self.new = old, new
        self.old_of: dict[int, int] = {}
        self.new_of: dict[int, int] = {}
        if old and new:
            self._pair(0, 0)
        # Nodes to which other references lead now are matched by name.
        by_name: dict[tuple[str, str], deque[int]] = {}
        for position, node in enumerate(old):
            by_name.setdefault((node["name"], node["kind"]), deque()).append(position)
        for position, node in enumerate(new):
            same = by_name.get((node["name"], node["kind"]), deque())
            while same and same[0] in self.new_of:
                same.popleft()
            if same and position not in self.old_of:
                self._pair(same.popleft(), position)

    def _pair(self, old: int, new: int) -> None:
        """Matches two nodes, then the nodes to which both refer under the same label."""
        waiting = deque([(old, new)])
        while waiting:
            old, new = waiting.popleft()
            if old in self.new_of or new in self.old_of:
                continue
            self.new_of[old], self.old_of[new] = new, old
            before = self.old[old]["links"]
            for label, reference in self.new[new]["links"].items():
                waiting += self._alike(
                    before.get(label, {}).get("nodes", ()), reference.get("nodes", ())
                )

    def has_changed_code(self, old: Sequence[int]) -> bool:
        """Returns true if the own code of one of these functions or classes has changed."""
        return any(
            position not in self.new_of
            or self.old[position]["own"] != self.new[self.new_of[position]]["own"]
            for position in old
        )

    def _alike(self, old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[int, int]]:
        left = list(old)
        for position in new:
            for other in left:
                if _is_alike(self.old[other], self.new[position]):
                    left.remove(other)
                    yield other, position
                    break


def _is_alike(old: Node, new: Node) -> bool:
    # The module is not compared: a script that runs is `__main__`, and has another name if
    # imported.
    return old["kind"] == new["kind"] and _last(old["name"]) == _last(new["name"])


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _of_node(old: Node, new: Node, pairs: _Pairs) -> Iterator[Change]:
    if old["own"] != new["own"] or old["kind"] != new["kind"]:
        yield Change("changed", new["kind"], new["name"], diff=_diff(old, new))
    labels = dict.fromkeys((*new["links"], *old["links"]))
    for label in labels:
        before, after = old["links"].get(label), new["links"].get(label)
        if _is_equal(before, after, pairs):
            continue
        name = _name_of(label, new["name"])
        if before is None:
            if not _is_code(after):  # added code is reported as a node
                yield Change("added", "value", name, new["name"], after=_shown(after, pairs.new))
        elif after is None:
            if not _is_code(before):
                yield Change(
                    "removed", "value", name, new["name"], before=_shown(before, pairs.old)
                )
        else:
            texts = _shown(before, pairs.old), _shown(after, pairs.new)
            yield Change("changed", "value", name, new["name"], *texts)


def _is_equal(before: Reference | None, after: Reference | None, pairs: _Pairs) -> bool:
    if before is None or after is None:
        return before is after
    if "nodes" in before and "nodes" in after:
        if {pairs.new_of.get(position) for position in before["nodes"]} != set(after["nodes"]):
            return False
        # The hash of an object also differs if its code changed. Then only the code is reported.
        values = before.get("value"), after.get("value")
        return None in values or values[0] == values[1] or pairs.has_changed_code(before["nodes"])
    # Two different values may have equal short representations, and two equal values may have
    # different ones.
    return all(before.get(part) == after.get(part) for part in ("nodes", "names", "type", "value"))


def _is_code(reference: Reference | None) -> bool:
    return reference is not None and "nodes" in reference and "value" not in reference


def _shown(reference: Reference | None, nodes: Sequence[Node]) -> str:
    if reference is None:
        return ""
    if _is_code(reference):
        return ", ".join(nodes[position]["name"] for position in reference["nodes"])
    names = reference.get("names") or reference.get("type")
    return ", ".join(dict.fromkeys(names)) if names else str(reference.get("shown"))


def _name_of(label: str, owner: str) -> str:
    """Returns the name that is shown for the label of a reference."""
    kind, _, name = label.partition(" ")
    name = name.removesuffix(" by name")
    if kind == "global":
        return name
    if kind == "environment":
        return label
    if kind == "attribute":
        return f"{owner}.{name}"
    return f"{label} of {owner}"


def _diff(old: Node, new: Node) -> str:
    if not old["source"] or not new["source"]:
        return ""
    lines = difflib.unified_diff(
        old["source"].splitlines(),
        new["source"].splitlines(),
        f"{old['name']} before",
        f"{new['name']} after",
        lineterm="",
    )
    return "\n".join(lines)


def _of_depends_on(
    old: Sequence[Reference] | None, new: Sequence[Reference] | None
) -> Iterator[Change]:
    if old is None or new is None:
        return
    for position in range(max(len(old), len(new))):
        before, after = (side[position] if position < len(side) else None for side in (old, new))
        texts = _shown(before, ()), _shown(after, ())
        if before is None:
            yield Change("added", "depends_on", "depends_on", after=texts[1])
        elif after is None:
            yield Change("removed", "depends_on", "depends_on", before=texts[0])
        elif before.get("value") != after.get("value"):
            yield Change("changed", "depends_on", "depends_on", "", *texts)
