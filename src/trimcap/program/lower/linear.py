"""Convolution, linear, batch norm, and products and sums with constants: everything that is Σ w·x + b."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.graph.node import Node
from trimcap.program.lower.building import Builder, View

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class _Dim:
    """One spatial dimension of a convolution: sizes before and after it, and what the layer does along it."""

    size: int
    out: int
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def plain(self) -> bool:
        """Whether every position is computed from itself."""
        return self.kernel == self.stride == 1 and not self.before and not self.after

    @property
    def whole(self) -> bool:
        """Whether the kernel reads all of it at once, and only that."""
        return self.kernel == self.size and self.dilation == 1 and not self.before and not self.after


def _per_dimension(value: Any, rank: int) -> tuple[int, ...]:
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    return items * rank if len(items) == 1 else items


def _padding(value: Any, kernel: Sequence[int], dilation: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Before and after; 'same' puts the odd element of d·(k − 1) after, as torch does."""
    if value == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    sides = _per_dimension(0 if value == "valid" else value, len(kernel))
    return sides, sides


def _dims(b: Builder, node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> list[_Dim]:
    """The dimensions of a convolution, at least two: one that is 1 is put in front.

    Of three, plain neighbours are merged, so that what is no more than an image is computed as one.
    """
    rank = len(sizes)
    stride, dilation = (_per_dimension(node.arg(i, 1), rank) for i in (3, 5))
    before, after = _padding(node.arg(4, 0), kernel, dilation)
    each = zip(sizes, b.out_shape[1:], kernel, stride, dilation, before, after, strict=True)
    dims = [_Dim(*one) for one in each]
    if rank == 1:
        return [_Dim(1, 1), *dims]
    for at in (0, 1):
        pair = dims[at : at + 2]
        if len(dims) == 3 and all(dim.plain for dim in pair):
            dims[at : at + 2] = [_Dim(pair[0].size * pair[1].size, pair[0].out * pair[1].out)]
    return dims


def conv(b: Builder, node: Node) -> View:
    """conv1d (height 1), conv2d and conv3d, with numbers, 'same' or 'valid' as padding."""
    view, bias = b.view(node.args[0]), node.arg(2)
    if not (b.is_constant(node.args[1]) and b.is_constant(bias)):
        raise b.error("its weight depends on the window")
    weight: F64 = b.constant(node.args[1])
    dims, channels = _dims(b, node, view.shape[1:], weight.shape[2:]), view.shape[0]
    if len(dims) == 3 and dims[0].whole:  # its planes are channels
        channels, dims = channels * dims[0].size, dims[1:]
    kernel = tuple(d.kernel for d in dims)
    attrs = {
        "stride": tuple(d.stride for d in dims),
        "padding": (*(d.before for d in dims), *(d.after for d in dims)),
        "dilation": tuple(d.dilation for d in dims),
        "groups": int(node.arg(6, 1)),
    }
    constants = {
        "weight": weight.reshape(len(weight), -1, *kernel),
        "bias": np.zeros(len(weight)) if bias is None else b.constant(bias),
    }
    x = b.shaped(view, (channels, *(d.size for d in dims)))
    shape = (b.out_shape[0], *(d.out for d in dims))
    return b.op("conv", (x,), shape, attrs=attrs, constants=constants, view=b.out_shape)


def linear(b: Builder, node: Node) -> View:
    """linear(x, W, b) on the last dimension."""
    bias = node.arg(2)
    return _linear(b, node.args[0], node.args[1], bias, transposed=False)


def matmul(b: Builder, node: Node) -> View:
    """Lower x @ W with a constant matrix W."""
    return _linear(b, node.args[0], node.args[1], None, transposed=True)


def addmm(b: Builder, node: Node) -> View:
    """Lower b + x @ W with constant b and W."""
    if node.kwargs.get("alpha", 1) != 1 or node.kwargs.get("beta", 1) != 1:
        raise b.error("alpha and beta must be 1")
    return _linear(b, node.args[1], node.args[2], node.args[0], transposed=True)


def _linear(b: Builder, x: Any, weight: Any, bias: Any, *, transposed: bool) -> View:
    if not (b.is_constant(weight) and b.is_constant(bias)):
        raise b.error("its weight depends on the window; write a product of two activations as a matmul")
    view, w = b.view(x), b.constant(weight)
    if w.ndim != 2:
        raise b.error(f"its weight has shape {w.shape}, must be a matrix")
    w = w.T if transposed else w
    constants = {"weight": w, "bias": np.zeros(len(w)) if bias is None else b.constant(bias)}
    return b.op("linear", (b.shaped(view, view.shape),), b.out_shape, constants=constants)


def batch_norm(b: Builder, node: Node) -> View:
    """γ·(x − µ)/√(σ² + ε) + β as a depthwise 1×1 convolution."""
    view = b.view(node.args[0])
    gamma, beta, mean, variance = (None if a is None else b.constant(a) for a in node.args[1:5])
    if mean is None or variance is None:
        raise b.error("batch norm without running statistics depends on the other windows; track them")
    factor = (1.0 if gamma is None else gamma) / np.sqrt(variance + node.arg(7, 1e-5))
    return affine(b, view, factor, (0.0 if beta is None else beta) - mean * factor)


def affine(b: Builder, view: View, factor: F64, offset: F64) -> View:
    """factor[c]·x + offset[c] along the first dimension."""
    channels = view.shape[0]
    x = b.image(view, channels)
    constants = {
        "weight": np.broadcast_to(factor, (channels,)).reshape(-1, 1, 1, 1),
        "bias": np.broadcast_to(offset, (channels,)),
    }
    attrs = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": channels}
    return b.op("conv", (x,), b.values[x].shape, attrs=attrs, constants=constants, view=view.shape)


def affine_by(b: Builder, view: View, factor: Any, offset: Any) -> View:
    """factor·x + offset with numbers, or with constant tensors that broadcast to the view in any dimensions.

    A tensor that varies becomes an affine convolution over all positions from the first to its last varying one.
    """
    f, o = np.asarray(factor, np.float64), np.asarray(offset, np.float64)
    if f.size == 1 and o.size == 1:
        return b.map(view, "affine", float(f.reshape(())), float(o.reshape(())))
    full = [np.broadcast_to(_without_batch(b, a, view), view.shape) for a in (f, o)]
    varying = [d for d, n in enumerate(view.shape) if n > 1 and any(_varies(a, d) for a in full)]
    if not varying:
        return b.map(view, "affine", *(float(a.reshape(-1)[0]) for a in full))
    last = varying[-1]
    count = prod(view.shape[: last + 1])
    flat = [a.reshape(count, -1)[:, 0] for a in full]
    result = affine(b, View(view.value, (count, *view.shape[last + 1 :]), view.strides), *flat)
    return View(result.value, view.shape)


def _without_batch(b: Builder, array: F64, view: View) -> F64:
    if array.ndim == len(view.shape) + 1:
        if array.shape[0] != 1:
            raise b.error(f"a constant of shape {array.shape} depends on the position in the batch")
        array = array[0]
    if np.broadcast_shapes(array.shape, view.shape) != view.shape:
        raise b.error(f"a constant of shape {array.shape} does not broadcast to {view.shape}")
    return array


def _varies(array: F64, dim: int) -> bool:
    return bool((array != array.take([0], axis=dim)).any())
