"""A linear layer on the last dimension."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
    wide,
)  # fmt: skip
from trimcap.program.program import Op, Program


def _shape(program: Program, op: Op) -> Shape:
    shape, weight = input_shape(program, op), program.constant(op, "weight").shape
    if len(weight) != 2 or not shape or shape[-1] != weight[1]:
        raise ValueError(f"its weight has the shape {weight} for an input of shape {shape}")
    return (*shape[:-1], weight[0])


def _real(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    y = wide(inputs[0]) @ program.constant(op, "weight").astype(np.float64).T
    return limited(op, y + program.constant(op, "bias"))


def _integer(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    weight = program.constant(op, "weight")
    parts, dtype = weighted.exact_parts(weight, distance(program.values[op.inputs[0]]))
    x = centred(program, op.inputs[0], inputs[0], dtype)
    total = sum((x[..., p] @ weight[:, p].astype(dtype).T).astype(np.int64) for p in parts)
    return finish(program, op, total + program.constant(op, "bias"))


def _scratch(program: Program, op: Op) -> tuple[int, ...]:
    """Two columns of the input; sixteen bits and floats are read where they are."""
    x, depth = program.values[op.inputs[0]], program.constant(op, "weight").shape[1]
    return (min(x.size // depth, 2) * depth,) if x.dtype == "int8" else ()


LINEAR = weighted.weighted_kind(
    shape=_shape,
    real=_real,
    integer=_integer,
    attributes=attributes("low high"),
    scratch=_scratch,
)
