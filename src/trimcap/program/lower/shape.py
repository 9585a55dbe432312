"""Operations that move values: views, permutations, slices, concatenation, zero padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from trimcap.graph.node import Node
from trimcap.graph.ops.table import DROPOUTS
from trimcap.graph.ops.views import permutation
from trimcap.program.lower.building import Builder, View, replace_view

Result = View | tuple[View, ...]


def _alias(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    if view.shape == b.out_shape:
        return view
    if node.shape[0] != 1 or view.strides is not None:
        raise b.error("it merges windows of the batch" if node.shape[0] != 1 else "a reshape of a broadcast")
    return replace_view(view, b.out_shape)


def permuted(b: Builder, view: View, order: Sequence[int]) -> View:
    """Dimensions of a view in another order; free when only dimensions of size 1 move."""
    shape = tuple(view.shape[d] for d in order)
    moving = [d for d in order if view.shape[d] > 1]
    if moving == sorted(moving):
        return replace_view(view, shape)
    return b.op("permute", (b.shaped(view, view.shape),), shape, attrs={"order": tuple(order)})


def _permute(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    order = permutation(node, len(view.shape) + 1)
    if order[0] != 0:
        raise b.error("it moves the batch dimension")
    return permuted(b, view, [d - 1 for d in order[1:]])


def sliced(b: Builder, view: View, dim: int, start: int, step: int, count: int) -> View:
    """`count` slices of a view from `start` in steps, along `dim` (without batch)."""
    if start == 0 and step == 1 and count == view.shape[dim]:
        return view
    shape = (*view.shape[:dim], count, *view.shape[dim + 1 :])
    return b.op("slice", (b.shaped(view, view.shape),), shape, attrs={"dim": dim, "start": start, "step": step})


def _slice(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    if node.arg(1, 0) % (len(view.shape) + 1) == 0 and view.shape == b.out_shape:
        return view
    dim = b.dim(node.arg(1, 0))
    size = view.shape[dim]
    start, stop, step = slice(node.arg(2), node.arg(3), node.arg(4, 1)).indices(size)
    return sliced(b, view, dim, start, step, len(range(start, stop, step)))


def _narrow(b: Builder, node: Node) -> View:
    view, dim = b.view(node.args[0]), b.dim(node.args[1])
    return sliced(b, view, dim, node.args[2] % view.shape[dim], 1, node.args[3])


def _select(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    dim = b.dim(node.args[1], len(view.shape) + 1)
    one = sliced(b, view, dim, node.args[2] % view.shape[dim], 1, 1)
    return replace_view(one, b.out_shape)


def _chunks(b: Builder, node: Node) -> tuple[View, ...]:
    view = b.view(node.args[0])
    default = node.arg(2, node.kwargs.get("dim", 0)) if node.kind != "unbind" else node.arg(1, 0)
    dim = b.dim(default, len(view.shape) + 1)
    shapes = [tuple(s[1:]) for s in node.shape]
    if node.kind == "unbind":
        return tuple(replace_view(sliced(b, view, dim, i, 1, 1), s) for i, s in enumerate(shapes))
    sizes = [s[dim] for s in shapes]
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple(sliced(b, view, dim, start, 1, n) for start, n in zip(starts, sizes, strict=False))


def _getitem(b: Builder, node: Node) -> View:
    found = b.views[node.args[0].name]
    if not isinstance(found, tuple):
        raise b.error("an index into one tensor")
    if node.args[1] >= len(found):
        raise b.error("the places of a maximum; only its values are supported")
    part: View = found[node.args[1]]
    return part


def _index_select(b: Builder, node: Node) -> View:
    dim = b.dim(node.args[1])
    return _taken(b, b.view(node.args[0]), dim, b.constant(node.args[2]))


def _index(b: Builder, node: Node) -> View:
    view, indices = b.view(node.args[0]), node.args[1]
    used = [d for d, i in enumerate(indices) if i is not None]
    if len(used) != 1 or not b.is_constant(indices[used[0]]) or np.ndim(b.constant(indices[used[0]])) != 1:
        raise b.error("only one constant list of positions is supported")
    return _taken(b, view, b.dim(used[0], len(view.shape) + 1), b.constant(indices[used[0]]))


def _taken(b: Builder, view: View, dim: int, positions: Any) -> View:
    """Positions along a dimension, as slices of constant step that are concatenated."""
    size = view.shape[dim]
    if np.size(positions) == 0:
        raise b.error("it takes no positions: its result is empty")
    runs: list[list[int]] = []
    for p in (int(p) % size for p in np.asarray(positions).reshape(-1)):
        if runs and _continues(runs[-1], p):
            runs[-1].append(p)
        else:
            runs.append([p])
    parts = [sliced(b, view, dim, run[0], _step(run), len(run)) for run in runs]
    return parts[0] if len(parts) == 1 else concat(b, parts, dim)


def _continues(run: Sequence[int], p: int) -> bool:
    return p > run[0] if len(run) == 1 else p - run[-1] == _step(run)


def _step(run: Sequence[int]) -> int:
    return run[1] - run[0] if len(run) > 1 else 1


def concat(b: Builder, parts: Sequence[View], dim: int) -> View:
    """Views one after the other along `dim` (without batch)."""
    first = parts[0].shape
    shape = (*first[:dim], sum(p.shape[dim] for p in parts), *first[dim + 1 :])
    return b.op("concat", [b.shaped(p, p.shape) for p in parts], shape, attrs={"dim": dim})


def _cat(b: Builder, node: Node) -> View:
    dim = b.dim(node.arg(1, node.kwargs.get("dim", 0)))
    if any(b.is_constant(a) for a in node.args[0]):
        raise b.error("a constant tensor among its inputs; pad with zeros instead, or add the constant")
    parts = [b.view(a) for a in node.args[0]]
    if node.kind == "stack":
        parts = [replace_view(p, (*p.shape[:dim], 1, *p.shape[dim:])) for p in parts]
    return concat(b, parts, dim) if len(parts) > 1 else parts[0]


def _pad(b: Builder, node: Node) -> View:
    mode, value = node.arg(2, "constant"), node.arg(3, node.kwargs.get("value"))
    if node.kind == "constant_pad_nd":
        mode, value = "constant", node.arg(2, 0)
    if mode != "constant" or value not in (None, 0):
        raise b.error(f"padding with mode {mode!r} and value {value}; only zeros are supported")
    view, widths = b.view(node.args[0]), list(node.args[1])
    rank = len(view.shape)
    sides = {rank - 1 - i: (widths[2 * i], widths[2 * i + 1]) for i in range(len(widths) // 2)}
    for dim, pair in sides.items():
        if dim < 0 and any(pair):
            raise b.error("it pads the batch dimension")
    return padded(b, view, {d: p for d, p in sides.items() if any(p)})


def padded(b: Builder, view: View, sides: dict[int, tuple[int, int]]) -> View:
    """Zeros before and after along each dimension of `sides`; negative widths cut."""
    for dim, (before, after) in list(sides.items()):
        if before < 0 or after < 0:
            start, stop = max(-before, 0), view.shape[dim] - max(-after, 0)
            view = sliced(b, view, dim, start, 1, stop - start)
            sides[dim] = (max(before, 0), max(after, 0))
    rank = len(view.shape)
    if rank == 3 and {1, 2} >= sides.keys():
        (top, bottom), (left, right) = sides.get(1, (0, 0)), sides.get(2, (0, 0))
        shape = (view.shape[0], view.shape[1] + top + bottom, view.shape[2] + left + right)
        return _pad_op(b, view, view.shape, (top, left, bottom, right), shape, shape)
    for dim, (before, after) in sides.items():
        seen: tuple[int, ...]
        outer, size, inner = prod(view.shape[:dim]), view.shape[dim], prod(view.shape[dim + 1 :])
        full = (*view.shape[:dim], size + before + after, *view.shape[dim + 1 :])
        if inner == 1:
            seen, result, widths = (outer, 1, size), (outer, 1, full[dim]), (0, before, 0, after)
        else:
            seen, result, widths = (outer, size, inner), (outer, full[dim], inner), (before, 0, after, 0)
        view = _pad_op(b, view, seen, widths, result, full)
    return view


def _pad_op(b: Builder, view: View, seen: Any, widths: Any, result: Any, shape: Any) -> View:
    if not any(widths):
        return view
    return b.op("pad", (b.shaped(view, tuple(seen)),), tuple(result), attrs={"padding": widths}, view=tuple(shape))


RULES: dict[str, Callable[[Builder, Node], Result]] = {
    **dict.fromkeys(("reshape", "contiguous", "clone", "alias", "detach", "_to_copy"), _alias),
    **dict.fromkeys(DROPOUTS, _alias),
    **dict.fromkeys(("permute", "transpose"), _permute),
    "slice": _slice,
    "narrow": _narrow,
    "select": _select,
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "unbind"), _chunks),
    "getitem": _getitem,
    "index_select": _index_select,
    "index": _index,
    **dict.fromkeys(("cat", "concat", "stack"), _cat),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
}
