"""Pools, means and sums over dimensions of one window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from trimcap.graph.network import Node
from trimcap.program.build import Builder, Shape, View, replace_view
from trimcap.program.lower_arith import row_major
from trimcap.program.lower_shape import concat, permuted, sliced


def _sizes(value: Any, default: tuple[int, int], dimensions: int) -> tuple[int, int]:
    """A 1-D or 2-D layer's argument as (height, width); a 1-D layer has height `default[0]`."""
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    if not items:
        return default
    if dimensions == 1:
        return default[0], items[0]
    return items[0], items[-1]


def _pool(b: Builder, node: Node) -> View:
    dimensions, view = int(node.kind[-2]), b.view(node.args[0])
    kernel = _sizes(node.args[1], (1, 1), dimensions)
    stride = _sizes(node.arg(2, ()), (1, kernel[1]) if dimensions == 1 else kernel, dimensions)
    height, width = _sizes(node.arg(3, 0), (0, 0), dimensions)
    is_max = node.kind.startswith("max")
    if is_max and set(_sizes(node.arg(4, 1), (1, 1), dimensions)) != {1}:
        raise b.error("a pool with dilation")
    x = b.shaped(view, _image_shape(view.shape, dimensions))
    shape = _image_shape(b.out_shape, dimensions)
    spans = [(n - 1) * s + k for n, s, k in zip(shape[1:], stride, kernel, strict=True)]
    # ceil_mode reads beyond the padding; floor mode leaves a rest unread
    extra = [max(0, span - n - 2 * p) for span, n, p in zip(spans, b.values[x].shape[1:], (height, width), strict=True)]
    padding = (height, width, height + extra[0], width + extra[1])
    attrs: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding}
    if not is_max:
        attrs["divisor"] = _divisor(b, node, kernel, padding, extra)
    return b.op("max_pool" if is_max else "avg_pool", (x,), shape, attrs=attrs, view=b.out_shape)


def _image_shape(shape: Shape, dimensions: int) -> Shape:
    return (shape[0], 1, *shape[1:]) if dimensions == 1 else shape


def _divisor(b: Builder, node: Node, kernel: Sequence[int], padding: Sequence[int], extra: Sequence[int]) -> int:
    count_padding, override = node.arg(5, True), node.arg(6)
    if override is not None:
        return int(override)
    if any(extra) or (any(padding) and not count_padding):
        raise b.error("an average over fewer elements at the border (ceil_mode, or count_include_pad=False)")
    return prod(kernel)


