"""Finds the difference of two results: exactly, then between the floating-point numbers in them."""

from __future__ import annotations

import copy
import math
import sys
import types
from collections.abc import Sequence
from typing import Any, NamedTuple

from funes._funes import hash_value, shown
from funes._tools.explain.argument_diff import differences


class ResultDifference(NamedTuple):
    """The difference of two results. `str` formats it in one line.

    Example:
        >>> print(ResultDifference("result['loss']", "0.5", "0.25", 0.5))
        result['loss']: 0.5 -> 0.25, relative difference 0.5
    """

    #: The place in the result, in Python syntax. If only numbers differ, it is the place of the largest difference.
    where: str
    #: The value in the stored result, shortened. `after` is the value in the computed result.
    before: str
    after: str
    #: The largest relative difference of two numbers; None if anything but floating-point numbers differs.
    relative: float | None

    def __str__(self) -> str:
        again = "another " if self.before == self.after else ""
        text = f"{self.where}: {self.before} -> {again}{self.after}"
        if self.relative is None:
            return text
        return f"{text}, relative difference {self.relative:.2g}"


def compare(stored: Any, computed: Any) -> ResultDifference | None:
    """Returns the difference of two results; None if they are equal as in cache keys.

    If only floating-point numbers differ, the difference of two numbers is divided by the larger one of them; in an
    array, a column of a table or a list of floats, by the largest number of both arrays. NaN equals NaN.

    Raises:
        UnhashableArgumentError: One of the results has no hash.

    Example:
        >>> print(compare({"loss": [1.0, 2.0]}, {"loss": [1.0, 2.5]}))
        result['loss'][1]: 2.0 -> 2.5, relative difference 0.2
    """
    if hash_value(stored) == hash_value(computed):
        return None
    found = _of_numbers(stored, computed)
    if found is not None:
        return found
    for difference in differences({"result": stored}, {"result": computed}):
        return ResultDifference(*difference, None)
    return ResultDifference("result", shown(stored), shown(computed), None)


#: Numbers of one place: a list of floats or complex numbers, or an array of numpy.
_Numbers = Any


class _Skeleton:
    """A copy of a value with zeros in the place of its floating-point numbers, which it collects.

    If the skeletons of two values are equal, the values differ at most in these numbers.
    """

    def __init__(self, value: Any) -> None:
        #: The places and their numbers, in the order of the value. The flag is true for a place with a single number.
        self.numbers: list[tuple[str, _Numbers, bool]] = []
        self._seen: set[int] = set()
        self.value = self._of(value, "result")

    def _add(self, path: str, numbers: _Numbers, *, is_single: bool = False) -> None:
        self.numbers.append((path, numbers, is_single))

    def _of(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind in (float, complex):
            self._add(path, [value], is_single=True)
            return kind()
        if kind in (list, tuple) and value and all(type(each) is float for each in value):
            self._add(path, value)
            return kind([0.0] * len(value))
        if id(value) in self._seen:  # a cycle
            return value
        self._seen.add(id(value))
        try:
            return self._of_parts(value, path)
        finally:
            self._seen.discard(id(value))

    def _of_parts(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind is dict:
            return {key: self._of(part, f"{path}[{shown(key)}]") for key, part in value.items()}
        if kind in (list, tuple):
            return kind(self._of(part, f"{path}[{at}]") for at, part in enumerate(value))
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            parts = zip(kind._fields, value, strict=True)
            return kind._make(self._of(part, f"{path}.{name}") for name, part in parts)
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if numpy is not None and kind is numpy.ndarray and value.dtype.kind in "fc":
            self._add(path, value)
            return numpy.zeros_like(value)
        if numpy is not None and isinstance(value, numpy.inexact):
            self._add(path, numpy.asarray([value]), is_single=True)
            return kind(0)
        if pandas is not None and kind is pandas.Series:
            return self._of_series(value, path)
        if pandas is not None and kind is pandas.DataFrame:
            table = value.copy()
            for at, name in enumerate(value.columns):
                column = value.iloc[:, at]
                table.isetitem(at, self._of_series(column, f"{path}[{shown(name)}]"))
            return table
        return self._of_attributes(value, path)

    def _of_series(self, series: Any, path: str) -> Any:
        numpy = sys.modules["numpy"]
        if not isinstance(series.dtype, numpy.dtype) or series.dtype.kind not in "fc":
            return series
        self._add(path, series.to_numpy())
        zeros = series.copy()
        zeros.iloc[:] = 0.0
        return zeros

    def _of_attributes(self, value: Any, path: str) -> Any:
        """Makes a copy of an object with skeletons as attributes; returns the object itself if it has none."""
        if isinstance(value, (type, types.FunctionType, types.ModuleType)):
            return value
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is not dict:
            return value
        copied = copy.copy(value)
        if type(copied) is not type(value) or vars(copied) is attributes:
            return value
        for name, part in attributes.items():
            vars(copied)[name] = self._of(part, f"{path}.{name}")
        return copied


def _of_numbers(stored: Any, computed: Any) -> ResultDifference | None:
    """Returns the largest difference if only floating-point numbers differ, else None."""
    try:
        skeletons = _Skeleton(stored), _Skeleton(computed)
        if hash_value(skeletons[0].value) != hash_value(skeletons[1].value):
            return None
    except Exception:  # a copy cannot be made, or has no hash
        return None
    largest: ResultDifference | None = None
    pairs = zip(*(each.numbers for each in skeletons), strict=True)
    for (path, before, is_single), (_, after, _) in pairs:
        relative, at = _largest(before, after)
        if largest is None or largest.relative is None or relative > largest.relative:
            where = path if is_single else f"{path}{at}"
            one, other = shown(_at(before, at)), shown(_at(after, at))
            largest = ResultDifference(where, one, other, relative)
    return largest


def _at(numbers: _Numbers, at: str) -> Any:
    for index in at.strip("[]").split(", ") if at else ():
        numbers = numbers[int(index)]
    return numbers.item() if hasattr(numbers, "item") else numbers


def _largest(before: _Numbers, after: _Numbers) -> tuple[float, str]:
    """Returns the largest relative difference of the numbers of a place, and its index in Python syntax."""
    if isinstance(before, (list, tuple)):
        finite = [abs(each) for each in (*before, *after) if _is_finite(each)]
        scale = max(finite, default=0.0)
        found = [_relative(*pair, scale) for pair in zip(before, after, strict=True)]
        at = max(range(len(found)), key=found.__getitem__)
        return found[at], f"[{at}]"
    numpy = sys.modules["numpy"]
    if not before.size:
        return 0.0, ""
    with numpy.errstate(all="ignore"):
        sizes = numpy.abs(numpy.stack([before, after]))
        scale = sizes.max(where=numpy.isfinite(sizes), initial=0)
        is_same = (before == after) | (numpy.isnan(before) & numpy.isnan(after))
        ratio = numpy.abs(before - after) / (scale or 1)
        ratio = numpy.where(is_same, 0, numpy.where(numpy.isfinite(ratio), ratio, numpy.inf))
    index: Sequence[Any] = numpy.unravel_index(int(ratio.argmax()), ratio.shape)
    return float(ratio.max()), f"[{', '.join(str(int(each)) for each in index)}]" if index else ""


def _is_finite(number: complex) -> bool:
    return math.isfinite(number.real) and math.isfinite(number.imag)


def _relative(before: complex, after: complex, scale: float) -> float:
    if before == after or (before != before and after != after):
        return 0.0
    if not _is_finite(before) or not _is_finite(after):
        return math.inf
    return abs(before - after) / scale
