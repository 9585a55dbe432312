"""Pools, means and sums over dimensions of one window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from trimcap.graph.node import Node
from trimcap.graph.ops.mix import ADAPTIVE_POOLS, POOLS
from trimcap.program.kernels import row_major
from trimcap.program.lower.building import Builder, Shape, View, replace_view
from trimcap.program.lower.shape import Result, concat, padded, permuted, sliced


def _sizes(value: Any, rank: int) -> Shape:
    """An argument of a layer as one number for each of its dimensions; empty if it was not given."""
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    return items * rank if len(items) == 1 else items


def _pool(b: Builder, node: Node) -> Result:
    """Pools over one to three dimensions; over three the first one is pooled apart, which rounds integers twice."""
    is_max, rank, view = node.kind.startswith("max"), len(b.view(node.args[0]).shape) - 1, b.view(node.args[0])
    kernel, padding = _sizes(node.args[1], rank), _sizes(node.arg(3, 0), rank)
    stride = _sizes(node.arg(2) or node.args[1], rank)
    if is_max and set(_sizes(node.arg(4, 1), rank)) != {1}:
        raise b.error("a pool with dilation")
    out = _result_shape(node)
    spans = [(n - 1) * s + k for n, s, k in zip(out[1:], stride, kernel, strict=True)]
    # ceil_mode reads beyond the padding; floor mode leaves a rest unread
    beyond = [max(0, span - n - 2 * p) for span, n, p in zip(spans, view.shape[1:], padding, strict=True)]
    counts_padding, override = bool(node.arg(5, True)), None if is_max else node.arg(6)
    if not is_max and override is None and counts_padding and any(beyond) and any(padding):
        view = padded(b, view, {1 + d: (p, p) for d, p in enumerate(padding) if p})
        padding = (0,) * rank
    inside = override is None and (any(beyond) or (any(padding) and not counts_padding))
    ends = [(k, s, p, p + more) for k, s, p, more in zip(kernel, stride, padding, beyond, strict=True)]
    divisors = (0, 0) if inside else (1, override) if override else (prod(kernel[:-2]), prod(kernel[-2:]))
    if rank == 3:
        seen, between = (view.shape[0], view.shape[1], prod(view.shape[2:])), (*out[:2], *view.shape[2:])
        view = _pool_image(b, view, seen, [ends[0], _WHOLE], None if is_max else divisors[0], between)
        view = replace_view(view, (prod(between[:2]), *between[2:]))
    elif rank == 1:
        view, ends = replace_view(view, (view.shape[0], 1, view.shape[1])), [_WHOLE, *ends]
    pooled = _pool_image(b, view, view.shape, ends[-2:], None if is_max else divisors[1], out)
    return (pooled,) if isinstance(node.shape[0], tuple) else pooled


#: kernel, stride, padding before and after of a dimension that is not pooled
_WHOLE = (1, 1, 0, 0)


def _pool_image(b: Builder, view: View, seen: Shape, ends: Sequence[Shape], divisor: int | None, shape: Shape) -> View:
    """One pool over the last two dimensions of `seen`; the result is seen as `shape`. No divisor: the maximum."""
    kernel, stride, before, after = (tuple(side) for side in zip(*ends, strict=True))
    sizes = [(n + p + q - k) // s + 1 for n, (k, s, p, q) in zip(seen[1:], ends, strict=True)]
    attrs: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": (*before, *after)}
    if divisor is not None:
        attrs["divisor"] = divisor
    kind = "max_pool" if divisor is None else "avg_pool"
    return b.op(kind, (b.shaped(view, seen),), (seen[0], *sizes), attrs=attrs, view=shape)


def _result_shape(node: Node) -> Shape:
    """Shape without batch of the values, also where the places of the maxima come with them."""
    shape = node.shape[0] if isinstance(node.shape[0], tuple) else node.shape
    return tuple(shape[1:])


def _adaptive(b: Builder, node: Node) -> Result:
    view, shape = b.view(node.args[0]), _result_shape(node)
    kind = "max_pool" if "max" in node.kind else "avg_pool"
    ones = [d for d in range(1, len(shape)) if shape[d] == 1]
    if len(ones) > 1 and ones[-1] - ones[0] == len(ones) - 1:  # neighbours that go to one value go at once
        outer, count, inner = _around(view.shape, ones[0], ones[-1])
        flat = _pool_dim(b, replace(view, shape=(outer, count, inner)), 1, count, kind)
        view = replace_view(flat, tuple(1 if d in ones else n for d, n in enumerate(view.shape)))
    for dim in range(1, len(view.shape)):
        view = _adaptive_dim(b, view, dim, shape[dim], kind)
    pooled = replace_view(view, shape)
    return (pooled,) if isinstance(node.shape[0], tuple) else pooled


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


def _maximum(b: Builder, node: Node) -> Result:
    view = b.view(node.args[0])
    dims = _dims(b, node, view)
    view, dims = _gathered(b, view, dims)
    outer, count, inner = _around(view.shape, dims[0], dims[-1])
    flat = _pool_dim(b, replace(view, shape=(outer, count, inner)), 1, count, "max_pool")
    result = replace_view(flat, _result_shape(node))
    return (result,) if isinstance(node.shape[0], tuple) else result


RULES: dict[str, Callable[[Builder, Node], Result]] = {
    **dict.fromkeys(POOLS, _pool),
    **dict.fromkeys([f"max_pool{n}d_with_indices" for n in (1, 2, 3)], _pool),
    **dict.fromkeys(ADAPTIVE_POOLS, _adaptive),
    "mean": _mean,
    "sum": _sum,
    "var": _variance,
    "std": _variance,
    **dict.fromkeys(("amax", "max"), _maximum),
}
