"""What quantization cost: noise of every value, agreement and error of the logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.program.interpret import as_input, dequantize, interpret, quantize_input
from trimcap.program.program import Program
from trimcap.quantize.extremes import dominating
from trimcap.quantize.gains import absorb, gained

Array = NDArray[Any]


@dataclass(frozen=True)
class Agreement:
    """Float and integer program on the same windows.

    Parameters
    ----------
    n_windows : number of windows
    agreement : share of windows with the same largest logit, of all windows
    max_error, rms_error : of the logits, in their unit
    scale : largest |logit| of the float program
    sqnr : signal-to-quantization-noise ratio of the logits, dB
    left_aside : windows that dominate the input (see `extremes.dominating`): they count in the agreement, but not in
        errors and ratios, which they alone would make
    """

    n_windows: int
    agreement: float
    max_error: float
    rms_error: float
    scale: float
    sqnr: float
    left_aside: int = 0


def sqnr(reference: Array, approximation: Array) -> float:
    """Signal-to-quantization-noise ratio 10·log10(Σr² / Σ(r − s(q − z))²), dB; +inf without noise, −inf without signal.

    Parameters
    ----------
    reference : r, real numbers
    approximation : s(q − z), the real numbers that the integers stand for
    """
    x = np.asarray(reference, np.float64)
    return _decibel(float((x**2).sum()), float(((x - approximation) ** 2).sum()))


def noise_table(program: Program, quantized: Program, X: Any, *, batch: int = 16) -> pd.DataFrame:
    """Noise of the input and of every value that both programs compute, one row each.

    Parameters
    ----------
    program, quantized : float program and the integer one made from it
    X : array (n, *input shape) or `Windows`
    batch : windows at a time

    Returns
    -------
    DataFrame with columns value, kind, source (layer), dtype, scale, sqnr (dB) and saturated (share of numbers at
    either end of the grid), in order of execution; the noise accumulates from the input on, a sudden drop names the
    layer to look at. Windows that dominate the input are left aside.
    """
    return compared(program, quantized, X, batch=batch)[1]


def agreement(program: Program, quantized: Program, X: Any) -> Agreement:
    """Compare the outputs of a float program and the integer one made from it.

    Raises
    ------
    ValueError : no windows.
    """
    return compared(program, quantized, X)[0]


def compared(program: Program, quantized: Program, X: Any, *, batch: int = 16) -> tuple[Agreement, pd.DataFrame]:
    """Both `agreement` and `noise_table`, in one run of either program.

    Raises
    ------
    ValueError : no windows.
    """
    X = as_input(program, X)
    if not len(X):
        raise ValueError("agreement: no windows to compare on")
    ordinary = ~dominating(np.abs(X).reshape(len(X), -1).max(axis=1))
    common = [program.input, *(op.output for op in quantized.ops if op.output in program.values)]
    sums = {name: np.zeros(3) for name in common}
    same, worst, square, count, scale = 0, 0.0, 0.0, 0, 0.0
    for start in range(0, len(X), batch):
        part, rows = X[start : start + batch], ordinary[start : start + batch]
        for name, x, raw in _pairs(program, quantized, part, common):
            info, real = np.iinfo(raw.dtype), dequantize(quantized, raw, value=name)
            r, error = x[rows].astype(np.float64), x[rows] - real[rows].astype(np.float64)
            ends = ((raw == info.min) | (raw == info.max))[rows]
            sums[name] += ((r**2).sum(), (error**2).sum(), ends.sum())
            if name == program.output:
                same += int((_flat(x).argmax(1) == _flat(real).argmax(1)).sum())
                worst, scale = max(worst, _largest(error)), max(scale, _largest(r))
                square, count = square + float((error**2).sum()), count + error.size
    out = sums[program.output]
    found = Agreement(
        n_windows=len(X),
        agreement=same / len(X),
        max_error=worst,
        rms_error=float(np.sqrt(square / max(count, 1))),
        scale=scale,
        sqnr=_decibel(out[0], out[1]),
        left_aside=int((~ordinary).sum()),
    )
    return found, _table(quantized, sums, int(ordinary.sum()))


def _pairs(program: Program, quantized: Program, X: Array, common: list[str]) -> Iterator[tuple[str, Array, Array]]:
    """Name, real numbers and integers of every value; where an input's channels share a grid, in its unit."""
    program, quantized = (replace(p, expects=None) for p in (program, quantized))  # X is through the door
    got, first = interpret(quantized, X, trace=True), quantize_input(quantized, X)
    yield program.input, X, first
    x = quantized.values[quantized.input]
    if x.scales:
        gains = tuple(x.scale / s for s in x.scales)
        program, X = absorb(program, gains), gained(X, gains)
    wanted = interpret(program, X, trace=True)
    for name in common[1:]:
        yield name, wanted[name], got[name]


def _table(quantized: Program, sums: dict[str, NDArray[np.float64]], n: int) -> pd.DataFrame:
    made = {op.output: op for op in quantized.ops}
    rows = []
    for name, (signal, noise, ends) in sums.items():
        value, op = quantized.values[name], made.get(name)
        rows.append(
            {
                "value": name,
                "kind": op.kind if op else "input",
                "source": op.source if op else "input",
                "dtype": value.dtype,
                "scale": value.scale,
                "sqnr": _decibel(signal, noise),
                "saturated": float(ends / max(n * value.size, 1)),
            }
        )
    return pd.DataFrame(rows)


def _flat(x: Array) -> Array:
    return x.reshape(len(x), -1)


def _largest(x: Array) -> float:
    return float(np.abs(x).max(initial=0.0))


def _decibel(signal: float, noise: float) -> float:
    if noise == 0:
        return float("inf")
    return 10 * float(np.log10(signal / noise)) if signal else float("-inf")
