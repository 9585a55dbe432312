"""Pooling and mean in C."""

from __future__ import annotations

import numpy as np

from trimcap.export.c.step import (
    INT,
    REQUANTIZE,
    Step,
    c_type,
    input_value,
    kernel_name,
    limits,
    need_dtype,
    output_value,
    requantize_by,
)  # fmt: skip
from trimcap.export.c.text import Array, float_literal, kernel, struct
from trimcap.program.program import Op, Program


def avg_pool(program: Program, index: int, op: Op) -> Step:
    """Σ x over a window, divided or requantized; by the number of elements inside the image where divisor is 0."""
    need_dtype(program, op, *(INT if program.integer else ("float32",)))
    x, y = input_value(program, op), output_value(program, op)
    end, words = kernel_name(x, y), {"X": c_type(x), "Y": c_type(y)}
    shape = struct("pool_shape", f"shape{index}", _geometry(program, op))
    geometry = f"{{x0}}, {{y}}, &shape{index}"
    if not program.integer:
        call = f"avg_pool({geometry}, {float_literal(op.attrs['divisor'])});"
        return Step(call, (kernel("pool_shape"), kernel("avg_pool_float")), (shape,))
    kernels = (*map(kernel, (*REQUANTIZE, "pool_shape")), kernel("avg_pool_int", SUFFIX=end, **words))
    factors = (
        Array("int32_t", f"m{index}", program.constant(op, "multiplier")),
        Array("uint8_t", f"s{index}", program.constant(op, "shift")),
        limits(program, op, f"to{index}"),
    )
    by_count = int(op.attrs["divisor"] == 0)
    call = f"avg_pool{end}({geometry}, {x.zero_point}, m{index}, s{index}, {by_count}, &to{index});"
    return Step(call, kernels, (shape, *factors))


def max_pool(program: Program, index: int, op: Op) -> Step:
    """Maximum over the valid part of a window."""
    need_dtype(program, op, *(INT if program.integer else ("float32",)))
    x = input_value(program, op)
    end = kernel_name(x)
    shape = struct("pool_shape", f"shape{index}", _geometry(program, op))
    least = str(np.iinfo(x.dtype).min) if program.integer else "-HUGE_VALF"
    call = f"max_pool{end}({{x0}}, {{y}}, &shape{index}, {least});"
    return Step(call, (kernel("pool_shape"), kernel("max_pool", X=c_type(x), SUFFIX=end)), (shape,))


def mean(program: Program, index: int, op: Op) -> Step:
    """Mean over one (merged) dimension."""
    need_dtype(program, op, *(INT if program.integer else ("float32",)))
    a, x, y = op.attrs, input_value(program, op), output_value(program, op)
    end = kernel_name(x, y)
    sizes = f"{{x0}}, {{y}}, {a['outer']}, {a['reduce']}, {a['inner']}"
    if not program.integer:
        return Step(f"mean({sizes});", (kernel("mean_float"),))
    kernels = (*map(kernel, REQUANTIZE), kernel("mean_int", X=c_type(x), Y=c_type(y), SUFFIX=end))
    call = f"mean{end}({sizes}, {x.zero_point}, {requantize_by(program, op)}, &to{index});"
    return Step(call, kernels, (limits(program, op, f"to{index}"),))


def _geometry(program: Program, op: Op) -> list[int]:
    a, x, y = op.attrs, input_value(program, op).shape, output_value(program, op).shape
    return [*x, *y[1:], *a["kernel"], *a["stride"], *a["padding"][:2]]
