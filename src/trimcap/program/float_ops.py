"""Float arithmetic of every operation: summed in float64, rounded to float32 once per operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.functions import apply_function
from trimcap.program.kernels import broadcast, conv_sum, matrices, pool_patches, window_counts
from trimcap.program.norms import normalised, probabilities
from trimcap.program.program import Op, Program

Array = NDArray[Any]


def _wide(x: Array) -> Array:
    return x.astype(np.float64)


def _limited(op: Op, y: Array) -> Array:
    low, high = op.attrs.get("low"), op.attrs.get("high")
    return y if low is None and high is None else np.clip(y, low, high)


def _conv(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    y = conv_sum(
        _wide(inputs[0]),
        program.constant(op, "weight"),
        stride=a["stride"],
        padding=a["padding"],
        dilation=a["dilation"],
        groups=a["groups"],
    )
    return _limited(op, y + program.constant(op, "bias").reshape(-1, *[1] * (y.ndim - 2)))


def _linear(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    y = _wide(inputs[0]) @ program.constant(op, "weight").astype(np.float64).T
    return _limited(op, y + program.constant(op, "bias"))


def _map(_: Program, op: Op, inputs: Sequence[Array]) -> Array:
    return apply_function(op.attrs["function"], op.attrs["parameters"], inputs[0])


def _avg_pool(_: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    geometry = {key: a[key] for key in ("kernel", "stride", "padding")}
    total = pool_patches(_wide(inputs[0]), **geometry, fill=0).sum(axis=(-2, -1))
    result: Array = total / (a["divisor"] or window_counts(inputs[0], **geometry))
    return result


def _mean(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    x = _wide(inputs[0]).reshape(len(inputs[0]), a["outer"], a["reduce"], a["inner"])
    y: Array = x.mean(axis=2).reshape(len(x), *program.values[op.output].shape)
    return y


def _pair(program: Program, op: Op, inputs: Sequence[Array]) -> tuple[Array, Array]:
    shape = program.values[op.output].shape
    a, b = (_wide(x) for x in inputs)
    return broadcast(a, shape, op.attrs["strides_a"]), broadcast(b, shape, op.attrs["strides_b"])


def _add(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, b = _pair(program, op, inputs)
    return _limited(op, a + b)


def _mul(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, b = _pair(program, op, inputs)
    result: Array = a * b
    return result


def _matmul(_: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, b = matrices(op, *(_wide(x) for x in inputs))
    result: Array = a @ b
    return result


def _layer_norm(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    x = _wide(inputs[0]).reshape(len(inputs[0]), op.attrs["outer"], op.attrs["reduce"])
    y = normalised(x, op.attrs["epsilon"]) * program.constant(op, "gain") + program.constant(op, "offset")
    result: Array = y.reshape(len(x), *program.values[op.output].shape)
    return result


def _softmax(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    x = _wide(inputs[0]).reshape(len(inputs[0]), a["outer"], a["reduce"], a["inner"])
    return probabilities(x, 2).reshape(len(x), *program.values[op.output].shape)


FLOAT_OPS: dict[str, Callable[[Program, Op, Sequence[Array]], Array]] = {
    "conv": _conv,
    "linear": _linear,
    "map": _map,
    "avg_pool": _avg_pool,
    "mean": _mean,
    "add": _add,
    "mul": _mul,
    "matmul": _matmul,
    "layer_norm": _layer_norm,
    "softmax": _softmax,
}
"""Kind → function of the program, the operation and its inputs (n, …), float64 result."""
