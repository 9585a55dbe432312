"""Convolution over three dimensions in C: by rows."""

from __future__ import annotations

from trimcap.export.c.step import REQUANTIZE, Declared, Step, c_type, float_limits, input_value, output_value, suffix
from trimcap.export.c.text import kernel
from trimcap.program.program import Op, Program


def conv_volume(program: Program, index: int, op: Op, constants: tuple[Declared, ...]) -> Step:
    """A convolution of volumes; `constants` declare weights, bias and, of integers, how the sums are scaled."""
    x, y = input_value(program, op), output_value(program, op)
    shape = _shape_text(program, op, f"shape{index}")
    if not program.integer:
        kernels = (
            *map(kernel, ("limits_float", "add_taps_float")),
            kernel("volume_rows", X="float", SUM="float", TAP="float"),
            kernel("conv_volume_float"),
        )
        call = f"conv_volume({{x0}}, {{y}}, {{s0}}, &shape{index}, w{index}, b{index}, {float_limits(op)});"
        return Step(call, kernels, (shape, *constants), ("float",))
    kernels = (
        *map(kernel, (*REQUANTIZE, "to_signed", "simd", "add_taps_int")),
        kernel("volume_rows", X="int8_t", SUM="uint32_t", TAP="int32_t"),
        kernel("conv_volume_int", Y=c_type(y), SUFFIX=suffix(y)),
    )
    call = (
        f"conv_volume{suffix(y)}({{x0}}, {{y}}, {{s0}}, {{s1}}, &shape{index}, {x.zero_point}, w{index}, b{index}, "
        f"m{index}, s{index}, &to{index});"
    )
    return Step(call, kernels, (shape, *constants), ("uint32_t", "int8_t"))


def _shape_text(program: Program, op: Op, name: str) -> str:
    weight, a = program.constant(op, "weight"), op.attrs
    sizes = (input_value(program, op).shape[1:], output_value(program, op).shape[1:], weight.shape[2:])
    triples = (*sizes, a["stride"], a["dilation"], a["padding"][:3])
    rows = ", ".join("{" + ", ".join(map(str, t)) + "}" for t in triples)
    head = f"{a['groups']}, {weight.shape[1]}, {len(weight) // a['groups']}"
    return f"static const volume_shape {name} = {{{head}, {rows}}};\n"
