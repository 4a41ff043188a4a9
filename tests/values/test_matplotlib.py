"""matplotlib: colour maps and norms are hashed, artists are refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib import cm, colors, gridspec, transforms
from matplotlib.figure import Figure
from matplotlib.path import Path

from funes import CacheWarning, UnhashableArgumentError, hash_value, memorious
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

DRAWN: dict[str, Callable[[Any], Any]] = {
    "figure": lambda axes: axes.figure,
    "axes": lambda axes: axes,
    "array of axes": lambda axes: axes.figure.subplots(2),
    "line": lambda axes: axes.plot([1, 2])[0],
    "bars": lambda axes: axes.bar([1], [2]),
    "text": lambda axes: axes.set_title("a"),
    "legend": lambda axes: axes.legend([]),
    "axis": lambda axes: axes.xaxis,
    "patch": lambda axes: axes.patch,
    "canvas": lambda axes: axes.figure.canvas,
    "transform": lambda axes: axes.transData,
    "transform of no axes": lambda axes: transforms.Affine2D().rotate(1),
    "box": lambda axes: transforms.Bbox([[0, 0], [1, 1]]),
    "grid of a figure": lambda axes: axes.figure.add_gridspec(2, 2),
    "in an object": lambda axes: SimpleNamespace(plot=[axes.figure]),
    "own subclass": lambda axes: type("Own", (Figure,), {})(),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_artists_are_refused(kind: str) -> None:
    value = DRAWN[kind](Figure().subplots())
    for held in (value, [value]):
        with pytest.raises(UnhashableArgumentError, match="a drawing of matplotlib"):
            hash_value(held)


@pytest.mark.usefixtures("cache")
def test_call_with_figure_runs_uncached() -> None:
    memo = memorious(lambda figure: len(figure.axes))
    figure = Figure()
    with pytest.warns(CacheWarning, match="pass the data that it is drawn from"):
        assert memo(figure) == 0
    figure.add_subplot()
    assert memo(figure) == 1


def test_colour_maps() -> None:
    viridis = mpl.colormaps["viridis"]
    used = viridis.copy()
    used(0.5)
    over = viridis.with_extremes(over="red")
    assert_all_equal(
        [viridis, viridis.copy(), used, copy.deepcopy(viridis), pickle.loads(pickle.dumps(viridis))]
    )
    assert_all_differ(
        [
            viridis,
            over,
            viridis.resampled(5),
            viridis.reversed(),
            mpl.colormaps["magma"],
            colors.ListedColormap(["red", "green"]),
            colors.ListedColormap(["red", "blue"]),
        ]
    )


def test_norms_and_markers_are_hashed() -> None:
    makers: list[Callable[[int], Any]] = [
        lambda n: colors.Normalize(0, n),
        lambda n: Path([[0, 0], [n, n]]),
        lambda n: gridspec.GridSpec(1, n),
        lambda n: cm.ScalarMappable(colors.Normalize(0, n)),
    ]
    for make in makers:
        assert_all_equal([make(1), make(1), copy.deepcopy(make(1))])
    assert_all_differ(make(n) for make in makers for n in (1, 2))


def test_listeners_of_a_norm_do_not_count() -> None:
    norm = colors.Normalize(0, 1)
    Figure().subplots().imshow([[0, 1]], norm=norm)
    cm.ScalarMappable(norm)
    assert_all_equal([norm, colors.Normalize(0, 1), pickle.loads(pickle.dumps(norm))])
    norm.vmax = 2
    assert_all_equal([norm, colors.Normalize(0, 2)])


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import matplotlib as mpl
from matplotlib import colors
values = [mpl.colormaps["viridis"], colors.ListedColormap(["red"]), colors.Normalize(0, 1)]
""",
    )
