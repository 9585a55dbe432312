"""From a sample of values to the real range that eight bits should cover.

A range [low, high] with low ≤ 0 ≤ high gives the asymmetric quantizer with 2^b levels

    s = (high − low) / (2^b − 1),   z = clamp(round(q_min − low / s), q_min, q_max),
    Q(x) = s · (clamp(round(x / s) + z, q_min, q_max) − z)

in which zero is exact (Zhong, Shi & Wang 2025, §1.5, on the signed grid q_min = −2^(b−1)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.seen import NOTHING, Seen
from trimcap.program.fixed_point import grid

F64 = NDArray[np.float64]
Estimator = Callable[[F64, float, float], tuple[float, float]]
"""(sample, minimum, maximum) → (low, high): `sample` is drawn from all values, the extremes are exact."""

#: shrink factors that `mse_range` tries for each end
_FACTORS = tuple(j / 100 for j in range(100, 0, -2))


@dataclass(frozen=True)
class Ranges:
    """Real range of every value of a float Program.

    Parameters
    ----------
    bounds : value name → (low, high), low ≤ 0 ≤ high, in the value's unit
    method : how they were estimated
    n_windows : size of the calibration set
    notes : what a reader must know, in words
    gains : factor of every input channel, if each has a scale of its own (see `gains`): the ranges of the input, and
        of what only moves it, are those of the gained input
    int16 : layers or values with sixteen bits
    seen : the calibration windows
    """

    bounds: Mapping[str, tuple[float, float]]
    method: str
    n_windows: int
    notes: tuple[str, ...] = ()
    gains: tuple[float, ...] = ()
    int16: tuple[str, ...] = ()
    seen: Seen = field(default=NOTHING, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "method": self.method,
            "n_windows": self.n_windows,
            "notes": list(self.notes),
            "gains": list(self.gains),
            "int16": list(self.int16),
            "bounds": {name: list(pair) for name, pair in self.bounds.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Ranges:
        """The ranges that `to_json` wrote."""
        bounds = {name: (float(low), float(high)) for name, (low, high) in data["bounds"].items()}
        notes, gains, int16 = (tuple(data[key]) for key in ("notes", "gains", "int16"))
        seen = Seen(outside="calibrated on windows that the file of ranges does not name")
        return cls(bounds, str(data["method"]), int(data["n_windows"]), notes, gains, int16, seen)


def fake_quantize(x: NDArray[Any], low: float, high: float, *, bits: int = 8) -> F64:
    """Q(x) = s·(clamp(round(x/s) + z) − z) in float64, rounding halves to even."""
    scale, zero = grid(low, high, bits=bits)
    q_min = -(1 << (bits - 1))
    q = np.clip(np.round(np.asarray(x, np.float64) / scale) + zero, q_min, q_min + (1 << bits) - 1)
    result: F64 = scale * (q - zero)
    return result


def minmax_range(sample: F64, minimum: float, maximum: float) -> tuple[float, float]:
    """Cover everything seen: [min(x), max(x)]."""
    del sample
    return minimum, maximum


def percentile_range(sample: F64, minimum: float, maximum: float, *, percent: float = 99.9) -> tuple[float, float]:
    """Cover the central `percent` of all values: the (100 − p)/2 and (100 + p)/2 percentiles."""
    tail = (100 - percent) / 2
    low, high = np.percentile(sample, (tail, 100 - tail))
    return max(float(low), minimum), min(float(high), maximum)


def mse_range(sample: F64, minimum: float, maximum: float, *, bits: int = 8) -> tuple[float, float]:
    """Minimise ‖x − Q(x)‖² over shrunken ends, low = a·min, high = b·max, a, b ∈ {0.02, 0.04, …, 1}.

    First both ends by one factor, then each alone, twice (coordinate descent). Zero stays inside.
    """
    low, high = min(minimum, 0.0), max(maximum, 0.0)

    def error(a: float, b: float) -> float:
        return float(((sample - fake_quantize(sample, a * low, b * high, bits=bits)) ** 2).sum())

    a = b = min(_FACTORS, key=lambda f: error(f, f))
    if low < 0 < high:
        for _ in range(2):
            a = min(_FACTORS, key=lambda f: error(f, b))
            b = min(_FACTORS, key=lambda f: error(a, f))
    return a * low, b * high


METHODS: dict[str, Estimator] = {"minmax": minmax_range, "percentile": percentile_range, "mse": mse_range}
"""Range estimators by name."""

#: for each value the one of `METHODS` with the smallest measured error at the output, see `choose`
MEASURED = "measured"


def estimator(method: str | Estimator, *, percent: float = 99.9) -> tuple[str, Estimator]:
    """Name and function of a method given by name or as a function.

    Raises
    ------
    ValueError : the name is unknown, or `percent` is outside (0, 100].
    """
    if not isinstance(method, str):
        return getattr(method, "__name__", "custom"), method
    if method not in METHODS:
        raise ValueError(unknown("range method", method, (MEASURED, *METHODS)))
    if method != "percentile":
        return method, METHODS[method]
    if not 0 < percent <= 100:
        raise ValueError(f"percent is {percent}; it must be in (0, 100], for example 99.9")
    return f"percentile {percent:g}", partial(percentile_range, percent=percent)
