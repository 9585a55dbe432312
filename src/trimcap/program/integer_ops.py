"""Integer arithmetic of every operation, as the table in `program` defines it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.kernels import broadcast, conv_sum, pool_patches
from trimcap.program.program import Op, Program, Value, requantize

Array = NDArray[Any]


def _centred(program: Program, name: str, x: Array, dtype: Any) -> Array:
    """Subtract the zero point: q − z."""
    result: Array = x.astype(dtype) - dtype(program.values[name].zero_point)
    return result


def exact_float(weight: Array, largest: int) -> type[np.float32] | type[np.float64]:
    """The narrowest float in which Σ w·x is exact in any order: partial sums stay below 2^24 (or 2^53)."""
    bound = int(np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(1).max(initial=0)) * largest
    return np.float32 if bound < 1 << 24 else np.float64


def _largest(value: Value) -> int:
    return 255 if value.dtype == "int8" else 65535


def _finish(program: Program, op: Op, accumulator: Array, multiplier: Any, shift: Any) -> Array:
    """clamp(z_y + requant(a, m, s), low, high); m and s broadcast against the accumulator."""
    y = program.values[op.output]
    info = np.iinfo(y.dtype)
    q = requantize(accumulator, multiplier, shift) + y.zero_point
    low, high = op.attrs.get("low"), op.attrs.get("high")
    return np.clip(q, info.min if low is None else low, info.max if high is None else high)


def _conv(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, weight = op.attrs, program.constant(op, "weight")
    dtype = exact_float(weight, _largest(program.values[op.inputs[0]]))
    x = _centred(program, op.inputs[0], inputs[0], dtype)
    total = conv_sum(
        x, weight, stride=a["stride"], padding=a["padding"], dilation=a["dilation"], groups=a["groups"]
    ).astype(np.int64)
    bias, multiplier, shift = (program.constant(op, r)[:, None, None] for r in ("bias", "multiplier", "shift"))
    return _finish(program, op, total + bias, multiplier, shift)


def _linear(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    weight = program.constant(op, "weight")
    dtype = exact_float(weight, _largest(program.values[op.inputs[0]]))
    x = _centred(program, op.inputs[0], inputs[0], dtype)
    total = (x @ weight.astype(dtype).T).astype(np.int64) + program.constant(op, "bias")
    return _finish(program, op, total, program.constant(op, "multiplier"), program.constant(op, "shift"))


def _table(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    index = inputs[0].astype(np.int16) + np.int16(128)
    y: Array = program.constant(op, "table")[index]
    return y


def _avg_pool(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    x = _centred(program, op.inputs[0], inputs[0], np.int64)
    total = pool_patches(x, kernel=a["kernel"], stride=a["stride"], padding=a["padding"], fill=0).sum(axis=(-2, -1))
    return _finish(program, op, total, program.constant(op, "multiplier"), program.constant(op, "shift"))


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


INTEGER_OPS: dict[str, Callable[[Program, Op, Sequence[Array]], Array]] = {
    "conv": _conv,
    "linear": _linear,
    "table": _table,
    "avg_pool": _avg_pool,
    "mean": _mean,
    "add": _add,
    "mul": _mul,
}
"""Kind → function of the program, the operation and its inputs (n, …), integer result."""
