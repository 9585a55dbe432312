"""Functions of one element as 256 integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.functions import apply_function
from trimcap.program.lower.tidy import drop_unused, readers
from trimcap.program.program import WIDE_TABLE, Op, Program, Value

Step = tuple[str, tuple[float, ...]]


def merge_maps(program: Program) -> Program:
    """Chains of maps become one map with the attr `chain`: one table loses less than two.

    Only a map whose single reader is the next map is merged.
    """
    counts = readers(program.ops, program.output)
    made: dict[str, Op] = {}
    ops = []
    for op in program.ops:
        before = made.get(op.inputs[0])
        if op.kind == "map":
            chain = steps(op)
            if before is not None and before.kind == "map" and counts[op.inputs[0]] == 1:
                op = replace(op, inputs=before.inputs)
                chain = (*steps(before), *chain)
            op = replace(op, attrs={**op.attrs, "chain": chain})
        made[op.output] = op
        ops.append(op)
    return drop_unused(replace(program, ops=tuple(ops)))


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
    if not len(good):
        return np.zeros_like(values)
    nearest = np.abs(np.arange(len(values))[:, None] - good[None, :]).argmin(axis=1)
    filled: NDArray[np.float64] = values[good[nearest]]
    return filled


def _rounded(values: NDArray[np.float64], y: Value) -> NDArray[Any]:
    v, info = np.clip(values / y.scale, -1e6, 1e6), np.iinfo(y.dtype)
    q: NDArray[Any] = np.clip(np.trunc(v + np.copysign(0.5, v)) + y.zero_point, info.min, info.max).astype(y.dtype)
    return q