def _adaptive(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    dimensions = 1 if "1d" in node.kind else 2
    kind = "max_pool" if "max" in node.kind else "avg_pool"
    for dim in range(len(view.shape) - dimensions, len(view.shape)):
        view = _adaptive_dim(b, view, dim, b.out_shape[dim], kind)
    return replace_view(view, b.out_shape)


def _adaptive_dim(b: Builder, view: View, dim: int, count: int, kind: str) -> View:
    """Output i pools ⌊i·n/count⌋ … ⌈(i + 1)·n/count⌉ − 1, torch's rule; equal windows are one pool."""
    size = view.shape[dim]
    if count == size:
        return view
    if size % count == 0:
        return _pool_dim(b, view, dim, size // count, kind)
    starts = [i * size // count for i in range(count)]
    stops = [-(-(i + 1) * size // count) for i in range(count)]
    parts = [
        _pool_dim(b, sliced(b, view, dim, a, 1, z - a), dim, z - a, kind) for a, z in zip(starts, stops, strict=True)
    ]
    return concat(b, parts, dim)


def _pool_dim(b: Builder, view: View, dim: int, kernel: int, kind: str) -> View:
    """Non-overlapping windows of `kernel` along one dimension."""
    outer, size, inner = _around(view.shape, dim, dim)
    shape = (*view.shape[:dim], size // kernel, *view.shape[dim + 1 :])
    seen, out, window = (outer, size, inner), (outer, size // kernel, inner), (kernel, 1)
    if inner == 1:
        seen, out, window = (outer, 1, size), (outer, 1, size // kernel), (1, kernel)
    attrs: dict[str, Any] = {"kernel": window, "stride": window, "padding": (0, 0, 0, 0)}
    if kind == "avg_pool":
        attrs["divisor"] = kernel
    return b.op(kind, (b.shaped(view, seen),), out, attrs=attrs, view=shape)


def _around(shape: Shape, first: int, last: int) -> tuple[int, int, int]:
    return prod(shape[:first]), prod(shape[first : last + 1]), prod(shape[last + 1 :])


def _dims(b: Builder, node: Node, view: View, position: int = 1) -> list[int]:
    """The dimensions (without batch) that a reduction removes."""
    dims = node.arg(position, node.kwargs.get("dim"))
    if dims is None or dims == ():
        raise b.error("it reduces over all windows of the batch too; give it the dimensions of a window")
    items = dims if isinstance(dims, tuple | list) else (dims,)
    return sorted(b.dim(d, len(view.shape) + 1) for d in items)


def _gathered(b: Builder, view: View, dims: Sequence[int]) -> tuple[View, list[int]]:
    """The same with the reduced dimensions side by side; a permutation only if others lie between."""
    between = [d for d in range(dims[0], dims[-1]) if d not in dims and view.shape[d] > 1]
    if not between:
        return view, list(range(dims[0], dims[-1] + 1))
    kept = [d for d in range(len(view.shape)) if d not in dims]
    moved = permuted(b, view, [*kept, *dims])
    return moved, list(range(len(kept), len(view.shape)))


def mean_of(b: Builder, view: View, dims: Sequence[int], shape: Shape) -> View:
    """Mean over dimensions; the result is seen as `shape`."""
    view, dims = _gathered(b, view, dims)
    outer, count, inner = _around(view.shape, dims[0], dims[-1])
    attrs = {"outer": outer, "reduce": count, "inner": inner}
    if view.strides is not None:
        raise b.error("a mean over a broadcast (expand)")
    return b.op("mean", (view.value,), shape, attrs=attrs)


def _mean(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    return mean_of(b, view, _dims(b, node, view), b.out_shape)


def _sum(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    dims = _dims(b, node, view)
    return b.map(mean_of(b, view, dims, b.out_shape), "affine", prod(view.shape[d] for d in dims), 0)


def _variance(b: Builder, node: Node) -> View:
    """Mean of (x − mean)², times n/(n − correction)."""
    view = b.view(node.args[0])
    dims = _dims(b, node, view)
    correction = node.kwargs.get("correction", 1)
    if node.op.endswith(".dim"):
        correction = int(node.arg(2, True))
    kept = tuple(1 if d in dims else n for d, n in enumerate(view.shape))
    negative = b.map(mean_of(b, view, dims, kept), "affine", -1, 0)
    strides = tuple(0 if n == 1 else s for n, s in zip(kept, row_major(kept), strict=True))
    attrs = {"strides_a": row_major(view.shape), "strides_b": strides}
    centred = b.op("add", (view.value, negative.value), view.shape, attrs=attrs)
    result = mean_of(b, b.map(centred, "square"), dims, b.out_shape)
    count = prod(view.shape[d] for d in dims)
    if correction:
        result = b.map(result, "affine", count / (count - correction), 0)
    return b.map(result, "sqrt") if node.kind == "std" else result


def _maximum(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    dims = _dims(b, node, view)
    view, dims = _gathered(b, view, dims)
    outer, count, inner = _around(view.shape, dims[0], dims[-1])
    flat = _pool_dim(b, replace(view, shape=(outer, count, inner)), 1, count, "max_pool")
    return replace_view(flat, b.out_shape)


RULES: dict[str, Callable[[Builder, Node], View]] = {
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d"), _pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d"), _adaptive),
    "mean": _mean,
    "sum": _sum,
    "var": _variance,
    "std": _variance,
    "amax": _maximum,
}
