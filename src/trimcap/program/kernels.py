"""Sums behind convolution, pooling and mean, on batches; exact on integers held as floats."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

Array = NDArray[Any]

#: elements of the unrolled input of one matrix product; keeps it near the cache
_UNROLLED = 1 << 22


def conv_sum(
    x: Array,
    weight: Array,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Array:
    """Σ w·x for every output position; padding contributes 0.

    Parameters
    ----------
    x : (n, I, *sizes), any float type; the result has the same
    weight : (O, I/groups, *kernel)
    padding : before each spatial dimension, then after each (top, left, bottom, right)

    Returns
    -------
    (n, O, *output sizes)
    """
    rank = weight.ndim - 2
    if any(padding):
        x = np.pad(x, ((0, 0), (0, 0), *zip(padding[:rank], padding[rank:], strict=True)))
    spans = tuple((k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True))
    patches = sliding_window_view(x, spans, axis=tuple(range(2, 2 + rank)))
    patches = patches[(slice(None), slice(None), *(slice(None, None, step) for step in (*stride, *dilation)))]
    n, channels, *sizes = patches.shape[: 2 + rank]
    positions = prod(sizes)
    depth = channels // groups * prod(weight.shape[2:])
    kernels = weight.reshape(groups, -1, depth).astype(x.dtype)
    out = np.empty((n, groups, kernels.shape[1], positions), x.dtype)
    step = max(1, _UNROLLED // max(1, groups * depth * positions))
    for start in range(0, n, step):
        part = np.moveaxis(patches[start : start + step], range(2, 2 + rank), range(-rank, 0))
        np.matmul(kernels, part.reshape(len(part), groups, depth, positions), out=out[start : start + step])
    return out.reshape(n, -1, *sizes)


def window_counts(x: Array, *, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> Array:
    """Number of elements of each pooling window that lie inside the image (n, C, H, W): (H', W') int64."""
    ones = np.ones((1, 1, *x.shape[2:]), np.int64)
    counts: Array = pool_patches(ones, kernel=kernel, stride=stride, padding=padding, fill=0)[0, 0].sum(axis=(-2, -1))
    return counts


def pool_patches(x: Array, *, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], fill: Any) -> Array:
    """View (n, C, H', W', kh, kw) of a padded image."""
    top, left, bottom, right = padding
    if any(padding):
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    return sliding_window_view(x, tuple(kernel), axis=(2, 3))[:, :, :: stride[0], :: stride[1]]


def broadcast(x: Array, shape: Sequence[int], strides: Sequence[int]) -> Array:
    """Read-only view of each window of `x` with the given shape and strides (in elements, 0 = broadcast)."""
    x = np.ascontiguousarray(x)
    steps = (x.strides[0], *(s * x.itemsize for s in strides))
    return as_strided(x, (len(x), *shape), steps, writeable=False)


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a contiguous array.

    >>> row_major((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(prod(shape[d + 1 :]) for d in range(len(shape)))


def pad_image(x: Array, padding: Sequence[int], fill: Any) -> Array:
    """Pad the last two dimensions by top, left, bottom, right."""
    top, left, bottom, right = padding
    widths = [(0, 0)] * (x.ndim - 2) + [(top, bottom), (left, right)]
    return np.pad(x, widths, constant_values=fill)
