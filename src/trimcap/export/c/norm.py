"""Layer norm, softmax and the product of two activations in C."""

from __future__ import annotations

from trimcap.export.c.pool import int8_out
from trimcap.export.c.step import Step, input_value, limits, need_dtype, scalar
from trimcap.export.c.text import Array, float_literal, kernel, struct
from trimcap.program.program import Op, Program

_INT_END = ("limits_int", "round_shift", "requantize")
_INT_PRODUCT = {
    "X": "int8_t",
    "SUM": "int32_t",
    "PARAMETERS": ", int32_t zero_a, int32_t zero_b, int32_t m,\n                   int32_t s, const int_limits *to",
    "ZERO_A": " - zero_a",
    "ZERO_B": " - zero_b",
    "RESULT": "(int8_t)requantize(sum, m, s, to)",
}
_FLOAT_PRODUCT = {"X": "float", "SUM": "float", "PARAMETERS": "", "ZERO_A": "", "ZERO_B": "", "RESULT": "sum"}


def layer_norm(program: Program, index: int, op: Op) -> Step:
    """Rows to mean 0 and variance 1, times gain, plus offset."""
    need_dtype(program, op, "int8" if program.integer else "float32")
    a, gain, offset = op.attrs, program.constant(op, "gain"), program.constant(op, "offset")
    types = ("int16_t", "int32_t") if program.integer else ("float", "float")
    constants = (Array(types[0], f"gain{index}", gain), Array(types[1], f"offset{index}", offset))
    sizes = f"{{x0}}, {{y}}, {a['outer']}, {a['reduce']}"
    weights = f"gain{index}, {gain.size}, offset{index}, {offset.size}"
    if not program.integer:
        call = f"layer_norm({sizes}, {float_literal(a['epsilon'])}, {weights});"
        return Step(call, (kernel("layer_norm_float"),), constants)
    int8_out(program, op)
    kernels = (*map(kernel, _INT_END), kernel("layer_norm_int"))
    epsilon = f"UINT64_C({a['epsilon']})"
    call = f"layer_norm({sizes}, {epsilon}, {a['fraction']}, {weights}, {_int_end(program, index, op)});"
    return Step(call, kernels, (*constants, limits(program, op, f"to{index}")))


def softmax(program: Program, index: int, op: Op) -> Step:
    """Probabilities along one (merged) dimension."""
    need_dtype(program, op, "int8" if program.integer else "float32")
    a = op.attrs
    sizes = f"{{x0}}, {{y}}, {a['outer']}, {a['reduce']}, {a['inner']}"
    if not program.integer:
        return Step(f"softmax({sizes});", (kernel("softmax_float"),))
    int8_out(program, op)
    constants = (
        Array("int16_t", f"exponents{index}", program.constant(op, "exponents")),
        limits(program, op, f"to{index}"),
    )
    kernels = (*map(kernel, _INT_END), kernel("softmax_int"))
    call = f"softmax({sizes}, exponents{index}, {_int_end(program, index, op)});"
    return Step(call, kernels, constants)


def matmul(program: Program, index: int, op: Op) -> Step:
    """The product of two activations."""
    need_dtype(program, op, "int8" if program.integer else "float32")
    a = op.attrs
    sizes = [int(a[key]) for key in ("batch", "rows", "depth", "columns")]
    shape = struct("product_shape", f"shape{index}", [*sizes, *a["steps_a"], *a["steps_b"]])
    call = f"matmul({{x0}}, {{x1}}, {{y}}, &shape{index}"
    if not program.integer:
        return Step(f"{call});", (kernel("product_shape"), kernel("matmul", **_FLOAT_PRODUCT)), (shape,))
    int8_out(program, op)
    zeros = ", ".join(str(input_value(program, op, i).zero_point) for i in (0, 1))
    kernels = (*map(kernel, (*_INT_END, "product_shape")), kernel("matmul", **_INT_PRODUCT))
    constants = (shape, limits(program, op, f"to{index}"))
    return Step(f"{call}, {zeros}, {_int_end(program, index, op)});", kernels, constants)


def _int_end(program: Program, index: int, op: Op) -> str:
    return f"{scalar(program, op, 'multiplier')}, {scalar(program, op, 'shift')}, &to{index}"
