"""Of several ranges for a value, the one with which the output of the program is best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.grids import sharing_groups
from trimcap.program.integers import merge_maps
from trimcap.program.interpret import run_op
from trimcap.program.program import Program
from trimcap.quantize.extremes import dominating
from trimcap.quantize.ranges import fake_quantize

Array = NDArray[Any]
Bounds = dict[str, tuple[float, float]]

#: windows to measure on: at most so many, and so many numbers of all values together
_WINDOWS, _NUMBERS = 128, 1 << 24
#: a narrower range must lower the error to this share (0.5 dB): it was chosen on the windows that it is measured on
_BETTER = 0.9


def choose(
    program: Program, X: NDArray[np.float32], candidates: Mapping[str, Bounds], *, wide: frozenset[str]
) -> Bounds:
    """Range of every value, by the error at the output that quantizing this value alone makes.

    The error of a choice is Σ‖y − ŷ‖², y the output in float, ŷ the one with the value (and those that share its grid)
    rounded to eight bits and everything else in float; windows that dominate y are left aside. The first candidate is
    taken unless another lowers its error by 0.5 dB. Errors of several values add up differently from what each alone
    says; so the choice is compared with each of the candidates for all values at once, and the best is returned.

    Parameters
    ----------
    program : float program
    X : calibration windows (n, *input shape); at most 128 of them, evenly spread, are used
    candidates : method → value → (low, high), the widest first
    wide : values with sixteen bits, which need no clipping
    """
    windows = _Windows(program, _few_of(program, X))
    integer = merge_maps(program).values.keys()
    merged: Bounds = {}
    for group in sharing_groups(program):
        options: list[Bounds] = [{name: _union(bounds, group) for name in group} for bounds in candidates.values()]
        free = group <= wide or not group & integer  # sixteen bits, which need no clipping; or inside one table
        best = max(options, key=_width) if free else _best(options, windows)
        merged.update(best)
    rounded = integer - wide
    whole = [{name: bounds[name] for name in rounded} for bounds in (*candidates.values(), merged)]
    return {**merged, **_best(whole, windows)}


def _best(options: list[Bounds], windows: _Windows) -> Bounds:
    """The first one, unless a later one is better by more than windows that were not seen may take back."""
    best, least = options[0], np.inf
    for option in options:
        if option != best or least == np.inf:
            error = windows.error(option)
            if error < _BETTER * least:
                best, least = option, error
    return best


def _width(bounds: Bounds) -> float:
    low, high = next(iter(bounds.values()))
    return high - low


def _union(bounds: Bounds, group: frozenset[str]) -> tuple[float, float]:
    return min(bounds[name][0] for name in group), max(bounds[name][1] for name in group)


def _few_of(program: Program, X: NDArray[np.float32]) -> NDArray[np.float32]:
    size = sum(v.size for v in program.values.values())
    count = min(len(X), _WINDOWS, max(1, _NUMBERS // size))
    return X[np.linspace(0, len(X) - 1, count).round().astype(np.int64)]


class _Windows:
    """Every value of the float program on some windows, and the output when values are rounded."""

    def __init__(self, program: Program, X: NDArray[np.float32]) -> None:
        self._program = program
        self._values: dict[str, Array] = {program.input: X}
        for op in program.ops:
            self._values[op.output] = run_op(program, op, [self._values[name] for name in op.inputs])
        self._wanted = self._flat(self._values)
        self._ordinary = ~dominating(np.abs(self._wanted).max(axis=1))

    def error(self, bounds: Bounds) -> float:
        """Squared error of the output with these values rounded; what none of them reaches is not run again."""
        env = {name: self._rounded(self._values[name], bounds[name]) for name in bounds if name == self._program.input}
        for op in self._program.ops:
            if any(name in env for name in op.inputs):
                inputs = [env[name] if name in env else self._values[name] for name in op.inputs]
                env[op.output] = run_op(self._program, op, inputs)
            if op.output in bounds:
                env[op.output] = self._rounded(env.get(op.output, self._values[op.output]), bounds[op.output])
        with np.errstate(all="ignore"):
            lost = ((self._flat({**self._values, **env}) - self._wanted) ** 2)[self._ordinary].sum()
        return float(np.nan_to_num(lost, nan=np.inf))

    def _flat(self, values: Mapping[str, Array]) -> NDArray[np.float64]:
        y = values[self._program.output]
        return y.reshape(len(y), -1).astype(np.float64)

    @staticmethod
    def _rounded(x: Array, bounds: tuple[float, float]) -> Array:
        return fake_quantize(x, *bounds).astype(np.float32)
