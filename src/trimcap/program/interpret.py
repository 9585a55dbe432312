"""Run a Program in NumPy: the reference that every exporter must agree with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from trimcap.program.kinds.table import KINDS
from trimcap.program.program import Op, Program

Array = NDArray[Any]


@overload
def interpret(program: Program, X: Any, *, trace: Literal[False] = ..., batch: int = ...) -> Array: ...
@overload
def interpret(program: Program, X: Any, *, trace: Literal[True], batch: int = ...) -> dict[str, Array]: ...


def interpret(program: Program, X: Any, *, trace: bool = False, batch: int = 64) -> Array | dict[str, Array]:
    """Run windows through a program.

    Parameters
    ----------
    program : float or integer
    X : `Windows`, MNE `Epochs`, or float array (n, *input shape) in the unit of the model's input (µV, nat, …)
    trace : return the output of every operation instead of the last one only
    batch : windows at a time; the result does not depend on it

    Returns
    -------
    array (n, *output shape) in the output's storage type; with `trace` a dict operation name → such an array.
    Real numbers come from `dequantize`.

    Raises
    ------
    ValueError : X is not what the program was made for: see `trimcap.data.libraries.door.to_input`.
    """
    X = as_input(program, X)
    program = replace(program, expects=None)  # they are through the door
    parts = [_run(program, X[i : i + batch], keep=trace) for i in range(0, max(len(X), 1), batch)]
    if not trace:
        return np.concatenate([p[program.output] for p in parts])
    return {op.name: np.concatenate([p[op.output] for p in parts]) for op in program.ops}


def as_input(program: Program, X: Any, *, finite: bool = False) -> NDArray[np.float32]:
    """Windows, Epochs or an array as float32 (n, *input shape), through the one door (`trimcap.data.libraries.door`).

    NaN is let through unless `finite`: the arithmetic says what it becomes.
    """
    from trimcap.data.libraries.door import check_finite, to_input

    shape, what = program.values[program.input].shape, f"program '{program.name}'"
    x = np.asarray(to_input(X, program.expects, shape=shape, what=what, finite=False), dtype=np.float32)
    if finite:
        check_finite(x, program.expects, what=what)
    return x


def input_factors(program: Program) -> NDArray[np.float32]:
    """The constants of `quantize_input`, in Python and in C: float32(1) / float32(scale), one or one per channel."""
    value = program.values[program.input]
    return np.float32(1) / np.asarray(value.scales or (value.scale,), np.float32)


def quantize_input(program: Program, X: Any) -> NDArray[np.int8]:
    """Quantize windows: q = trunc(v + copysign(0.5, v)) + z, v = clamp(x / scale, −128 − z, 127 − z).

    All arithmetic on reals is in float32, x / scale as x · `input_factors`, that of its channel; NaN becomes z.

    Parameters
    ----------
    X : float array (n, *input shape), real units

    Returns
    -------
    int8 array of the same shape
    """
    x = as_input(program, X)
    z = program.values[program.input].zero_point
    with np.errstate(over="ignore", invalid="ignore"):
        v = x * input_factors(program).reshape(-1, *[1] * (x.ndim - 2))
    v = np.where(np.isnan(v), np.float32(0), v)
    v = np.clip(v, np.float32(-128 - z), np.float32(127 - z))
    q: NDArray[np.int8] = (np.trunc(v + np.copysign(np.float32(0.5), v)).astype(np.int32) + z).astype(np.int8)
    return q


def dequantize(program: Program, raw: Array, *, value: str | None = None) -> NDArray[np.float32]:
    """Real numbers scale · (q − z), float32, of the output (or of `value`); float programs: unchanged.

    Of the input with its scales of channels; of copies of it in the unit that its channels share.
    """
    v = program.values[value or program.output]
    if v.dtype == "float32":
        return np.asarray(raw, np.float32)
    scale = np.asarray(v.scales, np.float32).reshape(-1, *[1] * (raw.ndim - 2)) if v.scales else np.float32(v.scale)
    return scale * (raw.astype(np.int32) - v.zero_point).astype(np.float32)


def run_op(program: Program, op: Op, inputs: list[Array]) -> Array:
    """One operation on batches (n, …); the result has the storage type of its output."""
    kind = KINDS[op.kind]
    function = kind.integer if program.integer else kind.real
    if function is None:
        which = "an integer" if program.integer else "a float"
        raise ValueError(f"operation '{op.name}': kind '{op.kind}' does not exist in {which} program")
    with np.errstate(over="ignore"):
        return function(program, op, inputs).astype(program.values[op.output].dtype, copy=False)


def _run(program: Program, X: NDArray[np.float32], *, keep: bool) -> dict[str, Array]:
    env: dict[str, Array] = {program.input: quantize_input(program, X) if program.integer else X}
    last = {name: op.name for op in program.ops for name in op.inputs}
    for op in program.ops:
        env[op.output] = run_op(program, op, [env[name] for name in op.inputs])
        if not keep:
            for name in set(op.inputs):
                if last[name] == op.name and name != program.output:
                    del env[name]
    return env
