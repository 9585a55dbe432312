"""Sum and product of two values in C, with broadcasting."""

from __future__ import annotations

from trimcap.export.c.step import (
    INT,
    REQUANTIZE,
    Step,
    c_type,
    float_limits,
    input_value,
    kernel_name,
    limits,
    need_dtype,
    output_value,
    requantize_by,
    scalar,
)  # fmt: skip
from trimcap.export.c.text import int_literal, kernel
from trimcap.export.c.walks import merged, walk_text
from trimcap.program.program import Op, Program


def add(program: Program, index: int, op: Op) -> Step:
    """Sum a + b with broadcasting."""
    if not program.integer:
        return _float_pair(program, index, op, "add", "+")
    m_a, m_b = (int_literal(m) for m in program.constant(op, "multipliers"))
    end = f"{m_a}, {m_b}, {scalar(program, op, 'shift')}"
    return _int_pair(program, index, op, "add", end)


def mul(program: Program, index: int, op: Op) -> Step:
    """Product a · b with broadcasting."""
    if not program.integer:
        return _float_pair(program, index, op, "mul", "*")
    return _int_pair(program, index, op, "mul", requantize_by(program, op))


def _walk(program: Program, index: int, op: Op) -> str:
    steps = (op.attrs["strides_a"], op.attrs["strides_b"])
    walk = merged(output_value(program, op).shape, steps, what=f"operation '{op.name}' ({op.kind})")
    return walk_text(f"walk{index}", walk)


def _float_pair(program: Program, index: int, op: Op, name: str, sign: str) -> Step:
    need_dtype(program, op, "float32")
    kernels = (kernel("limits_float"), kernel("walk"), kernel("pair_float", NAME=name, SIGN=sign))
    call = f"{name}({{x0}}, {{x1}}, {{y}}, &walk{index}, {float_limits(op)});"
    return Step(call, kernels, (_walk(program, index, op),))


def _int_pair(program: Program, index: int, op: Op, name: str, end: str) -> Step:
    need_dtype(program, op, *INT)
    a, b, y = input_value(program, op, 0), input_value(program, op, 1), output_value(program, op)
    zeros, suffix = f"{a.zero_point}, {b.zero_point}", kernel_name(a, b, y)
    call = f"{name}{suffix}({{x0}}, {{x1}}, {{y}}, &walk{index}, {zeros}, {end}, &to{index});"
    kernels = (
        *map(kernel, (*REQUANTIZE, "walk")),
        kernel(f"{name}_int", A=c_type(a), B=c_type(b), Y=c_type(y), SUFFIX=suffix),
    )
    constants = (_walk(program, index, op), limits(program, op, f"to{index}"))
    return Step(call, kernels, constants)
