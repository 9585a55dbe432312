"""Convolution and linear layers in C: by rows or by columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.export.c.step import (
    REQUANTIZE,
    Declared,
    Step,
    c_type,
    float_limits,
    input_value,
    limits,
    need_dtype,
    output_value,
    suffix,
)  # fmt: skip
from trimcap.export.c.text import Array, ExportError, kernel, struct
from trimcap.export.c.volume import conv_volume
from trimcap.program.kinds.conv import strategy
from trimcap.program.program import Op, Program

_INT_END = (*REQUANTIZE, "to_signed")
_INT_PARAMETERS = "const uint32_t *b, const int32_t *m, const uint8_t *s, const int_limits *to"
_COLUMN = {"X": "int8_t", "COLUMN": "uint8_t", "CONVERT": "to_column", "PARAMETERS": _INT_PARAMETERS}
_FLOAT_COLUMN = {"X": "float", "COLUMN": "float", "CONVERT": "", "SUFFIX": "", "Y": "float",
                 "PARAMETERS": "const float *b, float low, float high"}  # fmt: skip


def conv(program: Program, index: int, op: Op) -> Step:
    """A convolution, float or integer."""
    how = strategy(program, op)
    if how == "int16":
        return _from_int16(program, index, op, "conv", f"&shape{index}", _geometry(program, op))
    need_dtype(program, op, "int8" if program.integer else "float32")
    if how == "volume":
        weight, pad = program.constant(op, "weight"), input_value(program, op).zero_point
        constants = _int_constants(program, index, op, weight, pad) if program.integer else None
        return conv_volume(program, index, op, constants or _float_constants(program, index, op, weight))
    by_rows = how == "rows"
    shape = struct("conv_shape", f"shape{index}", _geometry(program, op))
    if program.integer:
        return _conv_rows_int(program, index, op, shape) if by_rows else _conv_columns(program, index, op, shape)
    return _conv_rows_float(program, index, op, shape) if by_rows else _conv_columns(program, index, op, shape)


def linear(program: Program, index: int, op: Op) -> Step:
    """A linear layer on the last dimension."""
    weight = program.constant(op, "weight")
    filters, depth = weight.shape
    rows = input_value(program, op).size // depth
    sizes = f"{rows}, {depth}, {filters}"
    if program.integer and input_value(program, op).dtype == "int16":
        return _from_int16(program, index, op, "linear", sizes)
    need_dtype(program, op, "int8" if program.integer else "float32")
    if not program.integer:
        call = f"linear({{x0}}, {{y}}, {sizes}, w{index}, b{index}, {float_limits(op)});"
        texts = tuple(map(kernel, ("limits_float", "tile_float", "columns_float", "linear_float")))
        return Step(call, texts, _float_constants(program, index, op, weight))
    y = output_value(program, op)
    words = {"Y": c_type(y), "SUFFIX": suffix(y)}
    ends = {**words, **_COLUMN, "ARGUMENTS": "b, m, s, to"}
    kernels = (
        *map(kernel, (*_INT_END, "to_column", "simd", "tile_int")),
        kernel("columns_int", **words),
        kernel("linear", **ends),
    )
    call = f"linear{suffix(y)}({{x0}}, {{y}}, {{s0}}, {sizes}, w{index}, b{index}, m{index}, s{index}, &to{index});"
    zero = input_value(program, op).zero_point + 128
    return Step(call, kernels, _int_constants(program, index, op, weight, zero), ("uint8_t",))


def _from_int16(program: Program, index: int, op: Op, kind: str, sizes: str, shape: Sequence[int] = ()) -> Step:
    """A conv or linear that reads sixteen bits, without scratch; its input's zero point is 0."""
    y = output_value(program, op)
    kernels = map(kernel, (*(["shape"] if shape else []), *_INT_END))
    text = kernel(f"{kind}_int16", Y=c_type(y), SUFFIX=suffix(y))
    call = f"{kind}_from16{suffix(y)}({{x0}}, {{y}}, {sizes}, w{index}, b{index}, m{index}, s{index}, &to{index});"
    constants = _int_constants(program, index, op, program.constant(op, "weight"), 0)
    declared = (struct("conv_shape", f"shape{index}", shape),) if shape else ()
    return Step(call, (*kernels, text), (*declared, *constants))


