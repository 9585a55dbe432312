"""Integer arithmetic of every operation, as the table in `program` defines it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.check import distance
from trimcap.program.kernels import broadcast, conv_sum, matrices, pool_patches, window_counts
from trimcap.program.norms import normalised_integers, probability_integers
from trimcap.program.program import Op, Program, requantize, table_index

Array = NDArray[Any]


def _centred(program: Program, name: str, x: Array, dtype: Any) -> Array:
    """Subtract the zero point: q − z."""
    result: Array = x.astype(dtype) - dtype(program.values[name].zero_point)
    return result


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


_FLOAT32 = 1 << 24


def _bound(weight: Array, largest: int) -> int:
    """At least max_o Σ|w[o]| · max|x|."""
    rows = np.abs(weight.astype(np.int16)).reshape(len(weight), -1)
    if rows.shape[1] * 127 * largest < _FLOAT32:
        return rows.shape[1] * 127 * largest
    return int(rows.sum(axis=1, dtype=np.int32).max(initial=0)) * largest


def _finish(program: Program, op: Op, accumulator: Array, multiplier: Any, shift: Any) -> Array:
    """clamp(z_y + requant(a, m, s), low, high); m and s broadcast against the accumulator."""
    y = program.values[op.output]
    info = np.iinfo(y.dtype)
    q = requantize(accumulator, multiplier, shift) + y.zero_point
    low, high = op.attrs.get("low"), op.attrs.get("high")
    return np.clip(q, info.min if low is None else low, info.max if high is None else high)


def _conv(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, weight = op.attrs, program.constant(op, "weight")
    geometry = {key: a[key] for key in ("stride", "padding", "dilation", "groups")}
    parts, dtype = exact_parts(weight, distance(program.values[op.inputs[0]]), divisible=a["groups"] == 1)
    x = _centred(program, op.inputs[0], inputs[0], dtype)
    total = sum(conv_sum(x[:, p] if len(parts) > 1 else x, weight[:, p], **geometry).astype(np.int64) for p in parts)
    per_channel = (-1, *[1] * (weight.ndim - 2))
    bias, multiplier, shift = (program.constant(op, r).reshape(per_channel) for r in ("bias", "multiplier", "shift"))
    return _finish(program, op, total + bias, multiplier, shift)


def _linear(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    weight = program.constant(op, "weight")
    parts, dtype = exact_parts(weight, distance(program.values[op.inputs[0]]))
    x = _centred(program, op.inputs[0], inputs[0], dtype)
    total = sum((x[..., p] @ weight[:, p].astype(dtype).T).astype(np.int64) for p in parts)
    return _finish(
        program,
        op,
        total + program.constant(op, "bias"),
        program.constant(op, "multiplier"),
        program.constant(op, "shift"),
    )


def _table(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    wide = program.values[op.inputs[0]].dtype == "int16"
    index = table_index(inputs[0]) if wide else inputs[0].astype(np.int16) + np.int16(128)
    y: Array = program.constant(op, "table")[index]
    return y


def _avg_pool(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    x = _centred(program, op.inputs[0], inputs[0], np.int64)
    geometry = {key: a[key] for key in ("kernel", "stride", "padding")}
    total = pool_patches(x, **geometry, fill=0).sum(axis=(-2, -1))
    which = slice(None) if a["divisor"] else window_counts(x, **geometry) - 1
    return _finish(program, op, total, program.constant(op, "multiplier")[which], program.constant(op, "shift")[which])


def _mean(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    x = _centred(program, op.inputs[0], inputs[0], np.int64)
    total = x.reshape(len(x), a["outer"], a["reduce"], a["inner"]).sum(axis=2)
    total = total.reshape(len(x), *program.values[op.output].shape)
    return _finish(program, op, total, program.constant(op, "multiplier"), program.constant(op, "shift"))


def _pair(program: Program, op: Op, inputs: Sequence[Array]) -> tuple[Array, Array]:
    shape = program.values[op.output].shape
    a, b = (_centred(program, n, x, np.int64) for n, x in zip(op.inputs, inputs, strict=True))
    return broadcast(a, shape, op.attrs["strides_a"]), broadcast(b, shape, op.attrs["strides_b"])


def _add(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, b = _pair(program, op, inputs)
    m_a, m_b = (int(m) for m in program.constant(op, "multipliers"))
    return _finish(program, op, a * m_a + b * m_b, 1, program.constant(op, "shift"))


def _mul(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, b = _pair(program, op, inputs)
    return _finish(program, op, a * b, program.constant(op, "multiplier"), program.constant(op, "shift"))


def _matmul(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    # `check` proves |sum| < 2^31, so float64 holds every partial sum exactly
    a, b = matrices(op, *(_centred(program, n, x, np.float64) for n, x in zip(op.inputs, inputs, strict=True)))
    total = (a @ b).astype(np.int64)
    return _finish(program, op, total, program.constant(op, "multiplier"), program.constant(op, "shift"))


def _layer_norm(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    q = inputs[0].reshape(len(inputs[0]), a["outer"], a["reduce"])
    gain, offset = (program.constant(op, role).astype(np.int64) for role in ("gain", "offset"))
    total = normalised_integers(q, a["epsilon"], a["fraction"]) * gain + offset
    total = total.reshape(len(q), *program.values[op.output].shape)
    return _finish(program, op, total, program.constant(op, "multiplier"), program.constant(op, "shift"))


def _softmax(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    q = inputs[0].reshape(len(inputs[0]), a["outer"], a["reduce"], a["inner"])
    found = probability_integers(q, program.constant(op, "exponents"), 2)
    found = found.reshape(len(q), *program.values[op.output].shape)
    return _finish(program, op, found, program.constant(op, "multiplier"), program.constant(op, "shift"))


INTEGER_OPS: dict[str, Callable[[Program, Op, Sequence[Array]], Array]] = {
    "conv": _conv,
    "linear": _linear,
    "table": _table,
    "avg_pool": _avg_pool,
    "mean": _mean,
    "add": _add,
    "mul": _mul,
    "matmul": _matmul,
    "layer_norm": _layer_norm,
    "softmax": _softmax,
}
"""Kind → function of the program, the operation and its inputs (n, …), integer result."""
