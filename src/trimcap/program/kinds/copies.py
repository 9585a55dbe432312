"""Operations that only move values: the same in float and in integers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from trimcap.program.kernels import pad_image
from trimcap.program.kinds.kind import Array, Kind, Shape, attributes, input_shape, number, numbers
from trimcap.program.program import Op, Program


def _concat_shape(program: Program, op: Op) -> Shape:
    shapes, dim = [program.values[name].shape for name in op.inputs], number(op, "dim")
    rest = {(*s[:dim], *s[dim + 1 :]) for s in shapes}
    if len(rest) > 1 or any(dim >= len(s) for s in shapes):
        raise ValueError(f"it joins {shapes} along dimension {dim}")
    return (*shapes[0][:dim], sum(s[dim] for s in shapes), *shapes[0][dim + 1 :])


def _concat(_: Program, op: Op, inputs: Sequence[Array]) -> Array:
    return np.concatenate(inputs, axis=op.attrs["dim"] + 1)


def _pad_shape(program: Program, op: Op) -> Shape:
    shape, (top, left, bottom, right) = input_shape(program, op), numbers(op, "padding", 4)
    if len(shape) < 2:
        raise ValueError(f"it reads {shape}, must read two dimensions or more")
    return (*shape[:-2], shape[-2] + top + bottom, shape[-1] + left + right)


def _pad(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    return pad_image(inputs[0], op.attrs["padding"], program.values[op.inputs[0]].zero_point)


def _permute_shape(program: Program, op: Op) -> Shape:
    shape = input_shape(program, op)
    order = numbers(op, "order", len(shape))
    if sorted(order) != list(range(len(shape))):
        raise ValueError(f"its order {order} is none of {len(shape)} dimensions")
    return tuple(shape[d] for d in order)


def _permute(_: Program, op: Op, inputs: Sequence[Array]) -> Array:
    return np.ascontiguousarray(inputs[0].transpose(0, *(d + 1 for d in op.attrs["order"])))


def _slice_shape(program: Program, op: Op) -> Shape:
    shape, dim, start = input_shape(program, op), number(op, "dim"), number(op, "start")
    step, stated = number(op, "step", least=1), program.values[op.output].shape
    if len(stated) != len(shape) or dim >= len(shape) or start + (stated[dim] - 1) * step >= shape[dim]:
        raise ValueError(f"it takes {stated} of {shape} along dimension {dim}, from {start} in steps of {step}")
    return (*shape[:dim], stated[dim], *shape[dim + 1 :])


def _slice(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    dim, start, step = op.attrs["dim"], op.attrs["start"], op.attrs["step"]
    count = program.values[op.output].shape[dim]
    return inputs[0].take(np.arange(start, start + count * step, step), axis=dim + 1)


def _reshape_shape(program: Program, op: Op) -> Shape:
    shape, stated = input_shape(program, op), program.values[op.output].shape
    if prod(shape) != prod(stated):
        raise ValueError(f"it sees {shape} as {stated}")
    return stated


def _reshape(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    return inputs[0].reshape(len(inputs[0]), *program.values[op.output].shape)


CONCAT = Kind(_concat_shape, _concat, _concat, attributes=attributes("dim"), n_inputs=0, shares_grid=True)
PAD = Kind(_pad_shape, _pad, _pad, attributes=attributes("padding"), shares_grid=True)
PERMUTE = Kind(_permute_shape, _permute, _permute, attributes=attributes("order"), shares_grid=True)
SLICE = Kind(_slice_shape, _slice, _slice, attributes=attributes("dim start step"), shares_grid=True)
RESHAPE = Kind(_reshape_shape, _reshape, _reshape, shares_grid=True, view=True)
