"""A project of eight functions, with forty edits that change no result and forty that change some results."""

from __future__ import annotations

from itertools import product
from typing import Any

SOURCE = """
import random
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from funes import memorious

BASE = 10
WEIGHTS = {"linear": 1, "square": 2, "cube": 3}


def power(x, kind):
    return x ** WEIGHTS[kind]


@memorious
def score(n, rate, kind, clip=100.0):
    total = 0.0
    for i in range(1, n + 1):
        step = rate * power(i, kind)
        if step > clip:
            step = clip
        total += step
    return {"total": total, "mean": total / n}


@memorious
def walk(steps, drift, bounce=False):
    position = 0.0
    seen = [position]
    for _ in range(steps):
        position += drift + random.gauss(0, 1)
        if bounce and position < 0:
            position = -position
        seen.append(position)
    return seen


STOP = ("a", "of", "the")


@memorious
def words(text, lower=True, minimum=1, stop=False):
    if lower:
        text = text.lower()
    counts = {}
    for word in text.split():
        word = word.strip(".,;")
        if len(word) < minimum:
            continue
        if stop and word in STOP:
            continue
        counts[word] = counts.get(word, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def design(x, degree):
    return np.vander(x, degree + 1)


@memorious
def fit(degree, ridge, points=20):
    x = np.linspace(0, 1, points)
    y = np.sin(3 * x) + 0.1 * np.random.standard_normal(points)
    matrix = design(x, degree)
    penalty = ridge * np.eye(degree + 1)
    penalty[-1, -1] = 0
    return np.linalg.solve(matrix.T @ matrix + penalty, matrix.T @ y)


def cost(job):
    return job % 7 + 1


@memorious
def schedule(jobs, machines, policy):
    order = list(range(jobs))
    if policy == "long":
        order.sort(key=cost, reverse=True)
    elif policy == "short":
        order.sort(key=cost)
    ends = [0] * machines
    plan = []
    for job in order:
        first = min(range(machines), key=lambda m: ends[m])
        plan.append((job, first, ends[first]))
        ends[first] += cost(job)
    return {"plan": plan, "end": max(ends)}


@memorious
def table(rows, by, how, fill=0):
    frame = pd.DataFrame({"a": np.arange(rows) % 3, "b": np.arange(rows) % 4, "x": np.arange(rows) * 0.5})
    frame.loc[frame["x"] < 1, "x"] = np.nan
    if how == "sum":
        found = frame.groupby(by)["x"].sum()
    elif how == "max":
        found = frame.groupby(by)["x"].max()
    else:
        found = frame.groupby(by)["x"].count()
    return found.fillna(fill)


@dataclass
class Config:
    rate: float = 0.1
    depth: int = 3
    limits: dict = field(default_factory=dict)


@memorious
def grow(config, years):
    size = 1.0
    history = []
    for year in range(years):
        size *= 1 + config.rate
        if year >= config.depth:
            size -= 0.25
        high = config.limits.get("high")
        if high is not None:
            size = min(size, high)
        size = max(size, config.limits.get("low", 0.0))
        history.append(round(size, 6))
    return history


def is_free(x, y, blocked):
    return (x, y) not in blocked


@memorious
def paths(width, height, blocked=(), diagonal=False):
    counts = {(0, 0): 1}
    for y in range(height):
        for x in range(width):
            if (x, y) == (0, 0) or not is_free(x, y, blocked):
                continue
            ways = counts.get((x - 1, y), 0) + counts.get((x, y - 1), 0)
            if diagonal:
                ways += counts.get((x - 1, y - 1), 0)
            counts[x, y] = ways
    return counts.get((width - 1, height - 1), 0)
"""

TEXTS = (
    "The cat, the dog and a bird.",
    "One fish; two fish. Red fish, blue fish.",
    "A rose of the garden. A ROSE.",
    "to be or not to be",
)


