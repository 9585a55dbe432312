"""Real factors as integer multiplier and shift."""

from __future__ import annotations

from math import frexp

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
