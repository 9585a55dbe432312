"""Two traces of one network, operation by operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Worst:
    """The largest difference: integers as they are, floats relative to the operation's largest magnitude."""

    difference: float
    op: str
    window: int


@dataclass(frozen=True)
class Mismatch:
    """The first operation (in order of execution) that disagrees, in the first window where any does."""

    window: int
    op: str
    index: tuple[int, ...]
    expected: float
    got: float
    difference: float
    count: int

    def text(self, *, integer: bool, tolerance: float, first: int = 0) -> str:
        """One line: window, operation, element, both values, difference."""
        unit = "" if integer else f" of the operation's scale, tolerance {tolerance:g}"
        place = ", ".join(map(str, self.index))
        return (
            f"window {self.window + first}, operation '{self.op}'[{place}]: expected {self.expected:.9g}, "
            f"got {self.got:.9g}, difference {self.difference:.3g}{unit}; {self.count} elements of it differ"
        )


def differences(expected: Array, got: Array) -> NDArray[np.float64]:
    """|got − expected| of integers; of floats relative to max|expected|; infinite where only one is not finite.

    Equal infinities, and NaN on both sides, differ by 0.
    """
    if expected.dtype.kind != "f":
        return np.abs(got.astype(np.int64) - expected.astype(np.int64)).astype(np.float64)
    e, g = expected.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(e)
    scale = max(float(np.abs(e[finite]).max(initial=0.0)), float(np.finfo(np.float32).tiny))
    same = (e == g) | (np.isnan(e) & np.isnan(g))
    with np.errstate(invalid="ignore"):
        d = np.where(same, 0.0, np.abs(g - e) / scale)
    return np.where(np.isfinite(d), d, np.inf)


def compare(
    expected: Mapping[str, Array], got: Mapping[str, Array], *, tolerance: float
) -> tuple[Worst, Mismatch | None]:
    """The worst difference, and the first mismatch if there is one.

    Parameters
    ----------
    expected, got : operation → array (n, …), in order of execution
    tolerance : largest difference that is accepted; 0 for integers
    """
    worst, first = Worst(0.0, "", 0), None
    for op, e in expected.items():
        d = differences(e, got[op])
        flat = d.reshape(len(d), -1).max(axis=1, initial=0.0)
        if flat.size and (flat.max() > worst.difference or not worst.op):
            worst = Worst(float(flat.max()), op, int(flat.argmax()))
        bad = np.flatnonzero(flat > tolerance)
        if bad.size and (first is None or bad[0] < first.window):
            first = _mismatch(op, int(bad[0]), e, got[op], d, tolerance)
    return worst, first


def _mismatch(op: str, window: int, e: Array, g: Array, d: Array, tolerance: float) -> Mismatch:
    where = np.argwhere(d[window] > tolerance)
    index = tuple(int(i) for i in where[0])
    at = (window, *index)
    return Mismatch(window, op, index, float(e[at]), float(g[at]), float(d[at]), len(where))