def calls(module: Any) -> dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    """Return the arguments of the stored calls of each function."""

    def of(*axes: Any, **named: Any) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        points = product(*axes, *named.values())
        return [
            (point[: len(axes)], dict(zip(named, point[len(axes) :], strict=True)))
            for point in points
        ]

    configs = [
        module.Config(rate, depth, limits)
        for rate in (0.1, -0.05, 0.5)
        for depth in (0, 3, 9)
        for limits in ({}, {"high": 2.0}, {"low": 0.5}, {"high": 3.0, "low": 1.0})
    ]
    blocks = ((), ((1, 1),), ((0, 1), (2, 0)))
    return {
        "score": of((1, 2, 5, 20), (0.1, 0.5, 2.0), ("linear", "square", "cube"), (100.0, 5.0)),
        "walk": of((1, 5, 30), (0.0, 0.2, -0.5), (False, True), global_seed=range(4)),
        "words": of(TEXTS, (True, False), (1, 2, 4), (False, True)),
        "fit": of((1, 2, 4), (0.0, 0.1, 10.0), (12, 20), global_seed=range(4)),
        "schedule": of((0, 1, 6, 15, 40), (1, 2, 5), ("given", "long", "short")),
        "table": of((2, 9, 30), ("a", "b"), ("sum", "max", "count"), (0, -1)),
        "grow": of(configs, (1, 6, 15)),
        "paths": of((1, 2, 4, 6), (1, 3, 5), blocks, (False, True)),
    }


#: For each function, edits that change no result: a text and its replacement.
HARMLESS: dict[str, list[tuple[str, str]]] = {
    "score": [
        ("        if step > clip:\n            step = clip\n", "        step = min(step, clip)\n"),
        ("for i in range(1, n + 1):", "for i in (k + 1 for k in range(n)):"),
        (
            'return {"total": total, "mean": total / n}',
            "mean = total / n\n    return dict(total=total, mean=mean)",
        ),
        ("return x ** WEIGHTS[kind]", "return pow(x, WEIGHTS[kind])"),
        (
            "def score(n, rate, kind, clip=100.0):",
            "def score(n, rate, kind, clip=100.0, verbose=False):",
        ),
    ],
    "walk": [
        ("            position = -position", "            position = abs(position)"),
        ("    seen = [position]\n", "    seen = []\n    seen.append(position)\n"),
        ("    for _ in range(steps):", "    for _ in [None] * steps:"),
        (
            "position += drift + random.gauss(0, 1)",
            "position = position + (drift + random.gauss(0, 1))",
        ),
        ("    return seen", "    assert len(seen) == steps + 1\n    return seen"),
    ],
    "words": [
        (
            "    if lower:\n        text = text.lower()\n",
            "    text = text.lower() if lower else text\n",
        ),
        ('STOP = ("a", "of", "the")', 'STOP = frozenset(["a", "of", "the"])'),
        ('word = word.strip(".,;")', 'word = word.strip(";.,")'),
        ("if len(word) < minimum:", "if not len(word) >= minimum:"),
        (
            "        counts[word] = counts.get(word, 0) + 1\n",
            "        counts.setdefault(word, 0)\n        counts[word] += 1\n",
        ),
    ],
    "fit": [
        (
            "    penalty = ridge * np.eye(degree + 1)\n",
            "    penalty = np.eye(degree + 1) * ridge\n",
        ),
        ("return np.vander(x, degree + 1)", "return np.vander(x, N=1 + degree)"),
        ("penalty[-1, -1] = 0", "penalty[degree, degree] = 0"),
        ("np.random.standard_normal(points)", "np.random.standard_normal(size=len(x))"),
        ("    matrix = design(x, degree)\n", "    matrix = np.vander(x, degree + 1)\n"),
    ],
    "schedule": [
        ("order.sort(key=cost, reverse=True)", "order.sort(key=lambda job: -cost(job))"),
        ("    order = list(range(jobs))\n", "    order = [*range(jobs)]\n"),
        ("return job % 7 + 1", "return 1 + job % 7"),
        ("key=lambda m: ends[m]", "key=ends.__getitem__"),
        (
            "    ends = [0] * machines\n    plan = []\n",
            "    plan, ends = [], [0 for _ in range(machines)]\n",
        ),
    ],
    "table": [
        ('frame.groupby(by)["x"].sum()', 'frame.groupby(by)["x"].agg("sum")'),
        (
            'frame.loc[frame["x"] < 1, "x"] = np.nan',
            'frame["x"] = frame["x"].where(~(frame["x"] < 1))',
        ),
        ("return found.fillna(fill)", "return found.where(found.notna(), fill)"),
        ('"x": np.arange(rows) * 0.5', '"x": np.arange(rows) / 2'),
        ('    elif how == "max":', '    elif how in ("max",):'),
    ],
    "grow": [
        (
            "        if high is not None:\n            size = min(size, high)\n",
            "        size = size if high is None else min(size, high)\n",
        ),
        ("        size *= 1 + config.rate\n", "        size = size * (1 + config.rate)\n"),
        ("if year >= config.depth:", "if not year < config.depth:"),
        (
            '        high = config.limits.get("high")\n',
            '        limits = config.limits\n        high = limits.get("high")\n',
        ),
        (
            'size = max(size, config.limits.get("low", 0.0))',
            'low = config.limits.get("low", 0.0)\n        size = low if size < low else size',
        ),
    ],
    "paths": [
        ("return (x, y) not in blocked", "return not any((x, y) == each for each in blocked)"),
        (
            "            counts[x, y] = ways\n",
            "            counts[(x, y)] = ways\n            del ways\n",
        ),
        (
            "    for y in range(height):\n        for x in range(width):\n",
            "    for x in range(width):\n        for y in range(height):\n",
        ),
        ("    counts = {(0, 0): 1}\n", "    counts = dict([((0, 0), 1)])\n"),
        (
            "return counts.get((width - 1, height - 1), 0)",
            "end = width - 1, height - 1\n    return counts[end] if end in counts else 0",
        ),
    ],
}

