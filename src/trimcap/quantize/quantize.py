"""From a float Program and ranges to a Program in integers only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.seen import OUTSIDE, united
from trimcap.program.check import check
from trimcap.program.norms import exponent_table, fraction_of
from trimcap.program.program import Op, Program, Value
from trimcap.quantize.fixed_point import fixed_point, shared_shift
from trimcap.quantize.gains import absorb
from trimcap.quantize.grids import quantized_values
from trimcap.quantize.observe import observe
from trimcap.quantize.ranges import MEASURED, Estimator, Ranges
from trimcap.quantize.tables import lookup, merge_maps

Array = NDArray[Any]
Values = dict[str, Value]
Constants = dict[str, Array]


def quantize(
    program: Program,
    calibration: Ranges | Any,
    *,
    bits: int = 8,
    method: str | Estimator = MEASURED,
    ledger: Any = None,
) -> Program:
    """Post-training quantization: int8 activations and weights, int32 sums, no float after the input.

    Weights are symmetric with one scale per output channel, w_q = round(w / s_w), s_w = max|w| / (2^(b−1) − 1);
    activations asymmetric with one scale per tensor; bias_q = round(b / (s_x·s_w)); every change of scale is
    multiplier and shift (`fixed_point`); functions of one element become tables. The exact arithmetic is the table in
    `program`.

    Parameters
    ----------
    program : float program from `lower`
    calibration : `Ranges` from `observe`, or windows to observe: `Windows` or array (n, *input shape), training
        data only
    bits : bits of the weights, 2 to 8 (stored as int8); activations always have 8
    method : range method when windows are given: "measured", "minmax", "percentile", "mse" or a function
    ledger : if given, `ledger.record("calibration", windows)` is called for the audit

    Returns
    -------
    Program in integers; its output is int16 after a last conv or linear, else int8

    Raises
    ------
    ValueError : calibration is unusable, an accumulator could overflow int32, or bits is outside 2…8.

    References
    ----------
    Jacob et al. (2018), Quantization and training of neural networks for efficient integer-arithmetic-only
    inference, §2.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits is {bits}; weights can have 2 to 8 bits")
    ranges = calibration
    if not isinstance(calibration, Ranges):
        ranges = observe(program, calibration, method=method, ledger=ledger)
    elif ledger is not None:
        raise ValueError("ranges do not say which windows they are from; give the ledger to observe() instead")
    program = merge_maps(absorb(program, ranges.gains) if ranges.gains else program)
    values = quantized_values(program, ranges)
    if ranges.gains:
        x = values[program.input]
        values[program.input] = replace(x, scales=tuple(float(np.float32(x.scale / g)) for g in ranges.gains))
    constants: Constants = {}
    ops = tuple(_quantized(program, values, constants, op, bits) for op in program.ops)
    notes = (*program.notes, *ranges.notes)
    seen = united([program.seen or OUTSIDE, ranges.seen])
    return check(replace(program, ops=ops, values=values, constants=constants, notes=notes, seen=seen))


def _quantized(program: Program, values: Values, constants: Constants, op: Op, bits: int) -> Op:
    rule = _RULES.get(op.kind)
    if rule is None:
        return op  # copies
    roles: Constants = rule(program, values, op, bits)
    names = {role: f"{op.name}.{role}" for role in roles}
    constants.update({names[role]: array for role, array in roles.items()})
    if op.kind == "map":
        return replace(op, kind="table", attrs={}, constants=names)
    attrs = _norm_attrs(op, values[op.inputs[0]]) if op.kind == "layer_norm" else dict(op.attrs)
    if op.kind in ("conv", "linear", "add"):
        attrs["low"], attrs["high"] = _limits(op, values[op.output])
    return replace(op, attrs=attrs, constants=names)


def _limits(op: Op, y: Value) -> tuple[int, int]:
    """Real limits of a sum as integers, rounded half away from zero, within the storage type."""
    info = np.iinfo(y.dtype)
    limits = []
    for limit, default in ((op.attrs.get("low"), info.min), (op.attrs.get("high"), info.max)):
        if limit is None:
            limits.append(int(default))
        else:
            v = np.clip(limit / y.scale, -1e9, 1e9)
            limits.append(int(np.clip(np.trunc(v + np.copysign(0.5, v)) + y.zero_point, info.min, info.max)))
    return limits[0], limits[1]


def _weighted(program: Program, values: Values, op: Op, bits: int) -> Constants:
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


def _ratio(numerator: float, denominator: float) -> Constants:
    multiplier, shift = fixed_point(numerator / denominator)
    return {"multiplier": np.array([multiplier], np.int32), "shift": np.array([shift], np.int32)}


def _avg_pool(_: Program, values: Values, op: Op, __: int) -> Constants:
    counts = (op.attrs["divisor"],) if op.attrs["divisor"] else range(1, prod(op.attrs["kernel"]) + 1)
    scale_x, scale_y = values[op.inputs[0]].scale, values[op.output].scale
    pairs = np.array([fixed_point(scale_x / (scale_y * n)) for n in counts], np.int32)
    return {"multiplier": pairs[:, 0], "shift": pairs[:, 1]}


def _mean(_: Program, values: Values, op: Op, __: int) -> Constants:
    return _ratio(values[op.inputs[0]].scale, values[op.output].scale * op.attrs["reduce"])


def _mul(_: Program, values: Values, op: Op, __: int) -> Constants:
    a, b = (values[name].scale for name in op.inputs)
    return _ratio(a * b, values[op.output].scale)


def _add(_: Program, values: Values, op: Op, __: int) -> Constants:
    a, b = (values[name].scale / values[op.output].scale for name in op.inputs)
    m_a, m_b, shift = shared_shift(a, b)
    return {"multipliers": np.array([m_a, m_b], np.int32), "shift": np.array([shift], np.int32)}


def _table(_: Program, values: Values, op: Op, __: int) -> Constants:
    return {"table": lookup(op, values[op.inputs[0]], values[op.output])}


def _layer_norm(program: Program, values: Values, op: Op, _: int) -> Constants:
    gain, offset = (program.constant(op, role).astype(np.float64) for role in ("gain", "offset"))
    one = 2.0 ** fraction_of(op.attrs["reduce"])
    scale = max(np.abs(gain).max() / 32767, np.abs(offset).max() * one / 2.0**30) or 1.0
    return {
        "gain": np.round(gain / scale).astype(np.int16),
        "offset": np.round(offset * one / scale).astype(np.int32),
        **_ratio(scale / one, values[op.output].scale),
    }


def _softmax(_: Program, values: Values, op: Op, __: int) -> Constants:
    return {"exponents": exponent_table(values[op.inputs[0]].scale), **_ratio(2.0**-30, values[op.output].scale)}


def _norm_attrs(op: Op, x: Value) -> dict[str, Any]:
    """ε in the units of n²·variance of the integers, and the bits behind the point."""
    n = op.attrs["reduce"]
    epsilon = round(min(op.attrs["epsilon"] * n * n / x.scale**2, 2.0**60))
    return {**op.attrs, "epsilon": max(1, epsilon), "fraction": fraction_of(n)}


_RULES: dict[str, Callable[[Program, Values, Op, int], Constants]] = {
    "conv": _weighted,
    "linear": _weighted,
    "avg_pool": _avg_pool,
    "mean": _mean,
    "mul": _mul,
    "matmul": _mul,
    "layer_norm": _layer_norm,
    "softmax": _softmax,
    "add": _add,
    "map": _table,
}
