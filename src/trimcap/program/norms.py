"""Layer norm and softmax on integers, exactly as `program` defines them; and in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

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
