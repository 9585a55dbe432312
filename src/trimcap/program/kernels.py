"""Sums behind convolution, pooling and mean, on batches; exact on integers held as floats."""

from __future__ import annotations

from collections.abc import Sequence
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
    x : (n, I, H, W), any float type; the result has the same
    weight : (O, I/groups, kh, kw)
    padding : top, left, bottom, right

    Returns
    -------
    (n, O, H', W')
    """
    top, left, bottom, right = padding
    if any(padding):
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    kh, kw = weight.shape[2:]
    spans = ((kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1)
    patches = sliding_window_view(x, spans, axis=(2, 3))
    patches = patches[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    n, channels, height, width = patches.shape[:4]
    depth = channels // groups * kh * kw
    kernels = weight.reshape(groups, -1, depth).astype(x.dtype)
    out = np.empty((n, groups, kernels.shape[1], height * width), x.dtype)
    step = max(1, _UNROLLED // max(1, groups * depth * height * width))
    for start in range(0, n, step):
        part = patches[start : start + step].transpose(0, 1, 4, 5, 2, 3)
        columns = part.reshape(len(part), groups, depth, height * width)
        np.matmul(kernels, columns, out=out[start : start + step])
    return out.reshape(n, -1, height, width)


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


def pad_image(x: Array, padding: Sequence[int], fill: Any) -> Array:
    """Pad the last two dimensions by top, left, bottom, right."""
    top, left, bottom, right = padding
    widths = [(0, 0)] * (x.ndim - 2) + [(top, bottom), (left, right)]
    return np.pad(x, widths, constant_values=fill)
