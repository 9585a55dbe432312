"""Run calibration windows through a float Program and note the range of every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data import seen as history
from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.program.grids import wide_values, widened
from trimcap.program.integers import merge_maps
from trimcap.program.interpret import as_input, interpret
from trimcap.program.program import Program
from trimcap.quantize.choose import Bounds, choose
from trimcap.quantize.extremes import Seen, dominating
from trimcap.quantize.gains import Gains, absorb, gained
from trimcap.quantize.ranges import MEASURED, METHODS, Estimator, Ranges, estimator

_ARRAY = history.Seen(outside="calibrated on an array, which does not say whose windows it holds")

#: fewer windows than this are noted in the result
_FEW = 8
#: and an input that reaches fewer levels than this
_LEVELS = 64
#: so many dominating windows are named
_NAMED = 3


def observe(
    program: Program,
    calibration: Any,
    *,
    method: str | Estimator = MEASURED,
    percent: float = 99.9,
    batch: int = 16,
    gains: Gains = (),
    int16: Sequence[str] = (),
    ledger: Ledger | None = None,
) -> Ranges:
    """Range of every value of a float program on calibration windows.

    A range comes from the extremes of every window, not from the extremes of all: at each value, windows that reach
    at least 10 times what nine in ten windows stay below are left aside and named in the notes (a rail, a lost
    electrode). Extremes are exact; percentile and mse work on a fixed random sample of 32,768 numbers per value, the
    same for the same windows. Windows pass in batches, so memory does not grow with the calibration set.

    "measured" takes for every value the range among those of "minmax", "percentile" and "mse" with which the
    *output* of the program is best, see `choose`.

    Parameters
    ----------
    program : float program from `lower`
    calibration : `Windows` or array (n, *input shape) in the model's unit; training data only
    method : "measured", "minmax", "percentile", "mse" or a function (sample, minimum, maximum) → (low, high)
    percent : share of values that "percentile" covers
    batch : windows at a time
    gains : factor of every input channel (`gains.channel_gains`), for an input scale of its own; the layers that read
        the input must be able to absorb them
    int16 : layers (or values) that get sixteen bits, with all values that share their grids
    ledger : if given, `ledger.record("calibration", calibration)` is called for the audit

    Returns
    -------
    Ranges, low ≤ 0 ≤ high for every value

    Raises
    ------
    ValueError : no windows; NaN or infinity, naming the window; or all input values are the same; or a layer cannot
        absorb gains, or have sixteen bits.
    """
    if program.integer:
        raise ValueError(f"program '{program.name}' is already in integers; observe the float program")
    X = _checked(program, calibration)
    if ledger is not None:
        ledger.record("calibration", calibration)
    if gains:
        program, X = absorb(program, gains), gained(X, gains)
    wide = wide_values(program) | widened(merge_maps(program), int16)
    name, estimators = _estimators(method, percent)
    seen = _seen(program, X, batch)
    found: dict[str, Bounds] = {key: {} for key in estimators}
    for value, s in seen.items():
        _finite(program, value, s)
        ordinary = ~dominating(s.magnitudes)
        low, high = s.extremes[:, ordinary]
        sample = s.sample(ordinary)
        for key, estimate in estimators.items():
            a, b = estimate(sample, float(low.min()), float(high.max()))
            found[key][value] = (min(float(a), 0.0), max(float(b), 0.0))
    bounds = choose(program, X, found, wide=wide) if len(found) > 1 else found[name]
    ids = [str(i) for i in getattr(calibration, "ids", range(len(X)))]
    return Ranges(
        bounds,
        name,
        len(X),
        (*_few(X), *_offset(program, X, seen), *_dominated(program, seen, ids)),
        gains,
        tuple(int16),
        calibrated_on(calibration),
    )


def calibrated_on(calibration: Any) -> history.Seen:
    """For the history of what is quantized: the calibration windows, or that nobody knows."""
    return history.NOTHING.plus("calibration", calibration) if isinstance(calibration, Windows) else _ARRAY


def _estimators(method: str | Estimator, percent: float) -> tuple[str, dict[str, Estimator]]:
    """Name of the method, and the estimators that it chooses among."""
    if method != MEASURED:
        name, estimate = estimator(method, percent=percent)
        return name, {name: estimate}
    return MEASURED, {name: estimator(name, percent=percent)[1] for name in METHODS}


def _seen(program: Program, X: NDArray[np.float32], batch: int) -> dict[str, Seen]:
    program = replace(program, expects=None)  # the windows are through the door, and may be divided by gains
    seen = {value: Seen(v.size, len(X)) for value, v in program.values.items()}
    for start in range(0, len(X), batch):
        part = X[start : start + batch]
        results = {program.input: part, **interpret(program, part, trace=True)}
        for value, array in results.items():
            seen[value].add(array)
    return seen


def _few(X: NDArray[np.float32]) -> tuple[str, ...]:
    few = f"calibrated on {len(X)} windows only; {_FEW} or more give steadier ranges"
    return (few,) if len(X) < _FEW else ()


def _offset(program: Program, X: NDArray[np.float32], seen: Mapping[str, Seen]) -> tuple[str, ...]:
    """A note if the 256 levels of the input, of which one is zero, are spent on its offset."""
    X = X[~dominating(seen[program.input].magnitudes)]
    low, high = float(X.min()), float(X.max())
    levels = 256 * (high - low) / max(max(high, 0.0) - min(low, 0.0), 1e-300)
    if levels >= _LEVELS:
        return ()
    return (
        f"the windows lie between {low:g} and {high:g}, far from zero: {max(levels, 1):.0f} of 256 levels are left for "
        "them; remove the offset before the network, for example by a high-pass filter",
    )


def _dominated(program: Program, seen: Mapping[str, Seen], ids: Sequence[str]) -> tuple[str, ...]:
    """Notes that name the windows that would set a range alone, and the first layer where they would."""
    first: dict[int, str] = {}
    for value, s in seen.items():
        for index in np.flatnonzero(dominating(s.magnitudes)):
            first.setdefault(int(index), value)
    notes = []
    for row, value in list(first.items())[:_NAMED]:
        m = seen[value].magnitudes
        others = float(np.quantile(m, 0.9, method="lower"))
        notes.append(
            f"calibration window {ids[row]} dominates at {_place(program, value)}: it reaches {m[row] / others:,.0f} "
            "times what nine in ten windows stay below; it was left aside there, or it alone would have set the range. "
            "Look for a rail or a lost electrode"
        )
    rest = len(first) - _NAMED
    return (*notes, f"{rest} more calibration windows dominate somewhere") if rest > 0 else tuple(notes)


def _place(program: Program, value: str) -> str:
    if value == program.input:
        return "the input"
    source = next((op.source for op in program.ops if op.output == value), value)
    return f"layer '{source}' (value '{value}')"


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


def _finite(program: Program, value: str, seen: Seen) -> None:
    if np.isfinite(seen.extremes).all():
        return
    raise ValueError(
        f"calibration: {_place(program, value)} gives NaN or infinity on the calibration windows, for "
        "example log or division of zero; clamp its input (torch.clamp) before quantizing"
    )