#: For each function, edits that change some results.
HARMFUL: dict[str, list[tuple[str, str]]] = {
    "score": [
        ("for i in range(1, n + 1):", "for i in range(1, n):"),
        ("            step = clip\n", "            step = clip - 1\n"),
        ('"cube": 3}', '"cube": 2}'),
        ('"mean": total / n}', '"mean": total / max(n - 1, 1)}'),
        ("        total += step\n", "        total = max(total, step)\n"),
    ],
    "walk": [
        ("if bounce and position < 0:", "if position < 0:"),
        ("            position = -position", "            position = 0.0"),
        ("position += drift + random.gauss(0, 1)", "position += drift * random.gauss(0, 1)"),
        ("    seen = [position]\n", "    seen = []\n"),
        ("random.gauss(0, 1)", "random.gauss(0, 1.0000001)"),
    ],
    "words": [
        ('word = word.strip(".,;")', 'word = word.strip(".,")'),
        ("if len(word) < minimum:", "if len(word) <= minimum:"),
        ('STOP = ("a", "of", "the")', 'STOP = ("a", "the")'),
        ("(-item[1], item[0])", "-item[1]"),
        ("    if lower:\n", "    if not lower:\n"),
    ],
    "fit": [
        ("    penalty[-1, -1] = 0\n", ""),
        ("penalty = ridge * np.eye", "penalty = ridge**2 * np.eye"),
        ("np.linspace(0, 1, points)", "np.linspace(0, 1, points, endpoint=False)"),
        (
            "np.linalg.solve(matrix.T @ matrix + penalty, matrix.T @ y)",
            "np.linalg.inv(matrix.T @ matrix + penalty) @ matrix.T @ y + 1e-9",
        ),
        ("0.1 * np.random.standard_normal(points)", "0.1 * np.random.uniform(-1, 1, points)"),
    ],
    "schedule": [
        ("order.sort(key=cost, reverse=True)", "order.sort(key=cost)\n        order.reverse()"),
        ("return job % 7 + 1", "return job % 7 + 1 if job < 30 else 1"),
        ("plan.append((job, first, ends[first]))", "plan.append((job, first, ends[0]))"),
        ('"end": max(ends)}', '"end": ends[0]}'),
        ('    elif policy == "short":\n        order.sort(key=cost)\n', ""),
    ],
    "table": [
        ('frame["x"] < 1', 'frame["x"] <= 1'),
        ("return found.fillna(fill)", "return found.fillna(0)"),
        ('frame.groupby(by)["x"].count()', 'frame.groupby(by)["x"].size()'),
        ('"b": np.arange(rows) % 4', '"b": np.arange(rows) % 5'),
        ('frame.groupby(by)["x"].max()', 'frame.groupby(by)["x"].median()'),
    ],
    "grow": [
        ("if year >= config.depth:", "if year > config.depth:"),
        ("size -= 0.25", "size -= 0.125"),
        ("            size = min(size, high)\n", "            size = min(size, high + 0.5)\n"),
        ('config.limits.get("low", 0.0)', 'config.limits.get("low", 0.1)'),
        ("        if high is not None:\n", "        if high is not None and year > 2:\n"),
    ],
    "paths": [
        (
            "                ways += counts.get((x - 1, y - 1), 0)\n",
            "                ways += counts.get((x - 1, y - 1), 1)\n",
        ),
        ("return (x, y) not in blocked", "return (y, x) not in blocked"),
        ("    for y in range(height):\n", "    for y in range(min(height, 4)):\n"),
        ("            if diagonal:\n", "            if diagonal and width == height:\n"),
        ("counts.get((x - 1, y), 0) + counts", "counts.get((x - 1, y), 0) or counts"),
    ],
}
