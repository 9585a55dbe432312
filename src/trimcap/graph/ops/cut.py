"""What takes part of a dimension: slices, chunks, single slices, constant lists of places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch

from trimcap.graph.node import Node, Ref, Shape
from trimcap.graph.ops.atoms import Dim, concatenate, cut, freeze, fresh, unify
from trimcap.graph.ops.walk import Dims, Keep, Walk, not_understood

if TYPE_CHECKING:
    from trimcap.graph.network import Network

#: position of the argument that says which dimension is cut
_DIMENSION = {"slice": 1, "select": 1, "unbind": 1, "narrow": 1, "chunk": 2, "split": 2, "split_with_sizes": 2}
#: constant lists of places are followed where they come in at most so many runs of neighbours
_MOST_RUNS = 16


def dimension_of(node: Node, rank: int) -> int:
    """Which dimension of its input an operation cuts."""
    return int(node.kwargs.get("dim", node.arg(_DIMENSION[node.kind], 0))) % rank


def split(walk: Walk, node: Node) -> Any:
    """chunk, split: the dimension is the concatenation of the results."""
    x, why = walk.of(node.args[0]), f"cut by {node.where}"
    along = dimension_of(node, len(x))
    pieces = _pieces(x[along], [shape[along] for shape in node.shape], why)
    return tuple((*x[:along], piece, *x[along + 1 :]) for piece in pieces)


def unbind(walk: Walk, node: Node) -> Any:
    """Every slice becomes a tensor: all of them stay."""
    x = walk.of(node.args[0])
    along = dimension_of(node, len(x))
    freeze(x[along], f"cut by {node.where}")
    return tuple((*x[:along], *x[along + 1 :]) for _ in node.shape)


def bounds(node: Node, size: int) -> tuple[int, int] | None:
    """First place, and the one after the last, that slice, narrow or select takes; None where that is not constant."""
    start = node.arg(2, 0) or 0
    if node.kind == "slice":
        end = node.arg(3)
        end = size if end is None else end
        if node.arg(4, 1) != 1:
            return None
    else:
        end = start + node.args[3] if node.kind == "narrow" and isinstance(start, int) else None
    if not isinstance(start, int) or not isinstance(end, int | None):
        return None
    start = start + size if start < 0 else start
    end = start + 1 if end is None else min(end, size) if end >= 0 else end + size
    return (start, end) if 0 <= start < end <= size else None


def take(walk: Walk, node: Node) -> Any:
    """slice, narrow, select: the dimension is what comes before, what is taken, and what comes after."""
    x, why = walk.of(node.args[0]), f"cut by {node.where}"
    along = dimension_of(node, len(x))
    drop = node.kind == "select"
    found = bounds(node, walk.shape(node.args[0])[along])
    if found is None:
        freeze(x[along], why)
        taken = () if drop else fresh(node.shape[along], why)
    else:
        sizes = [found[0], found[1] - found[0], walk.shape(node.args[0])[along] - found[1]]
        pieces = _pieces(x[along], [size for size in sizes if size], why)
        taken = pieces[1 if found[0] else 0]
    return (*x[:along], *(() if drop else (taken,)), *x[along + 1 :])


def _pieces(dim: Dim, sizes: Sequence[int], why: str) -> list[Dim]:
    return cut(dim, sizes, why) or [fresh(size, why) for size in sizes]


def glu(walk: Walk, node: Node) -> Dims:
    """One half gates the other: a slice of both goes together."""
    x, why = walk.of(node.args[0]), f"halves of {node.where}"
    along = node.arg(1, -1) % len(x)
    first, second = _pieces(x[along], [node.shape[along]] * 2, why)
    unify(first, second, why)
    return (*x[:along], first, *x[along + 1 :])


def scattered(walk: Walk, node: Node) -> Dims:
    """slice_scatter, select_scatter: one tensor put into part of another; where it is put, places count."""
    x, part = walk.of(node.args[0]), list(walk.of(node.args[1]))
    along = int(node.arg(2, 0)) % len(x)
    why = f"written into by {node.where}"
    freeze(x[along], why)
    if node.kind == "select_scatter":
        part.insert(along, ())
    for i, (dim, other) in enumerate(zip(x, part, strict=True)):
        if i == along:
            freeze(other, why)
        else:
            unify(dim, other, why)
    return x


# ---- constant places ----


def constant_places(network: Network, node: Node) -> tuple[int, Ref] | None:
    """The dimension that is indexed and the tensor of places, if that is one constant vector nobody else reads."""
    if node.kind == "index_select":
        along, index = node.args[1], node.args[2]
    else:
        given = [(i, ref) for i, ref in enumerate(node.args[1]) if ref is not None]
        if len(given) != 1:
            return None
        along, index = given[0]
    constant = network.tensors.get(index.name)
    if constant is None or constant.ndim != 1 or constant.dtype != torch.int64:
        return None
    return (along % len(network.shape_of(node.args[0].name)), index) if len(network.users[index.name]) == 1 else None


def index(walk: Walk, node: Node) -> Any:
    """Constant places in a few runs are slices joined anew; anything else needs all places."""
    found = constant_places(walk.network, node)
    if found is None:
        return _indexed(walk, node)
    along, ref = found
    x, why = walk.of(node.args[0]), f"picked from by {node.where}"
    size = walk.shape(node.args[0])[along]
    runs = _runs([place % size for place in walk.network.tensors[ref.name].tolist()])
    edges = sorted({0, size, *(edge for run in runs for edge in run)})
    lengths = [end - start for start, end in pairwise(edges)]
    pieces = cut(x[along], lengths, why) if len(runs) <= _MOST_RUNS else None
    if pieces is None:
        freeze(x[along], why)
        joined = fresh(node.shape[along], why)
    else:
        at = dict(zip(edges, pieces, strict=False))
        joined = concatenate([at[edge] for a, b in runs for edge in edges if a <= edge < b])
    unify(walk.of(ref)[0], joined, why)
    return (*x[:along], joined, *x[along + 1 :])


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours that follow each other, as (first, one after the last)."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs


def _indexed(walk: Walk, node: Node) -> Any:
    """One index tensor of any kind: its dimensions take the place of the one it indexes."""
    given = {node.args[1]: node.args[2]} if node.kind == "index_select" else _given(node)
    if len(given) != 1:
        return not_understood(walk, node)
    ((along, ref),) = given.items()
    x, why = walk.of(node.args[0]), f"picked from by {node.where}"
    along %= len(x)
    freeze(x[along], why)
    for dim in walk.of(ref):
        freeze(dim, why)
    return (*x[:along], *walk.of(ref), *x[along + 1 :])


def _given(node: Node) -> dict[int, Ref]:
    return {i: ref for i, ref in enumerate(node.args[1]) if ref is not None}


def embedding(walk: Walk, node: Node) -> Dims:
    """Rows of a table by number: every row may be asked for, columns are free."""
    table = walk.of(node.args[0])
    freeze(table[0], f"looked up by {node.where}")
    return (*walk.of(node.args[1]), table[1])


# ---- sizes ----


def split_where_it_was(network: Network, node: Node, shape: Shape, keep: Keep) -> Node:
    """A split into equal pieces may be one into unequal pieces now."""
    del shape
    axes = network.axes
    along = dimension_of(node, len(axes.dims(node.args[0].name)))
    sizes = tuple(len(axes.index(dims[along], keep)) for dims in axes.node_dims[node.name])
    if sizes == tuple(shape[along] for shape in node.shape):
        return node
    return replace(node, op="aten.split_with_sizes.default", args=(node.args[0], sizes, along), kwargs={})


def cut_where_it_was(network: Network, node: Node, shape: Shape, keep: Keep) -> Node:
    """The first and last place among those that are left."""
    del shape
    dims = network.axes.dims(node.args[0].name)
    along = dimension_of(node, len(dims))
    size = network.shape_of(node.args[0].name)[along]
    rows = network.axes.index(dims[along], keep)
    found = bounds(node, size)
    if len(rows) == size or found is None:
        return node
    start, end = (int((rows < edge).sum()) for edge in found)
    ends = {"slice": (end,), "narrow": (end - start,), "select": ()}[node.kind]
    return replace(node, args=(node.args[0], along, start, *ends))
