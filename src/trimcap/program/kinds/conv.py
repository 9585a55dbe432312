"""Convolution of images and of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from trimcap.program.kernels import conv_sum
from trimcap.program.kinds import weighted
from trimcap.program.kinds.kind import (
    Array,
    Shape,
    attributes,
    centred,
    distance,
    finish,
    input_shape,
    limited,
    number,
    numbers,
    positions,
    wide,
)  # fmt: skip
from trimcap.program.program import Op, Program


def _shape(program: Program, op: Op) -> Shape:
    weight, groups = program.constant(op, "weight").shape, number(op, "groups", least=1)
    channels, *sizes = input_shape(program, op, rank=len(weight) - 1)
    if len(weight) not in (4, 5) or 0 in weight or channels != weight[1] * groups or weight[0] % groups:
        raise ValueError(f"its weight has the shape {weight} for {channels} channels in {groups} groups")
    dilation = numbers(op, "dilation", len(sizes), least=1)
    return weight[0], *positions(op, tuple(sizes), weight[2:], dilation)


def _sum(op: Op, x: Array, weight: Array) -> Array:
    a = op.attrs
    return conv_sum(x, weight, stride=a["stride"], padding=a["padding"], dilation=a["dilation"], groups=a["groups"])


def _real(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    y = _sum(op, wide(inputs[0]), program.constant(op, "weight"))
    return limited(op, y + program.constant(op, "bias").reshape(-1, *[1] * (y.ndim - 2)))


def _integer(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    weight, whole = program.constant(op, "weight"), op.attrs["groups"] == 1
    parts, dtype = weighted.exact_parts(weight, distance(program.values[op.inputs[0]]), divisible=whole)
    x = centred(program, op.inputs[0], inputs[0], dtype)
    total = sum(_sum(op, x[:, p] if len(parts) > 1 else x, weight[:, p]).astype(np.int64) for p in parts)
    per_channel = (-1, *[1] * (weight.ndim - 2))
    bias, multiplier, shift = (program.constant(op, r).reshape(per_channel) for r in ("bias", "multiplier", "shift"))
    return finish(program, op, total + bias, multiplier, shift)


def strategy(program: Program, op: Op) -> Literal["rows", "columns", "volume", "int16"]:
    """How a kernel computes a convolution.

    *rows*: an output row is the sum of shifted input rows; needs width stride 1; right for time series, for
    depthwise kernels and for few taps. *columns*: the inputs of an output pixel are gathered and multiplied with
    every filter; right for small maps with many channels. The limits (16 pixels, 96 taps, 4 filters) were
    measured on x86 with AVX-512. *volume*: rows of three dimensions. *int16*: an image of sixteen bits, without
    working memory.
    """
    if len(op.attrs["stride"]) == 3:
        return "volume"
    if program.values[op.inputs[0]].dtype == "int16":
        return "int16"
    weight = program.constant(op, "weight")
    taps, filters = weight[0].size, len(weight) // op.attrs["groups"]
    narrow = program.values[op.output].shape[2] < 16
    if op.attrs["stride"][1] != 1:
        return "columns"
    return "columns" if filters >= 4 and (narrow or taps >= 96) else "rows"


def _scratch(program: Program, op: Op) -> tuple[int, ...]:
    how, item = strategy(program, op), 1 if program.integer else 4
    if how == "int16":
        return ()
    width, weight, a = program.values[op.output].shape[-1], program.constant(op, "weight"), op.attrs
    sums = (4 * width,) if program.integer else ()
    if how == "volume":
        return *sums, item * weight[0].size * width
    _, channels, kh, kw = weight.shape
    if how == "rows":  # padded rows under one output row
        rows = item * channels * kh * (width + (kw - 1) * a["dilation"][1])
        return (*sums, int(rows)) if any(a["padding"]) else sums
    spanned = (width - 1) * a["stride"][1] + (kw - 1) * a["dilation"][1] + 1
    ring = ((kh - 1) * a["dilation"][0] + 1) * spanned * channels
    return int(item * ring), int(item * min(width, 2) * kh * kw * channels)


CONV = weighted.weighted_kind(
    shape=_shape,
    real=_real,
    integer=_integer,
    attributes=attributes("stride padding dilation groups low high"),
    scratch=_scratch,
)