def _geometry(program: Program, op: Op) -> list[int]:
    weight, a = program.constant(op, "weight"), op.attrs
    _, height, width = input_value(program, op).shape
    out_channels, out_height, out_width = output_value(program, op).shape
    groups = a["groups"]
    sizes = [groups, weight.shape[1], height, width, out_channels // groups, out_height, out_width]
    return [*sizes, *weight.shape[2:], *a["stride"], *a["dilation"], *a["padding"][:2]]


def _float_constants(program: Program, index: int, op: Op, weight: NDArray[Any]) -> tuple[Declared, ...]:
    return (Array("float", f"w{index}", weight), Array("float", f"b{index}", program.constant(op, "bias")))


def _int_constants(program: Program, index: int, op: Op, weight: NDArray[Any], zero: int) -> tuple[Declared, ...]:
    """Weights, bias with the input's zero point folded in (modulo 2^32), multipliers, shifts, limits."""
    if np.abs(weight.astype(np.int32)).max(initial=0) > 127:
        raise ExportError(f"operation '{op.name}': a weight is outside -127…127")
    sums = weight.astype(np.int64).reshape(len(weight), -1).sum(1)
    bias = (program.constant(op, "bias").astype(np.int64) - zero * sums) % (1 << 32)
    return (
        Array("int8_t", f"w{index}", weight),
        Array("uint32_t", f"b{index}", bias),
        Array("int32_t", f"m{index}", program.constant(op, "multiplier")),
        Array("uint8_t", f"s{index}", program.constant(op, "shift")),
        limits(program, op, f"to{index}"),
    )


def _padded(op: Op) -> bool:
    """Whether rows are copied with their padding before they are summed."""
    return any(op.attrs["padding"])


def _conv_rows_int(program: Program, index: int, op: Op, shape: str) -> Step:
    y, weight = output_value(program, op), program.constant(op, "weight")
    pad = input_value(program, op).zero_point
    scratch = ("uint32_t", "int8_t") if _padded(op) else ("uint32_t",)
    words = {"X": "int8_t", "SUM": "uint32_t", "TAP": "int32_t"}
    kernels = (
        *map(kernel, ("shape", *_INT_END, "simd", "add_taps_int")),
        kernel("sum_taps", **words),
        kernel("padded_rows", X="int8_t"),
        kernel("conv_rows_int", Y=c_type(y), SUFFIX=suffix(y)),
    )
    rows = "{s1}" if _padded(op) else "0"
    call = (
        f"conv_rows{suffix(y)}({{x0}}, {{y}}, {{s0}}, {rows}, &shape{index}, {pad}, w{index}, "
        f"b{index}, m{index}, s{index}, &to{index});"
    )
    return Step(call, kernels, (shape, *_int_constants(program, index, op, weight, pad)), scratch)


def _conv_rows_float(program: Program, index: int, op: Op, shape: str) -> Step:
    kernels = (
        *map(kernel, ("shape", "limits_float", "add_taps_float")),
        kernel("sum_taps", X="float", SUM="float", TAP="float"),
        kernel("padded_rows", X="float"),
        kernel("conv_rows_float"),
    )
    rows = "{s0}" if _padded(op) else "0"
    call = f"conv_rows({{x0}}, {{y}}, {rows}, &shape{index}, w{index}, b{index}, {float_limits(op)});"
    constants = (shape, *_float_constants(program, index, op, program.constant(op, "weight")))
    return Step(call, kernels, constants, ("float",) if _padded(op) else ())


def _conv_columns(program: Program, index: int, op: Op, shape: str) -> Step:
    y = output_value(program, op)
    weight = program.constant(op, "weight").transpose(0, 2, 3, 1)  # the order of a gathered column
    scratch = ("uint8_t", "uint8_t") if program.integer else ("float", "float")
    head = f"conv_columns{suffix(y)}({{x0}}, {{y}}, {{s0}}, {{s1}}, &shape{index}"
    if program.integer:
        zero = input_value(program, op).zero_point + 128
        words = {"Y": c_type(y), "SUFFIX": suffix(y)}
        kernels = (
            *map(kernel, ("shape", *_INT_END, "to_column", "simd", "tile_int")),
            kernel("columns_int", **words),
            kernel("gather", X="int8_t", COLUMN="uint8_t", CONVERT="to_column"),
            kernel("conv_columns", ARGUMENTS="b + f, m + f, s + f, to", **words, **_COLUMN),
        )
        call = f"{head}, {zero}, w{index}, b{index}, m{index}, s{index}, &to{index});"
        return Step(call, kernels, (shape, *_int_constants(program, index, op, weight, zero)), scratch)
    kernels = (
        *map(kernel, ("shape", "limits_float", "tile_float", "columns_float")),
        kernel("gather", X="float", COLUMN="float", CONVERT=""),
        kernel("conv_columns", ARGUMENTS="b + f, low, high", **_FLOAT_COLUMN),
    )
    call = f"{head}, 0.0f, w{index}, b{index}, {float_limits(op)});"
    return Step(call, kernels, (shape, *_float_constants(program, index, op, weight)), scratch)
