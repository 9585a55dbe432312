"""Layer norm and softmax: in float64, and on integers exactly as `program` defines them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.kinds.kind import (
    TO_GRID,
    Array,
    Constants,
    Kind,
    Shape,
    Values,
    attributes,
    finish,
    first,
    input_shape,
    number,
    ratio,
    wide,
)  # fmt: skip
from trimcap.program.program import Op, Program

#: most numbers that one mean, variance or sum of exponentials runs over
LONGEST = 1 << 16


def normalised(x: Array, epsilon: float) -> Array:
    """(x − µ)/√(σ² + ε) over the last dimension, float64."""
    centred = x - x.mean(axis=-1, keepdims=True)
    result: Array = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return result


def fraction_of(n: int) -> int:
    """Bits f behind the point of a normalised number: the largest ≤ 14 with (n − 1)·4^f < 2^30."""
    return next(f for f in range(14, -1, -1) if (n - 1) << (2 * f) < 1 << 30)


def normalised_integers(q: Array, epsilon: int, fraction: int) -> NDArray[np.int64]:
    """The normalised numbers of each row times 2^f, int64 within ±2^15.

    Parameters
    ----------
    q : integers (…, n), −128 … 127, n ≤ 2^16
    epsilon : E = max(1, round(ε·n²/s_x²))
    fraction : f
    """
    n, q = q.shape[-1], q.astype(np.int64)
    total = q.sum(axis=-1, keepdims=True)
    spread = n * (q * q).sum(axis=-1, keepdims=True) - total**2 + epsilon
    root, exponent = inverse_root(spread)
    shift = 31 + exponent - fraction
    result: NDArray[np.int64] = ((n * q - total) * root + (np.int64(1) << (shift - 1))) >> shift
    return result


def inverse_root(d: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(R, e) with R·2^−(31+e) ≈ 1/√d, for 1 ≤ d < 2^62: bit by bit, so that no step rounds."""
    mantissa, exponent = d.astype(np.uint64), np.zeros(d.shape, np.int64)
    for step in (8, 4, 2, 1):
        small = mantissa < np.uint64(1) << np.uint64(32 - 2 * step)
        mantissa = np.where(small, mantissa << np.uint64(2 * step), mantissa)
        exponent -= np.where(small, step, 0)
        large = mantissa >= np.uint64(1) << np.uint64(30 + 2 * step)
        mantissa = np.where(large, mantissa >> np.uint64(2 * step), mantissa)
        exponent += np.where(large, step, 0)
    root = np.zeros(d.shape, np.uint64)
    for bit in range(15, -1, -1):
        more = root | np.uint64(1 << bit)
        root = np.where(more * more * mantissa <= np.uint64(1 << 62), more, root)
    return root.astype(np.int64), exponent


def probabilities(x: Array, axis: int) -> Array:
    """exp(x)/Σ exp(x), float64."""
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
    result: Array = powers / powers.sum(axis=axis, keepdims=True)
    return result


def exponent_table(scale: float) -> NDArray[np.int16]:
    """round(32767·exp(−scale·k)), k = 0 … 255."""
    table: NDArray[np.int16] = np.floor(32767 * np.exp(-scale * np.arange(256)) + 0.5).astype(np.int16)
    return table


def probability_integers(q: Array, exponents: Array, axis: int) -> NDArray[np.int64]:
    """The probabilities along an axis times 2^30, int64."""
    q = q.astype(np.int64)
    powers = exponents.astype(np.int64)[q.max(axis=axis, keepdims=True) - q]
    inverse = (np.int64(1) << 46) // powers.sum(axis=axis, keepdims=True)
    result: NDArray[np.int64] = (powers * inverse) >> 16
    return result


# ---- the kinds ----


def _norm_shape(program: Program, op: Op) -> Shape:
    outer, reduce = (number(op, name, least=1) for name in ("outer", "reduce"))
    epsilon = op.attrs.get("epsilon")
    if isinstance(epsilon, bool) or not isinstance(epsilon, int if program.integer else float):
        raise ValueError(f"its epsilon is {repr(epsilon)[:40]}")
    lengths = [len(program.constant(op, role)) for role in ("gain", "offset")]
    if outer * reduce != prod(input_shape(program, op)) or not {1, reduce} >= set(lengths):
        raise ValueError(f"it sees {input_shape(program, op)} as {(outer, reduce)}, with gain and offset of {lengths}")
    return input_shape(program, op)


