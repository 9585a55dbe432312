"""What one operation contributes to a C file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trimcap.export.c.text import C_TYPES, Array, ExportError, float_literal, struct
from trimcap.program.program import DTYPE_BYTES, Op, Program, Value

#: declaration of constant data: its text, or what makes it
Declared = str | Array


@dataclass(frozen=True)
class Step:
    """C of one operation.

    call : statements with `{x0}`, `{x1}`, … for inputs, `{y}` for the output, `{s0}`, … for scratch
    kernels : texts of functions and types that the call needs, in order
    constants : declarations of constant data
    scratch : C types of the pointers to the working memory; its bytes are `Kind.scratch`
    """

    call: str
    kernels: tuple[str, ...] = ()
    constants: tuple[Declared, ...] = ()
    scratch: tuple[str, ...] = ()


def input_value(program: Program, op: Op, position: int = 0) -> Value:
    """The value that `op` reads at `position`."""
    return program.values[op.inputs[position]]


def output_value(program: Program, op: Op) -> Value:
    """The value that `op` writes."""
    return program.values[op.output]


def c_type(value: Value) -> str:
    """C type of one element."""
    return C_TYPES[value.dtype]


def need_dtype(program: Program, op: Op, *dtypes: str) -> None:
    """Refuse an operation that reads a storage type its kernel does not know."""
    for name in op.inputs:
        if program.values[name].dtype not in dtypes:
            raise ExportError(
                f"operation '{op.name}' ({op.kind}) reads {program.values[name].dtype} from '{name}'; in C it reads "
                f"{' or '.join(dtypes)} only. Leave it out of int16 when quantizing."
            )


INT = ("int8", "int16")


def kernel_name(*values: Value) -> str:
    """What the name of a kernel for these storage types ends in: nothing where all have eight bits (or are floats)."""
    if not any(value.dtype == "int16" for value in values):
        return ""
    return "_" + "_".join(str(8 * DTYPE_BYTES[value.dtype]) for value in values)


def suffix(value: Value) -> str:
    """Kernels that write 16 bits have names of their own."""
    return "_wide" if value.dtype == "int16" else ""


def limits(program: Program, op: Op, name: str) -> str:
    """Declaration of zero point and limits of an integer output."""
    y = output_value(program, op)
    info = np.iinfo(y.dtype)
    low, high = op.attrs.get("low"), op.attrs.get("high")
    bounds = [info.min if low is None else int(low), info.max if high is None else int(high)]
    return struct("int_limits", name, [y.zero_point, *bounds])


def float_limits(op: Op) -> str:
    """Arguments `low, high` of a float kernel; infinite where there is none."""
    low, high = op.attrs.get("low"), op.attrs.get("high")
    return f"{float_literal(-np.inf if low is None else low)}, {float_literal(np.inf if high is None else high)}"


def scalar(program: Program, op: Op, role: str) -> int:
    """A constant of one element, or of equal elements, as a number."""
    values: Any = np.unique(program.constant(op, role))
    if values.size != 1:
        raise ExportError(f"operation '{op.name}' ({op.kind}): constant '{role}' must be one number")
    return int(values[0])


#: kernels that bring a sum to the grid of an output
REQUANTIZE = ("limits_int", "round_shift", "requantize")


def requantize_by(program: Program, op: Op) -> str:
    """Arguments `multiplier, shift` of a kernel."""
    return f"{scalar(program, op, 'multiplier')}, {scalar(program, op, 'shift')}"


def need_int8_out(program: Program, op: Op) -> None:
    """Refuse an operation that writes a storage type its kernel does not know."""
    y = output_value(program, op)
    if y.dtype != "int8":
        raise ExportError(f"operation '{op.name}' ({op.kind}) writes {y.dtype}; in C it writes int8 only")
