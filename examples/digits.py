"""Searches the random forest that reads handwritten digits best, and computes no point twice.

    python examples/digits.py              # computes every point of the grid
    python examples/digits.py              # every point is a cache hit
    python examples/digits.py --extend     # computes the new points
    python examples/digits.py --grid full  # a larger grid: some minutes
    python examples/digits.py --workers 4  # computes in four processes

Stop it with Ctrl-C and start it again: computed results are kept. If you edit `train` or
`load_pictures`, every point is computed again, since the code may give other results. If you undo the
edit, the old results are found again.

The data are the 1,797 pictures that are part of scikit-learn; nothing is downloaded.
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

from funes import grid, load_cached_results, memorious

# Importing scikit-learn, pandas and matplotlib takes longer than a fully cached search. Each function
# imports the libraries that it needs, so that such a search does not import scikit-learn.
if TYPE_CHECKING:
    import pandas as pd

# The first name varies slowest. It is the seed, so that a stopped search has covered the whole grid with
# fewer seeds.
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
    """Returns the pictures, shape (1797, 64), pixels from 0 to 16, and their digits, shape (1797,)."""
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


@memorious
def train(trees: int, features: int) -> dict[str, float]:
    """Trains a forest on three quarters of the pictures and scores it on the rest.

    The seed of the call determines all random choices: how the pictures are split, which of them each
    tree is trained on, and which pixels it uses.

    Args:
        trees: the number of trees.
        features: the number of randomly chosen pixels, of 64, that each split of a tree may use.

    Returns:
        The accuracy on the training pictures and on the test pictures, each from 0 to 1.
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


def summarize(results: pd.DataFrame) -> pd.DataFrame:
    """Returns a row per pair of hyperparameters, best first: mean accuracy, deviation, number of seeds."""
    means = results.groupby(["trees", "features"])["accuracy"].agg(["mean", "std", "count"])
    means.columns = ["accuracy", "spread", "seeds"]
    return means.sort_values("accuracy", ascending=False).reset_index()


def draw(summary: pd.DataFrame, path: Path) -> None:
    """Saves a heat map of the mean accuracy: a column per number of trees, a row per number of features."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    table = summary.pivot_table(index="features", columns="trees", values="accuracy") * 100
    rows, columns = table.shape
    figure, axes = plt.subplots(
        figsize=(2.6 + 0.8 * columns, 1.8 + 0.55 * rows), layout="constrained"
    )
    # The colour scale covers the best few per cent; lower values share one colour.
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
    figure.colorbar(image, label="accuracy on the test pictures [%]", extend="min")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> int:
    """Searches the grid of the command line, prints the best points and saves the picture."""
    start = time.perf_counter()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grid", choices=GRIDS, default="small", help="default: small")
    parser.add_argument("--extend", action="store_true", help="widen the grid")
    parser.add_argument("--cache-dir", type=Path, help="cache folder; default: cache")
    parser.add_argument("--workers", type=int, help="processes; default: compute in this one")
    parser.add_argument(
        "--picture", type=Path, default=Path("digits.png"), help="default: digits.png"
    )
    parser.add_argument(
        "--report", type=Path, default=Path("digits.html"), help="default: digits.html"
    )
    options = parser.parse_args()
    if options.cache_dir:
        os.environ["FUNES_CACHE_DIR"] = str(options.cache_dir)  # read at the first call

    axes = GRIDS[options.grid]
    if options.extend:
        extension = EXTENSIONS[options.grid]
        axes = {name: [*values, *extension.get(name, [])] for name, values in axes.items()}

    sweep = train.map(grid(**axes), executor=options.workers)
    before = sweep.status()
    try:
        results = sweep.to_pandas()
    except KeyboardInterrupt:
        kept = sweep.status().stored
        print(
            f"\nStopped: {kept} of {len(sweep)} points are cached. Run the same command to continue."
        )
        return 130  # the exit code of a program that was ended by Ctrl-C
    searched = time.perf_counter()

    summary = summarize(results)
    draw(summary, options.picture)
    print(
        f"{before.points} points: {before.stored} cached, {before.missing} computed,"
        f" in {searched - start:.2f} s"
    )
    print("\nThe best, by mean accuracy on the test pictures:")
    print(summary.head(5).to_string(index=False, float_format="%.3f"))
    load_cached_results(train).to_html(options.report)
    print(f"\nResults: {train.cache_path}\nPicture: {options.picture.resolve()}")
    print(f"Total time: {time.perf_counter() - start:.2f} s")
    print(f"Open the report in a browser: {options.report.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
