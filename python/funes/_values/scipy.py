"""Type rules for scipy: sparse matrices and arrays in a canonical form per format; k-d trees.

In the canonical form, indices are sorted, duplicates are summed, and the index width follows from
the shape; the object itself is not changed. The format counts, and so do stored zeros: `nnz` and
graph algorithms see them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], object]


def _compressed(value: Any) -> object:
    """Reduces a matrix that is compressed by row (csr, bsr) or by column (csc)."""
    from scipy import sparse

    # A second object over the same memory, so that no flag is set in the first one.
    tidy = getattr(sparse, f"{value.format}_array")(
        (value.data, value.indices, value.indptr), shape=value.shape, copy=False
    )
    if not tidy.has_canonical_format:
        tidy = tidy.copy()
        tidy.sum_duplicates()
    # The arrays may be longer than the number of stored elements.
    count = int(tidy.indptr[-1])
    width = _width(value.shape, count)
    indices, starts = (each.astype(width, copy=False) for each in (tidy.indices, tidy.indptr))
    return value.shape, starts, indices[:count], tidy.data[:count]


def _width(shape: tuple[int, ...], count: int) -> str:
    return "i4" if max(*shape, count) < 2**31 else "i8"


def _coordinates(value: Any) -> object:
    from numpy import add, concatenate, lexsort

    # `coords` came with scipy 1.13.
    places = value.coords if hasattr(value, "coords") else (value.row, value.col)
    order = lexsort(places[::-1])
    width = _width(value.shape, len(order))
    places = [place[order].astype(width, copy=False) for place in places]
    data = value.data[order]
    if len(order):
        differs = concatenate([[True], sum(place[1:] != place[:-1] for place in places) > 0])
        if not differs.all():
            data = add.reduceat(data, differs.nonzero()[0], dtype=data.dtype)
            places = [place[differs] for place in places]
    return value.shape, *places, data


def _diagonals(value: Any) -> object:
    """Reduces a matrix to its diagonals, without positions outside of the matrix."""
    from numpy import zeros

    rows, columns = value.shape
    diagonals = []
    for place in value.offsets.argsort():
        offset = int(value.offsets[place])
        first, last = max(0, offset), min(rows + offset, columns)
        if first < last:
            stored = value.data[place, first:last]
            diagonal = zeros(last - first, value.dtype)
            diagonal[: len(stored)] = stored
            diagonals.append((offset, diagonal))
    return value.shape, value.dtype, diagonals


def _keys(value: Any) -> object:
    return _coordinates(value.tocoo())


def _lists(value: Any) -> object:
    return _compressed(value.tocsr())


def _tree(value: Any) -> object:
    """Reduces a k-d tree to its points and splits: its pickled state contains addresses."""
    from numpy import array
    from scipy.spatial import cKDTree

    places, splits = [], []
    todo = [cKDTree.tree.__get__(value)]  # `KDTree.tree` has nodes of another type
    while todo:
        node = todo.pop()
        places.append((node.start_idx, node.end_idx, node.split_dim))
        if node.split_dim >= 0:
            splits.append(node.split)
            todo += node.lesser, node.greater
    parts = value.data, value.boxsize, value.leafsize, value.indices
    return *parts, array(places, "i8"), array(splits, "f8")


_FORMATS: dict[str, Rule] = {
    "bsr": _compressed,
    "coo": _coordinates,
    "csc": _compressed,
    "csr": _compressed,
    "dia": _diagonals,
    "dok": _keys,
    "lil": _lists,
}

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    f"scipy.sparse._{name}.{name}_{kind}": (f"scipy.sparse.{name}_{kind}", rule)
    for name, rule in _FORMATS.items()
    for kind in ("array", "matrix")
}

_TREES = ("scipy.spatial._ckdtree.cKDTree", "scipy.spatial.ckdtree.cKDTree")
RULES.update((name, ("scipy.spatial.cKDTree", _tree)) for name in _TREES)

#: Qualified name of a class -> attributes that its objects fill in on demand.
LAZY_ATTRIBUTES: dict[str, frozenset[str]] = dict.fromkeys(
    ("scipy.spatial._qhull._QhullUser", "scipy.spatial.qhull._QhullUser"),
    frozenset(
        {
            "_ridge_dict",
            "_transform",
            "_vertex_neighbor_vertices",
            "_vertex_to_simplex",
            "_vertices",
        }
    ),
)

_COVERED = frozenset(
    {
        "_dict",
        "_has_canonical_format",
        "_has_sorted_indices",
        "_shape",
        "col",
        "coords",
        "data",
        "dtype",
        "has_canonical_format",
        "indices",
        "indptr",
        "maxprint",
        "offsets",
        "row",
        "rows",
    }
)

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = {
    **dict.fromkeys(RULES, _COVERED),
    **dict.fromkeys(_TREES, frozenset({"_tree"})),
}
