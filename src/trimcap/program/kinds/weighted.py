"""Weights: what convolutions and linear layers have in common."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.fixed_point import fixed_point
from trimcap.program.kinds.kind import TO_GRID, Array, Constants, Kind, Values, distance, integer_limits
from trimcap.program.program import Op, Program

_FLOAT32 = 1 << 24


def exact_parts(weight: Array, largest: int, *, divisible: bool = True) -> tuple[list[slice], Any]:
    """How to sum Σ w·x exactly in floats: parts of the inputs, and the float type in which each part is exact.

    A float holds every integer below 2^24 (float32) or 2^53 (float64), so a sum is exact in any order if Σ|w|·max|x|
    stays below. float32 is twice as fast, so up to four parts are taken before float64.

    Parameters
    ----------
    weight : integers (O, I, …)
    largest : max |x|
    divisible : whether the inputs may be split (not in a grouped convolution)
    """
    inputs = weight.shape[1]
    count = -(-_bound(weight, largest) // _FLOAT32) if inputs else 1
    if count <= 1:
        return [slice(None)], np.float32
    if divisible and count <= 4:
        edges = [inputs * k // count for k in range(count + 1)]
        parts = [slice(a, z) for a, z in itertools.pairwise(edges)]
        if all(_bound(weight[:, part], largest) < _FLOAT32 for part in parts):
            return parts, np.float32
    return [slice(None)], np.float64


def _bound(weight: Array, largest: int) -> int:
    """At least max_o Σ|w[o]| · max|x|."""
    rows = np.abs(weight.astype(np.int16)).reshape(len(weight), -1)
    if rows.shape[1] * 127 * largest < _FLOAT32:
        return rows.shape[1] * 127 * largest
    return int(rows.sum(axis=1, dtype=np.int32).max(initial=0)) * largest


def bound(program: Program, op: Op) -> int:
    """max_o(Σ|w[o]|·d + |b[o]|), d the largest |q − z| of the input."""
    weight = program.constant(op, "weight").astype(np.int64)
    sums = np.abs(weight).reshape(len(weight), -1).sum(1)
    bias = np.abs(program.constant(op, "bias").astype(np.int64))
    return int((sums * distance(program.values[op.inputs[0]]) + bias).max(initial=0))


def macs(program: Program, op: Op) -> int:
    """Outputs times the numbers in one filter."""
    return program.values[op.output].size * int(program.constant(op, "weight")[0].size)


def quantize(program: Program, values: Values, op: Op, bits: int) -> Constants:
    """w_q = round(w / s_w), b_q = round(b / (s_x·s_w)), and s_x·s_w / s_y as multiplier and shift."""
    weight = program.constant(op, "weight").astype(np.float64)
    bias = program.constant(op, "bias").astype(np.float64)
    scale_x, scale_y = values[op.inputs[0]].scale, values[op.output].scale
    scale_w = weight_scales(weight, bias, scale_x, bits=bits)
    per_row = scale_w.reshape(-1, *[1] * (weight.ndim - 1))
    pairs = [fixed_point(scale_x * s / scale_y) for s in scale_w]
    return {
        "weight": np.round(weight / per_row).astype(np.int8),
        "bias": np.round(bias / (scale_x * scale_w)).astype(np.int32),
        "multiplier": np.array([m for m, _ in pairs], np.int32),
        "shift": np.array([s for _, s in pairs], np.int32),
    }


def weight_scales(weight: Array, bias: Array, scale_x: float, *, bits: int = 8) -> NDArray[np.float64]:
    """One scale per output channel: max|w| / (2^(b−1) − 1), or more where the bias would leave 2^30.

    A dead channel (all weights zero) gets its scale from the bias, and 1 if that is zero too.
    """
    largest = np.abs(weight).reshape(len(weight), -1).max(axis=1, initial=0)
    scales: NDArray[np.float64] = np.maximum(largest / (2 ** (bits - 1) - 1), np.abs(bias) / (scale_x * 2.0**30))
    return np.where(scales > 0, scales, 1.0)


#: a kind with a weight and a bias for each output
weighted_kind = partial(
    Kind,
    roles={"weight": "int8", "bias": "int32"},
    integer_roles=TO_GRID,
    per_output=True,
    quantize=quantize,
    integer_attributes=integer_limits,
    bound=bound,
    macs=macs,
)
