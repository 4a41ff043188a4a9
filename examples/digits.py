"""Which random forest reads handwritten digits best? A search that never computes the same point twice.

    python examples/digits.py              # computes every point of the grid
    python examples/digits.py              # remembers every point
    python examples/digits.py --extend     # computes the points that are new
    python examples/digits.py --grid full  # a wider grid: some minutes

Stop it with Ctrl-C whenever you like and start it again: what was computed is kept. Edit `train` or `load_pictures`,
and every point is computed anew, since the old results are no longer what the code would give. Put the old code back,
and the old results are there.

The data are the 1,797 pictures that scikit-learn carries with it; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from funes import load_cached_results_as_pandas, memorious

# scikit-learn, pandas and matplotlib take longer to import than a remembered search takes to run. Each is imported by
# the function that needs it, so that a run with nothing to compute never waits for scikit-learn.
if TYPE_CHECKING:
    import pandas as pd

GRIDS = {
    "small": {
        "global_seed": [0, 1, 2, 3, 4],
        "features": [1, 2, 4, 8, 16],
        "trees": [10, 30, 100, 300],
    },
    "full": {
        "global_seed": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        "features": [1, 2, 4, 6, 8, 12, 16, 32],
        "trees": [3, 10, 30, 100, 300, 1000],
    },
}
EXTENSIONS = {"small": {"features": [32]}, "full": {"features": [64]}}


@functools.lru_cache(maxsize=1)
def load_pictures() -> tuple[np.ndarray, np.ndarray]:
    """Return the pictures, shape (1797, 64), each pixel from 0 to 16, and the digits they show, shape (1797,)."""
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


@memorious
def train(trees: int, features: int) -> dict[str, float]:
    """Grow a forest on three quarters of the pictures and score it on the rest.

    The seed of the call decides all that is left to chance: how the pictures are divided, which of them each tree
    learns from, and which pixels it looks at.

    Args:
        trees: how many trees vote.
        features: how many of the 64 pixels, chosen anew for each branch, a tree may decide by.

    Returns:
        The accuracy on the pictures that were learnt and on those held back, each from 0 to 1.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    pictures, digits = load_pictures()
    learnt, held_back, learnt_digits, held_back_digits = train_test_split(pictures, digits)
    forest = RandomForestClassifier(n_estimators=trees, max_features=features)
    forest.fit(learnt, learnt_digits)
    return {
        "accuracy_learnt": float(np.mean(forest.predict(learnt) == learnt_digits)),
        "accuracy": float(np.mean(forest.predict(held_back) == held_back_digits)),
    }


def points_of(grid: dict[str, list]) -> list[dict]:
    """Return every combination of the grid's values, each as the keyword arguments of one call of `train`.

    The first name varies slowest. It is the seed: a search that was stopped has seen the whole grid, with fewer seeds.
    """
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def search(points: list[dict]) -> tuple[int, int]:
    """Call `train` on every point behind a progress bar; return how many were remembered and how many computed."""
    remembered = computed = 0
    with tqdm(points, unit="point") as bar:
        for point in bar:
            if train.is_cached(**point):
                remembered += 1
            else:
                computed += 1
            bar.set_postfix_str(f"{remembered} remembered, {computed} computed", refresh=False)
            train(**point)
    return remembered, computed


def summarize(points: list[dict]) -> pd.DataFrame:
    """Return a row for each pair of hyperparameters, the best first: mean accuracy, its spread, the number of seeds."""
    import pandas as pd

    results = load_cached_results_as_pandas(train)
    # Other grids may have been searched before, and are remembered too: keep to the points of this one.
    results = results.merge(pd.DataFrame(points))
    means = results.groupby(["trees", "features"])["accuracy"].agg(["mean", "std", "count"])
    means.columns = ["accuracy", "spread", "seeds"]
    return means.sort_values("accuracy", ascending=False).reset_index()


def draw(summary: pd.DataFrame, path: Path) -> None:
    """Save a heat map of the mean accuracy: a column for each number of trees, a row for each number of features."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    table = summary.pivot_table(index="features", columns="trees", values="accuracy") * 100
    rows, columns = table.shape
    figure, axes = plt.subplots(
        figsize=(2.6 + 0.8 * columns, 1.8 + 0.55 * rows), layout="constrained"
    )
    # The colours are spent on the best few per cent: what lies below is all equally bad.
    best = table.max(axis=None)
    image = axes.imshow(
        table, cmap="viridis", vmin=best - 4, vmax=best, aspect="auto", origin="lower"
    )
    for row, column in itertools.product(range(rows), range(columns)):
        value = table.iat[row, column]
        axes.text(
            column,
            row,
            f"{value:.1f}",
            ha="center",
            va="center",
            color="white" if value < best - 2 else "black",
            weight="bold" if value == best else "normal",
        )
    axes.set_xticks(range(columns), table.columns)
    axes.set_yticks(range(rows), table.index)
    axes.set_xlabel("trees")
    axes.set_ylabel("features per branch")
    axes.set_title(f"Digits read correctly, mean of {summary['seeds'].max()} seeds")
    figure.colorbar(image, label="accuracy on the pictures held back [%]", extend="min")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> int:
    """Search the grid that the command line asks for, print the best points and save the picture."""
    start = time.perf_counter()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grid", choices=GRIDS, default="small", help="default: small")
    parser.add_argument("--extend", action="store_true", help="widen the grid")
    parser.add_argument("--cache-dir", type=Path, help="where to remember; default: cache")
    parser.add_argument(
        "--picture", type=Path, default=Path("digits.png"), help="default: digits.png"
    )
    options = parser.parse_args()
    if options.cache_dir:
        os.environ["FUNES_CACHE_DIR"] = str(options.cache_dir)  # read at the first call

    grid = GRIDS[options.grid]
    if options.extend:
        extension = EXTENSIONS[options.grid]
        grid = {name: [*values, *extension.get(name, [])] for name, values in grid.items()}
    points = points_of(grid)

    try:
        remembered, computed = search(points)
    except KeyboardInterrupt:
        kept = sum(train.is_cached(**point) for point in points)
        print(
            f"\nStopped: {kept} of {len(points)} points are kept. The same command goes on from there."
        )
        return 130  # what a shell expects of a program that Ctrl-C ended
    searched = time.perf_counter()

    summary = summarize(points)
    draw(summary, options.picture)
    print(
        f"{len(points)} points: {remembered} remembered, {computed} computed, in {searched - start:.2f} s"
    )
    print("\nThe best, by mean accuracy on the pictures held back:")
    print(summary.head(5).to_string(index=False, float_format="%.3f"))
    print(f"\nResults: {train.cache_path}\nPicture: {options.picture.resolve()}")
    print(f"Time in all: {time.perf_counter() - start:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
