"""Operations that only move values: the same in float and in integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.kernels import pad_image, pool_patches
from trimcap.program.program import Op, Program

Array = NDArray[Any]


def _max_pool(_: Program, op: Op, inputs: Sequence[Array]) -> Array:
    x = inputs[0]
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    a = op.attrs
    patches = pool_patches(x, kernel=a["kernel"], stride=a["stride"], padding=a["padding"], fill=least)
    result: Array = patches.max(axis=(-2, -1))
    return result


def _pad(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    return pad_image(inputs[0], op.attrs["padding"], program.values[op.inputs[0]].zero_point)


def _permute(_: Program, op: Op, inputs: Sequence[Array]) -> Array:
    return np.ascontiguousarray(inputs[0].transpose(0, *(d + 1 for d in op.attrs["order"])))


def _slice(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    dim, start, step = op.attrs["dim"], op.attrs["start"], op.attrs["step"]
    count = program.values[op.output].shape[dim]
    return inputs[0].take(np.arange(start, start + count * step, step), axis=dim + 1)


def _reshape(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    return inputs[0].reshape(len(inputs[0]), *program.values[op.output].shape)


COPIES: dict[str, Callable[[Program, Op, Sequence[Array]], Array]] = {
    "max_pool": _max_pool,
    "concat": lambda _, op, inputs: np.concatenate(inputs, axis=op.attrs["dim"] + 1),
    "pad": _pad,
    "permute": _permute,
    "slice": _slice,
    "reshape": _reshape,
}
"""Kind → function of the program, the operation and its inputs (n, …)."""
