"""Type rules for networkx: a graph by its nodes in their order, its edges, and their attributes.

The order of the nodes counts: it is the order of the rows of a matrix made from the graph. The
order of the edges does not: copying a graph changes it. Whether it is frozen counts: `freeze` sets
attributes in the place of its methods. Caches, and whether it is a view of another graph, do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Rule = Callable[[Any], object]


def _graph(value: Any) -> object:
    # Node -> neighbour -> attributes of the edge; in a multigraph, the edges by key come between.
    levels = 4 if value.is_multigraph() else 3
    return value.graph, list(value._node.items()), _plain(value._adj, levels)


def _plain(mapping: Mapping[Any, Any], levels: int) -> Mapping[Any, Any]:
    """Replaces the filtered mappings of a view by dicts."""
    if type(mapping) is dict or levels == 0:
        return mapping
    return {key: _plain(value, levels - 1) for key, value in mapping.items()}


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    f"networkx.classes.{name.lower()}.{name}": (f"networkx.{name}", _graph)
    for name in ("Graph", "DiGraph", "MultiGraph", "MultiDiGraph")
}

_COVERED = frozenset(
    {
        "_EDGE_OK",
        "_NODE_OK",
        "__networkx_cache__",
        "_adj",
        "_graph",
        "_node",
        "_pred",
        "_succ",
        "adjlist_inner_dict_factory",
        "adjlist_outer_dict_factory",
        "edge_attr_dict_factory",
        "edge_key_dict_factory",
        "graph",
        "graph_attr_dict_factory",
        "node_attr_dict_factory",
        "node_dict_factory",
    }
)

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = dict.fromkeys(RULES, _COVERED)
