"""An input scale for every channel, exactly: the first layer's weights absorb them.

The network is linear in its input up to its first convolutions and linear layers, so with x'_c = g_c·x_c

    Σ w_c·x_c = Σ (w_c / g_c)·x'_c .

x' has one grid for all channels; in units of x, channel c has the scale s / g_c. That holds if every weight that reads
the input meets one channel only: a spatial filter does, a temporal kernel that slides over all electrodes does not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.interpret import run_op
from trimcap.program.program import Op, Program
from trimcap.quantize.extremes import dominating

Array = NDArray[Any]
Gains = tuple[float, ...]

#: kinds that move numbers and leave every one of them what it is
_MOVES = ("pad", "permute", "slice", "reshape")
#: functions with f(g·x) = g·f(x) for every g > 0
_HOMOGENEOUS = ("relu", "leaky_relu", "abs")


def channel_gains(X: NDArray[np.float32]) -> Gains:
    """g_c = 1 / max|x_c| over the windows that do not dominate their channel; a silent channel has the largest span's.

    Parameters
    ----------
    X : windows (n, n_channels, …)
    """
    m = np.abs(X).reshape(len(X), X.shape[1], -1).max(axis=2).astype(np.float64)
    spans = np.array([column[~dominating(column)].max() for column in m.T])
    spans[spans == 0] = spans.max()
    return tuple(float(np.float32(1 / span)) for span in spans)


def absorb(program: Program, gains: Gains) -> Program:
    """The same float program for a gained input x'_c = g_c·x_c.

    Raises
    ------
    ValueError : a layer cannot absorb the gains; names it, and says why.
    """
    where = {program.input: _channels(program)}
    by = np.array([1.0, *(1 / np.asarray(gains, np.float64))])  # index 0: padding, which meets nothing
    constants, ops = dict(program.constants), []
    for op in program.ops:
        touched = [name for name in op.inputs if name in where]
        if touched and _commutes(op):
            inputs = [where[name] for name in op.inputs]
            where[op.output] = inputs[0] if op.kind == "map" else run_op(program, op, inputs)
        elif touched:
            met = _met(program, op, where[touched[0]])
            weight = program.constant(op, "weight")
            name = f"{op.constants['weight']}.gained"
            constants[name] = (weight * by[met]).astype(np.float32)
            op = replace(op, constants={**op.constants, "weight": name})
        ops.append(op)
    if program.output in where:
        raise ValueError("no layer reads the input")
    used = {name for op in ops for name in op.constants.values()}
    return replace(program, ops=tuple(ops), constants={n: c for n, c in constants.items() if n in used})


def _commutes(op: Op) -> bool:
    """Whether f(g·x) = g·f(x) for every channel's g > 0."""
    if op.kind != "map":
        return op.kind in _MOVES
    function, parameters = op.attrs["function"], op.attrs["parameters"]
    return function in _HOMOGENEOUS or (function == "affine" and parameters[1] == 0)


def gained(X: NDArray[np.float32], gains: Gains) -> NDArray[np.float32]:
    """x'_c = g_c·x_c, float32 (n, n_channels, …)."""
    factors = np.asarray(gains, np.float32).reshape(1, -1, *[1] * (X.ndim - 2))
    result: NDArray[np.float32] = X * factors
    return result


def _channels(program: Program) -> NDArray[np.float32]:
    """Number of every input element's channel, from 1; one window."""
    shape = program.values[program.input].shape
    numbers = np.arange(1, shape[0] + 1, dtype=np.float32).reshape(1, -1, *[1] * (len(shape) - 1))
    return np.broadcast_to(numbers, (1, *shape))


def _met(program: Program, op: Op, where: Array) -> NDArray[np.int64]:
    """Which channel every weight of a conv or linear meets: of the shape of the weight, 0 for padding only."""
    if op.kind == "linear":
        met = _one(op, where.reshape(-1, where.shape[-1]), axis=0)
        return np.broadcast_to(met, program.constant(op, "weight").shape)
    if op.kind == "conv":
        return _met_by_taps(program, op, where[0])
    raise ValueError(f"layer '{op.source}' ({op.kind}) reads it, which has no weights to absorb scales")


def _met_by_taps(program: Program, op: Op, where: Array) -> NDArray[np.int64]:
    weight, a = program.constant(op, "weight"), op.attrs
    rank = weight.ndim - 2
    where = np.pad(where, ((0, 0), *zip(a["padding"][:rank], a["padding"][rank:], strict=True)))
    sizes, kernel = program.values[op.output].shape[1:], weight.shape[2:]
    met = np.zeros((len(where), *kernel), np.int64)
    for tap in np.ndindex(*kernel):
        starts = [t * d for t, d in zip(tap, a["dilation"], strict=True)]
        spans = zip(starts, sizes, a["stride"], strict=True)
        cut = tuple(slice(at, at + (n - 1) * step + 1, step) for at, n, step in spans)
        seen: Array = where[(slice(None), *cut)]
        met[(slice(None), *tap)] = _one(op, seen.reshape(len(where), -1), axis=1)
    groups = met.reshape(a["groups"], 1, -1, *kernel)  # of a group, all filters meet the same
    filters = len(weight) // a["groups"]
    return np.broadcast_to(groups, (a["groups"], filters, *groups.shape[2:])).reshape(weight.shape)


def _one(op: Op, numbers: Array, *, axis: int) -> NDArray[np.int64]:
    """The one channel along an axis, 0 where there is only padding."""
    most = numbers.max(axis=axis)
    least = np.where(numbers > 0, numbers, np.inf).min(axis=axis)
    if ((most > 0) & (least != most)).any():
        raise ValueError(f"layer '{op.source}' ({op.kind}) applies one weight to several channels")
    result: NDArray[np.int64] = most.astype(np.int64)
    return result
