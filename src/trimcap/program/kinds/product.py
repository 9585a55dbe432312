"""The matrix product of two values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trimcap.program.kernels import broadcast
from trimcap.program.kinds.kind import (
    TO_GRID,
    Array,
    Kind,
    Shape,
    attributes,
    centred,
    finish,
    number,
    numbers,
    reach,
    wide,
)  # fmt: skip
from trimcap.program.kinds.pair import product_bound, quantized_product
from trimcap.program.program import Op, Program


def _shape(program: Program, op: Op) -> Shape:
    batch, rows, depth, columns = (number(op, name, least=1) for name in ("batch", "rows", "depth", "columns"))
    reach(program, op.inputs[0], (batch, rows, depth), numbers(op, "steps_a", 3))
    reach(program, op.inputs[1], (batch, depth, columns), numbers(op, "steps_b", 3))
    return batch, rows, columns


def _product(op: Op, a: Array, b: Array) -> Array:
    batch, rows, depth, columns = (op.attrs[key] for key in ("batch", "rows", "depth", "columns"))
    left = broadcast(a, (batch, rows, depth), op.attrs["steps_a"])
    result: Array = left @ broadcast(b, (batch, depth, columns), op.attrs["steps_b"])
    return result


def _integer(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    # `check` proves |sum| < 2^31, so float64 holds every partial sum exactly
    a, b = (centred(program, n, x, np.float64) for n, x in zip(op.inputs, inputs, strict=True))
    return finish(program, op, _product(op, a, b).astype(np.int64))


MATMUL = Kind(
    shape=_shape,
    real=lambda _, op, inputs: _product(op, *map(wide, inputs)),
    integer=_integer,
    attributes=attributes("batch rows depth columns steps_a steps_b"),
    n_inputs=2,
    integer_roles=TO_GRID,
    quantize=quantized_product,
    bound=lambda program, op: int(op.attrs["depth"]) * product_bound(program, op),
    int16=False,
    macs=lambda program, op: program.values[op.output].size * int(op.attrs["depth"]),
)
