"""Layer norm and softmax in C."""

from __future__ import annotations

from trimcap.export.c.step import REQUANTIZE, Step, limits, need_dtype, need_int8_out, requantize_by
from trimcap.export.c.text import Array, float_literal, kernel
from trimcap.program.program import Op, Program


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
    need_int8_out(program, op)
    kernels = (*map(kernel, REQUANTIZE), kernel("layer_norm_int"))
    epsilon = f"UINT64_C({a['epsilon']})"
    call = f"layer_norm({sizes}, {epsilon}, {a['fraction']}, {weights}, {requantize_by(program, op)}, &to{index});"
    return Step(call, kernels, (*constants, limits(program, op, f"to{index}")))


def softmax(program: Program, index: int, op: Op) -> Step:
    """Probabilities along one (merged) dimension."""
    need_dtype(program, op, "int8" if program.integer else "float32")
    a = op.attrs
    sizes = f"{{x0}}, {{y}}, {a['outer']}, {a['reduce']}, {a['inner']}"
    if not program.integer:
        return Step(f"softmax({sizes});", (kernel("softmax_float"),))
    need_int8_out(program, op)
    constants = (
        Array("int16_t", f"exponents{index}", program.constant(op, "exponents")),
        limits(program, op, f"to{index}"),
    )
    kernels = (*map(kernel, REQUANTIZE), kernel("softmax_int"))
    call = f"softmax({sizes}, exponents{index}, {requantize_by(program, op)}, &to{index});"
    return Step(call, kernels, constants)
