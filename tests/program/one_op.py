"""Programs of a single operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimcap.program.check import check
from trimcap.program.program import Op, Program, Value


def one_op(
    kind: str,
    inputs: list[Value],
    output: Value,
    *,
    constants: dict[str, np.ndarray] | None = None,
    **attrs: Any,
) -> Program:
    """A checked program input → kind → output; the first value is the input, others must be named like it."""
    roles = {role: f"op.{role}" for role in constants or {}}
    op = Op("op", kind, tuple(v.name for v in inputs), output.name, attrs, roles)
    values = {v.name: v for v in (*inputs, output)}
    arrays = {f"op.{role}": array for role, array in (constants or {}).items()}
    return check(Program("one", (op,), values, arrays, inputs[0].name, output.name))


def int8(name: str, shape: tuple[int, ...], scale: float = 1.0, zero: int = 0, dtype: str = "int8") -> Value:
    return Value(name, shape, dtype, scale, zero)


def run_int8(program: Program, *arrays: np.ndarray) -> np.ndarray:
    """The operation on given integers, without quantize_input."""
    from trimcap.program.interpret import run_op

    return run_op(program, program.ops[0], list(arrays))
