"""Real numbers as integers: factors as multiplier and shift, ranges as scale and zero point."""

from __future__ import annotations

from math import frexp

import numpy as np

_LARGEST = 2**31 - 1


def fixed_point(ratio: float) -> tuple[int, int]:
    """(m, s) with m / 2^s ≈ ratio, 2^30 ≤ m < 2^31, 1 ≤ s ≤ 62; the relative error is at most 2^−31.

    Below 2^−32 the shift stays at 62 and m loses digits (0 at last: such a factor moves no int32 sum by half a
    step). From 2^30 on every sum but 0 leaves the range of the output, and the largest pair does the same.

    Raises
    ------
    ValueError : the ratio is negative or not finite.
    """
    if not 0 <= ratio < float("inf"):
        raise ValueError(f"a ratio of scales must be finite and ≥ 0, got {ratio}")
    if ratio == 0:
        return 0, 1
    fraction, exponent = frexp(ratio)  # ratio = fraction · 2^exponent, ½ ≤ fraction < 1
    shift = 31 - exponent
    if shift < 1:
        return _LARGEST, 1
    shift = min(shift, 62)
    multiplier = round(fraction * 2.0 ** (exponent + shift))
    if multiplier > _LARGEST:
        multiplier, shift = multiplier // 2, shift - 1
    return (multiplier, shift) if shift >= 1 else (_LARGEST, 1)


def shared_shift(ratio_a: float, ratio_b: float) -> tuple[int, int, int]:
    """(m_a, m_b, s): two factors under one shift; the larger one has 31 bits."""
    multiplier, shift = fixed_point(max(ratio_a, ratio_b))
    other = min(round(min(ratio_a, ratio_b) * 2.0**shift), _LARGEST)
    return (multiplier, other, shift) if ratio_a >= ratio_b else (other, multiplier, shift)


def grid(low: float, high: float, *, bits: int = 8) -> tuple[float, int]:
    """Scale s (a float32 number) and zero point z of the asymmetric grid −2^(b−1) … 2^(b−1) − 1.

    A range of zero width gives s = 1: its only value, zero, stays exact.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    q_min, q_max = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    scale = float(np.float32((high - low) / (q_max - q_min)))
    if scale < float(np.finfo(np.float32).tiny):
        return 1.0, q_min if low == 0 else 0
    return scale, int(np.clip(np.round(q_min - low / scale), q_min, q_max))