def _normed(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    x = wide(inputs[0]).reshape(len(inputs[0]), op.attrs["outer"], op.attrs["reduce"])
    y = normalised(x, op.attrs["epsilon"]) * program.constant(op, "gain") + program.constant(op, "offset")
    result: Array = y.reshape(len(x), *program.values[op.output].shape)
    return result


def _integer_normed(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    a = op.attrs
    q = inputs[0].reshape(len(inputs[0]), a["outer"], a["reduce"])
    gain, offset = (program.constant(op, role).astype(np.int64) for role in ("gain", "offset"))
    total = normalised_integers(q, a["epsilon"], a["fraction"]) * gain + offset
    return finish(program, op, total.reshape(len(q), *program.values[op.output].shape))


def _quantized_norm(program: Program, values: Values, op: Op, _: int) -> Constants:
    gain, offset = (program.constant(op, role).astype(np.float64) for role in ("gain", "offset"))
    one = 2.0 ** fraction_of(op.attrs["reduce"])
    scale = max(np.abs(gain).max() / 32767, np.abs(offset).max() * one / 2.0**30) or 1.0
    return {
        "gain": np.round(gain / scale).astype(np.int16),
        "offset": np.round(offset * one / scale).astype(np.int32),
        **ratio(scale / one, values[op.output].scale),
    }


def _norm_attributes(op: Op, values: Values) -> dict[str, Any]:
    """ε in the units of n²·variance of the integers, and the bits behind the point."""
    n = op.attrs["reduce"]
    epsilon = round(min(op.attrs["epsilon"] * n * n / values[op.inputs[0]].scale ** 2, 2.0**60))
    return {**op.attrs, "epsilon": max(1, epsilon), "fraction": fraction_of(n)}


def _norm_bound(program: Program, op: Op) -> int:
    """2^15·max|gain| + max|offset|."""
    gain, offset = (np.abs(program.constant(op, role).astype(np.int64)) for role in ("gain", "offset"))
    return int((gain << 15).max() + offset.max())


def _check_rows(program: Program, op: Op) -> None:
    """What keeps the sums of a layer norm or a softmax within their integers."""
    n = op.attrs["reduce"]
    if any(program.values[name].dtype != "int8" for name in (*op.inputs, op.output)):
        raise ValueError("it reads and writes int8 only")
    if not 1 <= n <= LONGEST:
        raise ValueError(f"it runs over {n:,} numbers; 1 to {LONGEST:,} are possible in integers")


def _check_norm(program: Program, op: Op) -> None:
    if not program.integer:
        return
    _check_rows(program, op)
    fraction = fraction_of(op.attrs["reduce"])
    if not 1 <= op.attrs["epsilon"] <= 1 << 60 or op.attrs["fraction"] != fraction:
        raise ValueError(f"epsilon must be in 1…2^60 and fraction {fraction}, got {dict(op.attrs)}")


def _softmax_shape(program: Program, op: Op) -> Shape:
    outer, reduce, inner = (number(op, name, least=1) for name in ("outer", "reduce", "inner"))
    if outer * reduce * inner != prod(input_shape(program, op)):
        raise ValueError(f"it sees {input_shape(program, op)} as {(outer, reduce, inner)}")
    return input_shape(program, op)


def _rows(op: Op, x: Array) -> Array:
    return x.reshape(len(x), op.attrs["outer"], op.attrs["reduce"], op.attrs["inner"])


def _softmax(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    return probabilities(_rows(op, wide(inputs[0])), 2).reshape(len(inputs[0]), *program.values[op.output].shape)


def _integer_softmax(program: Program, op: Op, inputs: Sequence[Array]) -> Array:
    found = probability_integers(_rows(op, inputs[0]), program.constant(op, "exponents"), 2)
    return finish(program, op, found.reshape(len(found), *program.values[op.output].shape))


def _quantized_softmax(_: Program, values: Values, op: Op, __: int) -> Constants:
    return {"exponents": exponent_table(values[op.inputs[0]].scale), **ratio(2.0**-30, values[op.output].scale)}


def _check_softmax(program: Program, op: Op) -> None:
    if not program.integer:
        return
    _check_rows(program, op)
    exponents = program.constant(op, "exponents")
    if exponents.shape != (256,) or exponents[0] != 32767 or (exponents < 0).any():
        raise ValueError("'exponents' must be 256 numbers ≥ 0, 32767 first")


LAYER_NORM = Kind(
    shape=_norm_shape,
    real=_normed,
    integer=_integer_normed,
    attributes=attributes("outer reduce epsilon fraction"),
    roles={"gain": "int16", "offset": "int32"},
    integer_roles=TO_GRID,
    quantize=_quantized_norm,
    integer_attributes=_norm_attributes,
    bound=_norm_bound,
    check=_check_norm,
    int16=False,
    in_place=first,
)
SOFTMAX = Kind(
    shape=_softmax_shape,
    real=_softmax,
    integer=_integer_softmax,
    attributes=attributes("outer reduce inner"),
    integer_roles={"exponents": "int16", **TO_GRID},
    quantize=_quantized_softmax,
    check=_check_softmax,
    int16=False,
    in_place=first,
)
