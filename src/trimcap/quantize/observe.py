"""Run calibration windows through a float Program and note the range of every value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.ledger import Ledger
from trimcap.program.interpret import as_input, interpret
from trimcap.program.program import Program
from trimcap.quantize.ranges import Estimator, Ranges, estimator

#: numbers kept per value for percentile and mse
_SAMPLE = 1 << 15
#: fewer windows than this are noted in the result
_FEW = 8
#: and an input that reaches fewer levels than this
_LEVELS = 64


def observe(
    program: Program,
    calibration: Any,
    *,
    method: str | Estimator = "mse",
    percent: float = 99.9,
    batch: int = 16,
    ledger: Ledger | None = None,
) -> Ranges:
    """Range of every value of a float program on calibration windows.

    The extremes are exact; percentile and mse work on a fixed random sample of 32,768 numbers per value, the same
    for the same windows. Windows pass in batches, so memory does not grow with the calibration set.

    Parameters
    ----------
    program : float program from `lower`
    calibration : `Windows` or array (n, *input shape) in the model's unit; training data only
    method : "mse", "minmax", "percentile" or a function (sample, minimum, maximum) → (low, high)
    percent : share of values that "percentile" covers
    batch : windows at a time
    ledger : if given, `ledger.record("calibration", calibration)` is called for the audit

    Returns
    -------
    Ranges, low ≤ 0 ≤ high for every value

    Raises
    ------
    ValueError : no windows; NaN or infinity, naming the window; or all input values are the same.
    """
    if program.integer:
        raise ValueError(f"program '{program.name}' is already in integers; observe the float program")
    name, estimate = estimator(method, percent=percent)
    X = _checked(program, calibration)
    if ledger is not None:
        ledger.record("calibration", calibration)
    seen = {value: _Seen(v.size, len(X)) for value, v in program.values.items()}
    for start in range(0, len(X), batch):
        part = X[start : start + batch]
        results = {program.input: part, **interpret(program, part, trace=True)}
        for value, array in results.items():
            seen[value].add(array)
    bounds = {}
    for value, s in seen.items():
        _finite(program, value, s)
        low, high = estimate(s.sample, s.minimum, s.maximum)
        bounds[value] = (min(float(low), 0.0), max(float(high), 0.0))
    return Ranges(bounds, name, len(X), (*_few(X), *_offset(X)))


def _few(X: NDArray[np.float32]) -> tuple[str, ...]:
    few = f"calibrated on {len(X)} windows only; {_FEW} or more give steadier ranges"
    return (few,) if len(X) < _FEW else ()


def _offset(X: NDArray[np.float32]) -> tuple[str, ...]:
    """A note if the 256 levels of the input, of which one is zero, are spent on its offset."""
    low, high = float(X.min()), float(X.max())
    levels = 256 * (high - low) / (max(high, 0.0) - min(low, 0.0))
    if levels >= _LEVELS:
        return ()
    return (
        f"the windows lie between {low:g} and {high:g}, far from zero: {max(levels, 1):.0f} of 256 levels are left for "
        "them; remove the offset before the network, for example by a high-pass filter",
    )


class _Seen:
    """Exact extremes and a bounded random sample of one value."""

    def __init__(self, size: int, n_windows: int) -> None:
        self._rng = np.random.default_rng([size, n_windows])
        self._per_window = min(size, max(1, _SAMPLE // n_windows))
        self._parts: list[NDArray[np.float64]] = []
        self.minimum, self.maximum = np.inf, -np.inf

    def add(self, array: NDArray[Any]) -> None:
        flat = array.reshape(len(array), -1)
        self.minimum = float(np.minimum(self.minimum, flat.min()))
        self.maximum = float(np.maximum(self.maximum, flat.max()))
        if self._per_window < flat.shape[1]:
            columns = self._rng.integers(0, flat.shape[1], (len(flat), self._per_window))
            flat = np.take_along_axis(flat, columns, axis=1)
        self._parts.append(flat.astype(np.float64).reshape(-1))

    @property
    def sample(self) -> NDArray[np.float64]:
        return np.concatenate(self._parts)


def _checked(program: Program, calibration: Any) -> NDArray[np.float32]:
    X = as_input(program, calibration)
    if not len(X):
        raise ValueError("calibration: no windows; give it training windows, 64 or so")
    bad = ~np.isfinite(X).reshape(len(X), -1).all(axis=1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(X[first]))[0])
        raise ValueError(
            f"calibration: {int(bad.sum())} of {len(X)} windows hold NaN or infinity, first window {first} at {where}; "
            "remove those windows or repair the channel"
        )
    if X.min() == X.max():
        raise ValueError(
            f"calibration: every number in all {len(X)} windows is {X.flat[0]:g}; a constant has no range. "
            "Give it recorded training windows"
        )
    return X


def _finite(program: Program, value: str, seen: _Seen) -> None:
    if np.isfinite(seen.minimum) and np.isfinite(seen.maximum):
        return
    source = next((op.source for op in program.ops if op.output == value), value)
    raise ValueError(
        f"calibration: layer '{source}' (value '{value}') gives NaN or infinity on the calibration windows, for "
        "example log or division of zero; clamp its input (torch.clamp) before quantizing"
    )
