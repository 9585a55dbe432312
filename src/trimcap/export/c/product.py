"""The matrix product of two values in C."""

from __future__ import annotations

from trimcap.export.c.step import REQUANTIZE, Step, input_value, limits, need_dtype, need_int8_out, requantize_by
from trimcap.export.c.text import kernel, struct
from trimcap.program.program import Op, Program

_INT_PRODUCT = {
    "X": "int8_t",
    "SUM": "int32_t",
    "PARAMETERS": ", int32_t zero_a, int32_t zero_b, int32_t m,\n                   int32_t s, const int_limits *to",
    "ZERO_A": " - zero_a",
    "ZERO_B": " - zero_b",
    "RESULT": "(int8_t)requantize(sum, m, s, to)",
}
_FLOAT_PRODUCT = {"X": "float", "SUM": "float", "PARAMETERS": "", "ZERO_A": "", "ZERO_B": "", "RESULT": "sum"}


def matmul(program: Program, index: int, op: Op) -> Step:
    """The product of two activations."""
    need_dtype(program, op, "int8" if program.integer else "float32")
    a = op.attrs
    sizes = [int(a[key]) for key in ("batch", "rows", "depth", "columns")]
    shape = struct("product_shape", f"shape{index}", [*sizes, *a["steps_a"], *a["steps_b"]])
    call = f"matmul({{x0}}, {{x1}}, {{y}}, &shape{index}"
    if not program.integer:
        return Step(f"{call});", (kernel("product_shape"), kernel("matmul", **_FLOAT_PRODUCT)), (shape,))
    need_int8_out(program, op)
    zeros = ", ".join(str(input_value(program, op, i).zero_point) for i in (0, 1))
    kernels = (*map(kernel, (*REQUANTIZE, "product_shape")), kernel("matmul", **_INT_PRODUCT))
    constants = (shape, limits(program, op, f"to{index}"))
    return Step(f"{call}, {zeros}, {requantize_by(program, op)}, &to{index});", kernels, constants)
