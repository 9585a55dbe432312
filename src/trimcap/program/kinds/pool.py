"""Pooling and mean."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from trimcap.program.fixed_point import fixed_point
from trimcap.program.kernels import pool_patches, window_counts
from trimcap.program.kinds.kind import (
    TO_GRID,
    Array,
    Constants,
    Kind,
    Shape,
    Values,
    attributes,
    centred,
    distance,
    finish,
    input_shape,
    number,
    numbers,
    positions,
    ratio,
    wide,
)  # fmt: skip
from trimcap.program.program import Op, Program


def _pooled(program: Program, op: Op) -> Shape:
    channels, *sizes = input_shape(program, op, rank=3)
    return channels, *positions(op, tuple(sizes), numbers(op, "kernel", 2, least=1), (1, 1))


def _averaged(program: Program, op: Op) -> Shape:
    input_shape(program, op, rank=3)
    number(op, "divisor")
    return _pooled(program, op)


def _geometry(op: Op) -> dict[str, Sequence[int]]:
    return {key: op.attrs[key] for key in ("kernel", "stride", "padding")}


def _average(_: Program, op: Op, inputs: Sequence[Array]) -> Array:
    total = pool_patches(wide(inputs[0]), **_geometry(op), fill=0).sum(axis=(-2, -1))
    result: Array = total / (op.attrs["divisor"] or window_counts(inputs[0], **_geometry(op)))
    return result


def _integer_average(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    x = centred(program, op.inputs[0], inputs[0], np.int64)
    total = pool_patches(x, **_geometry(op), fill=0).sum(axis=(-2, -1))
    which = slice(None) if op.attrs["divisor"] else window_counts(x, **_geometry(op)) - 1
    return finish(program, op, total, program.constant(op, "multiplier")[which], program.constant(op, "shift")[which])


def _quantized_average(_: Program, values: Values, op: Op, __: int) -> Constants:
    counts = (op.attrs["divisor"],) if op.attrs["divisor"] else range(1, prod(op.attrs["kernel"]) + 1)
    scale_x, scale_y = values[op.inputs[0]].scale, values[op.output].scale
    pairs = np.array([fixed_point(scale_x / (scale_y * n)) for n in counts], np.int32)
    return {"multiplier": pairs[:, 0], "shift": pairs[:, 1]}


def _check_counts(program: Program, op: Op) -> None:
    """An average over what is inside the image: every window holds something, every number has its factor."""
    if op.attrs["divisor"]:
        return
    image = np.empty((1, *program.values[op.inputs[0]].shape), np.int8)
    if window_counts(image, **_geometry(op)).min(initial=1) < 1:
        raise ValueError("a window of the average lies outside the image altogether")
    if program.integer:
        lengths = {len(program.constant(op, role)) for role in ("multiplier", "shift")}
        if lengths != {prod(op.attrs["kernel"])}:
            raise ValueError(f"multiplier and shift need one entry for each number of elements, got {lengths}")


def _maximum(_: Program, op: Op, inputs: Sequence[Array]) -> Array:
    x = inputs[0]
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    result: Array = pool_patches(x, **_geometry(op), fill=least).max(axis=(-2, -1))
    return result


def _mean_shape(program: Program, op: Op) -> Shape:
    outer, reduce, inner = (number(op, name, least=1) for name in ("outer", "reduce", "inner"))
    x, shape = input_shape(program, op), program.values[op.output].shape
    if outer * reduce * inner != prod(x) or outer * inner != prod(shape):
        raise ValueError(f"it sees {x} as {(outer, reduce, inner)} and makes {shape}")
    return shape


def _rows(op: Op, x: Array) -> Array:
    return x.reshape(len(x), op.attrs["outer"], op.attrs["reduce"], op.attrs["inner"])


def _mean(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    y: Array = _rows(op, wide(inputs[0])).mean(axis=2)
    return y.reshape(len(y), *program.values[op.output].shape)


def _integer_mean(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    x = _rows(op, centred(program, op.inputs[0], inputs[0], np.int64))
    return finish(program, op, x.sum(axis=2).reshape(len(x), *program.values[op.output].shape))


def _quantized_mean(_: Program, values: Values, op: Op, __: int) -> Constants:
    return ratio(values[op.inputs[0]].scale, values[op.output].scale * op.attrs["reduce"])


AVG_POOL = Kind(
    shape=_averaged,
    real=_average,
    integer=_integer_average,
    attributes=attributes("kernel stride padding divisor"),
    integer_roles=TO_GRID,
    quantize=_quantized_average,
    bound=lambda program, op: prod(op.attrs["kernel"]) * distance(program.values[op.inputs[0]]),
    check=_check_counts,
)
MAX_POOL = Kind(
    shape=_pooled,
    real=_maximum,
    integer=_maximum,
    attributes=attributes("kernel stride padding"),
    shares_grid=True,
)
MEAN = Kind(
    shape=_mean_shape,
    real=_mean,
    integer=_integer_mean,
    attributes=attributes("outer reduce inner"),
    integer_roles=TO_GRID,
    quantize=_quantized_mean,
    bound=lambda program, op: int(op.attrs["reduce"]) * distance(program.values[op.inputs[0]]),
)
