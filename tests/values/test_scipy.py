"""scipy: sparse matrices count by stored elements in any order, other objects by their parts."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.interpolate
import scipy.optimize
import scipy.spatial
import scipy.stats
from scipy import sparse

from funes import UnhashableArgumentError, hash_value
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
KINDS = [f"{name}_{kind}" for name in FORMATS for kind in ("array", "matrix")]
DENSE = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [3, 0, -4, 0]])
with_each = pytest.mark.parametrize("kind", KINDS)


def made(kind: str, dense: Any = DENSE) -> Any:
    return getattr(sparse, kind)(dense)


@with_each
def test_history_does_not_count(kind: str) -> None:
    value = made(kind)
    assert_all_equal(
        [
            value,
            made(kind),
            value.copy(),
            copy.deepcopy(value),
            pickle.loads(pickle.dumps(value)),
            made(kind, sparse.coo_array(DENSE)),
            made(kind, sparse.csr_array(DENSE)),
            made(kind, sparse.csc_array(DENSE)),
            value.T.T.asformat(value.format),
        ]
    )


@with_each
def test_every_element_counts(kind: str) -> None:
    changed = []
    for place in np.ndindex(DENSE.shape):
        dense = DENSE.copy()
        dense[place] += 1
        changed.append(made(kind, dense))
    value = made(kind)
    assert_all_differ([value, *changed, made(kind, DENSE[:, :3]), made(kind, DENSE[:2]), value.T])
    assert_all_differ(made(kind, DENSE.astype(code)) for code in ("f4", "f8", "i4", "i8", "c16"))
    assert_all_differ(made(kind, np.zeros(shape)) for shape in ((2, 3), (3, 2), (6, 1), (0, 6)))


def test_formats_differ() -> None:
    assert_all_differ([DENSE, *map(made, KINDS)])


@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "csr_matrix", "csc_matrix"])
def test_order_duplicates_and_spare_room_do_not_count(kind: str) -> None:
    make = getattr(sparse, kind)
    tidy = make(
        (np.array([1.0, 5.0, 4.0]), np.array([0, 2, 1]), np.array([0, 2, 3, 3])), shape=(3, 3)
    )
    messy = make(
        (np.array([2.0, 1.0, 3.0, 4.0]), np.array([2, 0, 2, 1]), np.array([0, 3, 4, 4])),
        shape=(3, 3),
    )
    roomy = tidy.copy()
    roomy.data = np.append(roomy.data, [9, 9])
    roomy.indices = np.append(roomy.indices, [9, 9])
    wide = tidy.copy()
    wide.indices, wide.indptr = wide.indices.astype("i8"), wide.indptr.astype("i8")
    before = [messy.data.copy(), messy.indices.copy(), messy.indptr.copy()]
    attributes = set(vars(messy))
    assert_all_equal([tidy, messy, roomy, wide])
    for now, then in zip((messy.data, messy.indices, messy.indptr), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert set(vars(messy)) == attributes
    assert len(roomy.data) == 5
    assert wide.indices.dtype == "i8"


def test_blocks() -> None:
    blocks = np.arange(1, 9).reshape(2, 2, 2)
    tidy = sparse.bsr_array((blocks, np.array([0, 1]), np.array([0, 2, 2])), shape=(4, 4))
    messy = sparse.bsr_array((blocks[::-1], np.array([1, 0]), np.array([0, 2, 2])), shape=(4, 4))
    attributes = set(vars(messy))
    assert_all_equal([tidy, messy])
    assert set(vars(messy)) == attributes
    assert list(messy.indices) == [1, 0]
    assert_all_differ([tidy, sparse.bsr_array(tidy, blocksize=(1, 1)), tidy.tocsr()])


def test_coordinates() -> None:
    def points(data: list[float], rows: list[int], columns: list[int]) -> Any:
        return sparse.coo_array((data, (rows, columns)), shape=(10**9, 10**9))

    messy = points([2, 1, 3, 4], [5, 0, 5, 10**8], [2, 7, 2, 3])
    assert_all_equal([messy, points([1, 5, 4], [0, 5, 10**8], [7, 2, 3]), messy.copy()])
    assert list(messy.data) == [2, 1, 3, 4]
    assert not messy.has_canonical_format
    assert_all_differ([messy, points([1, 5, 4], [0, 5, 10**8], [7, 3, 2]), points([], [], [])])
    assert_all_equal(
        [sparse.coo_array([True, True]), sparse.coo_array(([1] * 3, ([0, 1, 0],)), dtype=bool)]
    )


def test_a_stored_zero_counts() -> None:
    stored = sparse.csr_array(([0.0, 1.0], ([0, 1], [0, 1])), shape=(2, 2))
    without = stored.copy()
    without.eliminate_zeros()
    assert_all_differ([stored, without])


def test_diagonals() -> None:
    data = np.array([[1.0, 2, 3], [4, 5, 6]])
    value = sparse.dia_array((data, [0, 1]), shape=(3, 3))
    hidden = data.copy()
    hidden[1, 0] = 99
    assert_all_equal(
        [
            value,
            sparse.dia_array((hidden, [0, 1]), shape=(3, 3)),
            sparse.dia_array((data[::-1], [1, 0]), shape=(3, 3)),
            sparse.dia_array((np.pad(data, ((0, 0), (0, 2))), [0, 1]), shape=(3, 3)),
        ]
    )
    assert_all_differ([value, sparse.dia_array((data, [0, -1]), shape=(3, 3)), value.tocsr()])


def test_arrays_of_one_dimension() -> None:
    row = np.array([0, 1, 0, 2])
    kinds = ("coo_array", "csr_array", "dok_array")
    assert_all_differ([row, *(made(kind, row) for kind in kinds)])
    for kind in kinds:
        assert_all_equal([made(kind, row), pickle.loads(pickle.dumps(made(kind, row)))])
        assert_all_differ([made(kind, row), made(kind, row[::-1]), made(kind, row[:3])])


class Weights(sparse.csr_array):
    pass


def test_subclass_counts_with_its_attributes() -> None:
    one, two, three = (Weights(DENSE) for _ in range(3))
    two.has_canonical_format  # noqa: B018 - now it knows
    three.unit = "m"
    assert_all_equal([one, two])
    assert_all_differ([one, three, made("csr_array")])


def test_other_objects() -> None:
    points = np.arange(12.0).reshape(6, 2)
    makers: list[Callable[[Any], Any]] = [
        lambda shift: scipy.stats.norm(shift, 2),
        lambda shift: scipy.stats.gaussian_kde(points.T[:, 1:] ** 2 + shift),
        lambda shift: scipy.interpolate.CubicSpline(points[:, 0], points[:, 1] + shift),
        lambda shift: scipy.interpolate.make_interp_spline(points[:, 0], points[:, 1] + shift),
        lambda shift: scipy.spatial.KDTree(points + shift),
        lambda shift: scipy.spatial.transform.Rotation.from_euler("x", 1 + shift),
        lambda shift: scipy.optimize.Bounds([0], [1 + shift]),
        lambda shift: scipy.optimize.OptimizeResult(x=points + shift, success=True),
    ]
    for make in makers:
        value = make(0)
        assert_all_equal([value, make(0), copy.copy(value)])
        if not hasattr(value, "rvs"):  # unpickled, a distribution has a generator of its own
            assert_all_equal([value, pickle.loads(pickle.dumps(value))])
    assert_all_differ([*(make(shift) for make in makers for shift in (0, 1)), scipy.stats.norm])


POINTS = np.random.default_rng(0).random((60, 3))
SPACES = np.array([[-1.0, 0, 0], [0, -1, 0], [1, 1, -1]])

#: Functions that make them of points, and functions that make them compute lazy attributes.
HULLS: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "Delaunay": (
        scipy.spatial.Delaunay,
        lambda it: (it.find_simplex([[0.5] * 3]), it.transform, it.vertex_neighbor_vertices),
    ),
    "Delaunay, vertices": (
        scipy.spatial.Delaunay,
        lambda it: (it.vertex_to_simplex, it.convex_hull),
    ),
    "ConvexHull": (scipy.spatial.ConvexHull, lambda it: (it.vertices, it.points)),
    "ConvexHull of a plane": (
        lambda points, **options: scipy.spatial.ConvexHull(points[:, :2], **options),
        lambda it: it.vertices,
    ),
    "Voronoi": (scipy.spatial.Voronoi, lambda it: (it.ridge_dict, it.points)),
    "HalfspaceIntersection": (
        lambda points, **options: scipy.spatial.HalfspaceIntersection(
            SPACES, points[0, :2] / 4, **options
        ),
        lambda it: (it.dual_vertices, it.halfspaces),
    ),
    "LinearNDInterpolator": (
        lambda points: scipy.interpolate.LinearNDInterpolator(points, points[:, 0]),
        lambda it: it(0.5, 0.5, 0.5),
    ),
    "NearestNDInterpolator": (
        lambda points: scipy.interpolate.NearestNDInterpolator(points, points[:, 0]),
        lambda it: it(0.5, 0.5, 0.5),
    ),
    "cKDTree": (scipy.spatial.cKDTree, lambda it: (it.query([0, 0, 0]), it.tree.lesser)),
    "KDTree": (scipy.spatial.KDTree, lambda it: (it.query([0, 0, 0]), it.tree.less)),
}


@pytest.mark.parametrize("kind", HULLS)
def test_lazy_attributes_of_points_do_not_count(kind: str) -> None:
    make, ask = HULLS[kind]
    asked = make(POINTS)
    before = hash_value(asked)
    ask(asked)
    moved = POINTS.copy()
    moved[0, 0] += 0.01
    assert_all_equal([asked, make(POINTS), make(np.asfortranarray(POINTS))])
    assert_all_equal([asked, copy.copy(asked)])
    assert hash_value(asked) == before
    assert_all_differ([asked, make(moved)])


@pytest.mark.parametrize(
    "kind", [kind for kind in HULLS if "Interp" not in kind and "Tree" not in kind]
)
def test_incremental_objects_are_refused(kind: str) -> None:
    value = HULLS[kind][0](POINTS, incremental=True)
    with pytest.raises(UnhashableArgumentError, match="_qhull"):
        hash_value(value)
    value.close()


@pytest.mark.parametrize("kind", [scipy.spatial.cKDTree, scipy.spatial.KDTree])
def test_splits_of_a_tree_count(kind: Any) -> None:
    options: list[dict[str, Any]] = [
        {},
        {"leafsize": 5},
        {"balanced_tree": False},
        {"boxsize": 2.0},
    ]
    for option in options:
        value = kind(POINTS, **option)
        assert_all_equal([value, kind(POINTS, **option), pickle.loads(pickle.dumps(value))])
    assert_all_differ(kind(POINTS, **option) for option in options)


class Mesh(scipy.spatial.Delaunay):
    pass


def test_triangulation_subclass_counts_with_its_attributes() -> None:
    one, two, three = (Mesh(POINTS) for _ in range(3))
    two.vertex_to_simplex  # noqa: B018 - now it keeps that
    three.unit = "m"
    assert_all_equal([one, two])
    assert_all_differ([one, three, scipy.spatial.Delaunay(POINTS)])


def test_hashing_does_not_change_values() -> None:
    for kind in KINDS:
        value = made(kind)
        before = pickle.dumps(value)
        hash_value(value)
        assert pickle.dumps(value) == before


@pytest.mark.slow
def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    names = ", ".join(f"sparse.{kind}(dense)" for kind in KINDS)
    assert_same_elsewhere(
        run_python,
        f"""
import numpy as np
from scipy import sparse, spatial, stats
dense = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [3, 0, -4, 0]])
points = np.random.RandomState(0).rand(40, 2)
shapes = [spatial.Delaunay(points), spatial.Voronoi(points), spatial.KDTree(points), spatial.cKDTree(points)]
values = [{names}, stats.norm(1, 2), *shapes]
""",
    )
