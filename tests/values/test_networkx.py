"""networkx: graphs count by nodes, edges and their attributes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import networkx as nx
import pytest

from funes import hash_value
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

KINDS = (nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph)
with_each = pytest.mark.parametrize("kind", KINDS)


def made(kind: type[Any], edges: tuple[tuple[int, int], ...] = ((1, 2), (2, 3), (3, 1))) -> Any:
    graph = kind(name="g")
    graph.add_node(1, colour="red")
    graph.add_nodes_from([2, 3])
    graph.add_edges_from(edges, weight=0.5)
    return graph


@with_each
def test_history_does_not_count(kind: type[Any]) -> None:
    graph = made(kind)
    assert_all_equal(
        [
            graph,
            made(kind),
            made(kind, ((3, 1), (2, 3), (1, 2))),
            graph.copy(),
            copy.deepcopy(graph),
            pickle.loads(pickle.dumps(graph)),
        ]
    )
    # Views are frozen.
    assert_all_equal(
        [
            nx.freeze(graph.copy()),
            graph.subgraph([1, 2, 3]),
            nx.subgraph_view(graph),
            pickle.loads(pickle.dumps(nx.freeze(graph.copy()))),
        ]
    )
    bigger = made(kind)
    bigger.add_edge(3, 4)
    bigger.remove_node(4)
    assert_all_equal([graph, bigger])


@with_each
def test_every_part_counts(kind: type[Any]) -> None:
    changes: list[Callable[[Any], Any]] = [
        lambda graph: graph.add_node(4),
        lambda graph: graph.remove_node(3),
        lambda graph: graph.remove_edge(1, 2),
        lambda graph: graph.add_edge(1, 1),
        lambda graph: graph.graph.update(name="h"),
        lambda graph: graph.nodes[1].update(colour="blue"),
        lambda graph: graph.nodes[2].update(colour="red"),
        lambda graph: next(iter(graph.edges(data=True)))[2].update(weight=0.6),
    ]
    graphs = [made(kind)]
    for change in changes:
        graph = made(kind)
        change(graph)
        graphs.append(graph)
    assert_all_differ(graphs)
    assert_all_equal([nx.freeze(graphs[2].copy()), made(kind).subgraph([1, 2])])
    assert_all_differ([graphs[2], made(kind).subgraph([1, 2])])


def test_kinds_differ() -> None:
    assert_all_differ(map(made, KINDS))
    assert_all_differ([nx.DiGraph([(1, 2)]), nx.DiGraph([(2, 1)]), nx.DiGraph([(1, 2), (2, 1)])])
    assert_all_differ(
        [nx.MultiGraph([(1, 2)]), nx.MultiGraph([(1, 2), (1, 2)]), nx.MultiGraph([(1, 2, "k")])]
    )


@with_each
def test_the_order_of_nodes_counts(kind: type[Any]) -> None:
    # It is the order of the rows of a matrix made from the graph.
    one, two = kind(), kind()
    one.add_nodes_from([1, 2])
    two.add_nodes_from([2, 1])
    assert_all_differ([one, two])
    for graph in (one, two):
        graph.add_edge(1, 2)
    assert_all_differ([one, two])
    assert_all_differ([kind([(1, 2), (2, 3)]), kind([(2, 3), (1, 2)])])


@with_each
def test_the_order_of_edges_does_not_count(kind: type[Any]) -> None:
    edges = [(1, 2), (1, 3), (2, 3)]
    graphs = []
    for order in (edges, edges[::-1], [edges[1], edges[0], edges[2]]):
        graph = kind()
        graph.add_nodes_from([1, 2, 3])
        graph.add_edges_from(order)
        graphs.append(graph)
    assert_all_equal(graphs)
    if graphs[0].is_multigraph():
        # The key of an edge counts, since it distinguishes parallel edges.
        one, two = kind(), kind()
        for graph, weights in ((one, (1, 2)), (two, (2, 1))):
            for weight in weights:
                graph.add_edge("a", "b", weight=weight)
        assert_all_differ([one, two])


def test_caches_of_a_graph_do_not_count() -> None:
    for kind in KINDS:
        graph = made(kind)
        before = hash_value(graph)
        list(graph.edges), list(graph.nodes), graph.adj, dict(graph.degree)
        graph.__networkx_cache__["kept"] = object()
        assert hash_value(graph) == before


class Network(nx.DiGraph):
    pass


def test_subclass_counts_with_its_attributes() -> None:
    one, two, three = (made(Network) for _ in range(3))
    list(two.edges), two.adj, two.nodes
    three.unit = "km"
    assert_all_equal([one, two, pickle.loads(pickle.dumps(one))])
    assert_all_differ([one, three, made(nx.DiGraph)])


def test_graph_that_contains_itself() -> None:
    def ring() -> Any:
        graph = nx.Graph()
        graph.add_node(1, within=graph)
        return graph

    assert_all_equal([ring(), ring()])


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import networkx as nx
graph = nx.karate_club_graph()
named = nx.MultiDiGraph([("a", "b"), ("b", "c"), ("a", "b")], kind={"x", "y", "z"})
values = [graph, named, nx.path_graph(5), nx.freeze(nx.path_graph(5))]
""",
    )
