"""The arithmetic of the table again, with plain loops and Python integers; shares no code with the interpreter."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import floor

import numpy as np


def requant(a: int, m: int, s: int) -> int:
    """⌊(a·m + 2^(s−1)) / 2^s⌋ = ⌊a·m/2^s + ½⌋ in exact rationals."""
    return floor(Fraction(int(a) * int(m), 2 ** int(s)) + Fraction(1, 2))


def conv(x, zero, weight, bias, *, stride, padding, dilation, groups) -> np.ndarray:
    """b + Σ w·(x − z) as Python integers (object array) or floats; x is one window (I, H, W)."""
    n_out, per_group, kh, kw = weight.shape
    _, height, width = x.shape
    top, left, bottom, right = padding
    out_h = (height + top + bottom - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    out_w = (width + left + right - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n_out, out_h, out_w), object)
    for o, r, c in product(range(n_out), range(out_h), range(out_w)):
        first = (o // (n_out // groups)) * per_group
        total = bias[o].item()
        for i, u, v in product(range(per_group), range(kh), range(kw)):
            row, column = r * stride[0] - top + u * dilation[0], c * stride[1] - left + v * dilation[1]
            if 0 <= row < height and 0 <= column < width:
                total += weight[o, i, u, v].item() * (x[first + i, row, column].item() - zero)
        y[o, r, c] = total
    return y


def clamp(q: int, low: int, high: int) -> int:
    return max(low, min(high, q))
