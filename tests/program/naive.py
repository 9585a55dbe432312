"""The arithmetic of the table again, with plain loops and Python integers; shares no code with the interpreter."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import floor, isqrt

import numpy as np


def requant(a: int, m: int, s: int) -> int:
    """⌊(a·m + 2^(s−1)) / 2^s⌋ = ⌊a·m/2^s + ½⌋ in exact rationals."""
    return floor(Fraction(int(a) * int(m), 2 ** int(s)) + Fraction(1, 2))


def conv(x, zero, weight, bias, *, stride, padding, dilation, groups) -> np.ndarray:
    """b + Σ w·(x − z) as Python integers (object array) or floats; x is one window (I, *sizes)."""
    n_out, per_group, *kernel = weight.shape
    sizes, rank = x.shape[1:], len(kernel)
    totals = [n + p + q for n, p, q in zip(sizes, padding[:rank], padding[rank:], strict=True)]
    out = [(t - d * (k - 1) - 1) // s + 1 for t, d, k, s in zip(totals, dilation, kernel, stride, strict=True)]
    y = np.zeros((n_out, *out), object)
    for o, *place in product(range(n_out), *map(range, out)):
        first = (o // (n_out // groups)) * per_group
        total = bias[o].item()
        for i, *tap in product(range(per_group), *map(range, kernel)):
            at = [r * s - p + u * d for r, s, p, u, d in zip(place, stride, padding[:rank], tap, dilation, strict=True)]
            if all(0 <= a < n for a, n in zip(at, sizes, strict=True)):
                total += weight[o, i, *tap].item() * (x[first + i, *at].item() - zero)
        y[o, *place] = total
    return y


def clamp(q: int, low: int, high: int) -> int:
    return max(low, min(high, q))


def layer_norm(q, epsilon: int, fraction: int) -> list[int]:
    """(x − µ)/√(σ² + ε) of one row times 2^fraction, in Python integers and rationals."""
    q = [int(v) for v in q]
    n, total = len(q), sum(q)
    d = Fraction(n * sum(v * v for v in q) - total**2 + epsilon)
    e = 0
    while d >= 2**32:
        d, e = d / 4, e + 1
    while d < 2**30:
        d, e = d * 4, e - 1
    root = min(isqrt(2**62 // floor(d)), 2**16 - 1)
    return [requant(n * v - total, root, 31 + e - fraction) for v in q]


def softmax(q, exponents) -> list[int]:
    """Probabilities of one row times 2^30, in Python integers."""
    powers = [int(exponents[max(map(int, q)) - int(v)]) for v in q]
    return [p * (2**46 // sum(powers)) // 2**16 for p in powers]
