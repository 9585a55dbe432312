"""Functions of one element: computed in float, looked up in integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.functions import FUNCTIONS, apply_function
from trimcap.program.kinds.kind import Array, Kind, Shape, attributes, first, input_shape
from trimcap.program.program import WIDE_TABLE, Op, Program, Value, table_index

Step = tuple[str, tuple[float, ...]]


def _map_shape(program: Program, op: Op) -> Shape:
    name, parameters = op.attrs.get("function"), op.attrs.get("parameters")
    if not isinstance(name, str) or name not in FUNCTIONS:
        raise ValueError(f"its function {repr(name)[:40]} is unknown")
    if (
        not isinstance(parameters, tuple)
        or len(parameters) != FUNCTIONS[name][0]
        or not all(isinstance(p, float) for p in parameters)
    ):
        raise ValueError(f"its parameters are {repr(parameters)[:40]}, must be {FUNCTIONS[name][0]} numbers")
    return input_shape(program, op)


def _table_shape(program: Program, op: Op) -> Shape:
    entries = WIDE_TABLE if program.values[op.inputs[0]].dtype == "int16" else 256
    if program.constant(op, "table").shape != (entries,):
        raise ValueError(f"its table has not {entries} entries")
    return input_shape(program, op)


def _look_up(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    wide = program.values[op.inputs[0]].dtype == "int16"
    index = table_index(inputs[0]) if wide else inputs[0].astype(np.int16) + np.int16(128)
    y: Array = program.constant(op, "table")[index]
    return y


def steps(op: Op) -> tuple[Step, ...]:
    """The functions that a map applies, first one first."""
    chain: tuple[Step, ...] = op.attrs.get("chain") or ((op.attrs["function"], tuple(op.attrs["parameters"])),)
    return chain


def lookup(op: Op, x: Value, y: Value) -> NDArray[Any]:
    """table[q + 128] = clamp(round(f(s_x·(q − z_x)) / s_y) + z_y), halves away from zero, in float64.

    The table of an int16 input has one entry for several q, see `table_index`: f of the middle of them.
    Infinite results saturate. Where f is undefined (log of a negative number) the entry is that of the nearest q
    where it is defined; if it is defined nowhere, zero.
    """
    wide = x.dtype == "int16"
    q = _middles() if wide else np.arange(-128, 128) - x.zero_point
    order = np.argsort(q, kind="stable")
    result = x.scale * q[order].astype(np.float64)
    for function, parameters in steps(op):
        result = apply_function(function, parameters, result)
    found = np.empty_like(result)
    found[order] = _filled(result)
    return _rounded(found, y)


def _middles() -> NDArray[np.float64]:
    """The middle of the q that share an entry of a table for int16."""
    index = np.arange(WIDE_TABLE // 2)
    k = np.maximum(index // 64 - 1, 0)
    middle = (index - 64 * k) * 2.0**k + (2.0**k - 1) / 2
    return np.concatenate([middle, -middle])


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    good = np.flatnonzero(~np.isnan(values))
    if len(good) in (0, len(values)):
        return np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    nearest = np.abs(np.arange(len(values))[:, None] - good[None, :]).argmin(axis=1)
    filled: NDArray[np.float64] = values[good[nearest]]
    return filled


def _rounded(values: NDArray[np.float64], y: Value) -> NDArray[Any]:
    v, info = np.clip(values / y.scale, -1e6, 1e6), np.iinfo(y.dtype)
    q: NDArray[Any] = np.clip(np.trunc(v + np.copysign(0.5, v)) + y.zero_point, info.min, info.max).astype(y.dtype)
    return q


MAP = Kind(
    shape=_map_shape,
    real=lambda _, op, inputs: apply_function(op.attrs["function"], op.attrs["parameters"], inputs[0]),
    attributes=attributes("function parameters"),
    quantize=lambda _, values, op, __: {"table": lookup(op, values[op.inputs[0]], values[op.output])},
    integer_attributes=lambda _, __: {},
    becomes="table",
    in_place=first,
)
TABLE = Kind(
    shape=_table_shape,
    integer=_look_up,
    integer_roles={"table": ""},
    in_place=first,
)
