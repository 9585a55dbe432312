"""Sum and product of two values, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trimcap.program.fixed_point import shared_shift
from trimcap.program.kernels import broadcast, row_major
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
    integer_limits,
    limited,
    numbers,
    ratio,
    reach,
    wide,
)  # fmt: skip
from trimcap.program.program import Op, Program

_STRIDES = ("strides_a", "strides_b")


def _shape(program: Program, op: Op) -> Shape:
    shape = program.values[op.output].shape
    for name, key in zip(op.inputs, _STRIDES, strict=True):
        reach(program, name, shape, numbers(op, key, len(shape)))
    return shape


def _both(program: Program, op: Op, a: Array, b: Array) -> tuple[Array, Array]:
    shape = program.values[op.output].shape
    return broadcast(a, shape, op.attrs["strides_a"]), broadcast(b, shape, op.attrs["strides_b"])


def _centred(program: Program, op: Op, inputs: Sequence[Array]) -> tuple[Array, Array]:
    a, b = (centred(program, n, x, np.int64) for n, x in zip(op.inputs, inputs, strict=True))
    return _both(program, op, a, b)


def _add(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, b = _both(program, op, *map(wide, inputs))
    return limited(op, a + b)


def _integer_add(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, b = _centred(program, op, inputs)
    m_a, m_b = (int(m) for m in program.constant(op, "multipliers"))
    return finish(program, op, a * m_a + b * m_b, 1)


def _quantized_add(_: Program, values: Values, op: Op, __: int) -> Constants:
    a, b = (values[name].scale / values[op.output].scale for name in op.inputs)
    m_a, m_b, shift = shared_shift(a, b)
    return {"multipliers": np.array([m_a, m_b], np.int32), "shift": np.array([shift], np.int32)}


def _mul(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, b = _both(program, op, *map(wide, inputs))
    result: Array = a * b
    return result


def _integer_mul(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a, b = _centred(program, op, inputs)
    return finish(program, op, a * b)


def quantized_product(_: Program, values: Values, op: Op, __: int) -> Constants:
    """s_a·s_b / s_y."""
    a, b = (values[name].scale for name in op.inputs)
    return ratio(a * b, values[op.output].scale)


def product_bound(program: Program, op: Op) -> int:
    """d_a·d_b, the largest |q − z| of both inputs."""
    a, b = (distance(program.values[name]) for name in op.inputs)
    return a * b


def _in_place(program: Program, op: Op) -> tuple[int, ...]:
    """Inputs that are read at the very place that is written, and not otherwise."""
    shape = program.values[op.output].shape
    wanted = row_major(shape)
    straight = [all(n == 1 or s == w for n, s, w in zip(shape, op.attrs[k], wanted, strict=True)) for k in _STRIDES]
    if op.inputs[0] == op.inputs[1]:
        return (0,) if all(straight) else ()
    return tuple(i for i, ok in enumerate(straight) if ok)


ADD = Kind(
    shape=_shape,
    real=_add,
    integer=_integer_add,
    attributes=attributes("strides_a strides_b low high"),
    n_inputs=2,
    integer_roles={"multipliers": "int32", "shift": "int32"},
    quantize=_quantized_add,
    integer_attributes=integer_limits,
    in_place=_in_place,
)
MUL = Kind(
    shape=_shape,
    real=_mul,
    integer=_integer_mul,
    attributes=attributes("strides_a strides_b"),
    n_inputs=2,
    integer_roles=TO_GRID,
    quantize=quantized_product,
    bound=product_bound,
    in_place=_in_place,
)
