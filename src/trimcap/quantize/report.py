"""What quantization cost: noise per operation, agreement and error of the logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.program.interpret import as_input, dequantize, interpret
from trimcap.program.program import Program

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Float and integer program on the same windows.

    Parameters
    ----------
    n_windows : number of windows
    agreement : share of windows with the same largest logit
    max_error, rms_error : of the logits, in their unit
    scale : largest |logit| of the float program
    sqnr : signal-to-quantization-noise ratio of the logits, dB
    """

    n_windows: int
    agreement: float
    max_error: float
    rms_error: float
    scale: float
    sqnr: float


def sqnr(reference: NDArray[Any], approximation: NDArray[Any]) -> float:
    """Signal-to-quantization-noise ratio 10·log10(Σx² / Σ(x − x̂)²), dB; +inf without noise, −inf without signal."""
    x = np.asarray(reference, np.float64)
    return _decibel(float((x**2).sum()), float(((x - approximation) ** 2).sum()))


def noise_table(program: Program, quantized: Program, X: Any, *, batch: int = 16) -> pd.DataFrame:
    """Noise of every value that both programs compute, one row each.

    Parameters
    ----------
    program, quantized : float program and the integer one made from it
    X : array (n, *input shape) or `Windows`
    batch : windows at a time

    Returns
    -------
    DataFrame with columns op, kind, source (layer), scale, sqnr (dB) and saturated (share of numbers at either end
    of the grid), in order of execution; the noise accumulates from the input on, a sudden drop names the layer to
    look at
    """
    X = as_input(program, X)
    ops = [op for op in quantized.ops if op.name in {o.name for o in program.ops}]
    power, noise, ends = (dict.fromkeys((op.name for op in ops), 0.0) for _ in range(3))
    for start in range(0, len(X), batch):
        part = X[start : start + batch]
        wanted, got = interpret(program, part, trace=True), interpret(quantized, part, trace=True)
        for op in ops:
            x = wanted[op.name].astype(np.float64)
            raw, info = got[op.name], np.iinfo(got[op.name].dtype)
            power[op.name] += float((x**2).sum())
            noise[op.name] += float(((x - dequantize(quantized, raw, value=op.output)) ** 2).sum())
            ends[op.name] += float(((raw == info.min) | (raw == info.max)).mean() * len(part))
    rows = [
        {
            "op": op.name,
            "kind": op.kind,
            "source": op.source,
            "scale": quantized.values[op.output].scale,
            "sqnr": _decibel(power[op.name], noise[op.name]),
            "saturated": ends[op.name] / max(len(X), 1),
        }
        for op in ops
    ]
    return pd.DataFrame(rows)


def agreement(program: Program, quantized: Program, X: Any) -> Agreement:
    """Compare the outputs of a float program and the integer one made from it.

    Raises
    ------
    ValueError : no windows.
    """
    X = as_input(program, X)
    if not len(X):
        raise ValueError("agreement: no windows to compare on")
    wanted = np.asarray(interpret(program, X), np.float64).reshape(len(X), -1)
    got = dequantize(quantized, interpret(quantized, X)).astype(np.float64).reshape(len(X), -1)
    error = np.abs(got - wanted)
    return Agreement(
        n_windows=len(X),
        agreement=float((wanted.argmax(1) == got.argmax(1)).mean()),
        max_error=float(error.max()),
        rms_error=float(np.sqrt((error**2).mean())),
        scale=float(np.abs(wanted).max()),
        sqnr=sqnr(wanted, got),
    )


def _decibel(signal: float, noise: float) -> float:
    if noise == 0:
        return float("inf")
    return 10 * float(np.log10(signal / noise)) if signal else float("-inf")
