"""Operations that join tensors or mix positions: sums, pools, reductions, softmax, transforms.

What runs over an axis (a mean, a norm, a softmax) runs over the slices that are left once some are removed: they are
absent, not zero. The masked twin computes the same over the whole axis with a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trimcap.graph.node import Node, Ref, Shape, refs
from trimcap.graph.ops.atoms import Dim, freeze, fresh, unify
from trimcap.graph.ops.walk import Dims, Keep, Reader, Walk, not_understood, per_dimension

if TYPE_CHECKING:
    from trimcap.graph.network import Network

POOLS = tuple(f"{kind}_pool{d}d" for kind in ("avg", "max") for d in (1, 2, 3))
ADAPTIVE_POOLS = tuple(f"adaptive_{kind}" for kind in POOLS)

#: reductions that run over all dimensions if they are told none
_OF_EVERYTHING = ("max", "min", "aminmax", "median", "any", "all", "prod", "argmax", "argmin")
#: reductions that are defined over the slices that are left
OVER_WHAT_IS_LEFT = ("mean", "sum", "amax", "amin", "logsumexp", "linalg_vector_norm")


def broadcast(walk: Walk, node: Node) -> Dims:
    """add, mul, …, and functions of each element: dimensions that are not broadcast must agree."""
    operands = list(refs((node.args, tuple(node.kwargs.values()))))
    tensors, shapes = [walk.of(a) for a in operands], [walk.shape(a) for a in operands]
    rank = len(node.shape)
    out: list[Dim] = []
    for i in range(rank):
        dims = [t[i - rank] for t, s in zip(tensors, shapes, strict=True) if len(t) >= rank - i and s[i - rank] > 1]
        for other in dims[1:]:
            unify(dims[0], other, f"operands of {node.where}")
        out.append(dims[0] if dims else ())
    return tuple(out)


def pool(walk: Walk, node: Node) -> Any:
    """Pooling mixes the positions it runs over; channels pass."""
    x = walk.of(node.args[0])
    n = int(node.kind[node.kind.index("d") - 1] if "with" in node.kind else node.kind[-2])
    shape = node.shape[0] if isinstance(node.shape[0], tuple) else node.shape
    # a kernel of one number stands for all dimensions
    kernel = per_dimension(node.args[1], n, 1)
    stride = per_dimension(node.arg(2) or node.args[1], n, 1)
    out = list(x)
    for i in range(-n, 0):
        if kernel[i] != 1 or stride[i] != 1:
            why = f"pooled over by {node.where}"
            freeze(x[i], why)
            out[i] = fresh(shape[i], why)
    result = tuple(out)
    return (result, result) if isinstance(node.shape[0], tuple) else result


def adaptive_pool(walk: Walk, node: Node) -> Any:
    """Adaptive pooling: every dimension whose size changes, and every pooled one to a single value, is mixed."""
    shape = node.shape[0] if isinstance(node.shape[0], tuple) else node.shape
    x, before = walk.of(node.args[0]), walk.shape(node.args[0])
    why = f"pooled over by {node.where}"
    out = list(x)
    for i, (old, new) in enumerate(zip(before, shape, strict=True)):
        if old != new:
            freeze(x[i], why)
            out[i] = fresh(new, why)
    result = tuple(out)
    return (result, result) if isinstance(node.shape[0], tuple) else result


def resample(walk: Walk, node: Node) -> Dims:
    """Interpolation changes the positions; windows and channels pass."""
    x = walk.of(node.args[0])
    why = f"resampled by {node.where}"
    for dim in x[2:]:
        freeze(dim, why)
    return (*x[:2], *(fresh(s, why) for s in node.shape[2:]))


def pad(walk: Walk, node: Node) -> Dims:
    """Padding a dimension changes where things are."""
    x = walk.of(node.args[0])
    amounts = node.args[1]
    out = list(x)
    for i in range(len(amounts) // 2):
        if amounts[2 * i] or amounts[2 * i + 1]:
            why = f"padded by {node.where}"
            freeze(x[-1 - i], why)
            out[-1 - i] = fresh(node.shape[-1 - i], why)
    return tuple(out)


def reduced(node: Node, rank: int) -> Sequence[int]:
    """The dimensions that a reduction runs over, in order."""
    over = node.arg(2 if node.kind == "linalg_vector_norm" else 1)
    over = node.kwargs.get("dim", over)
    if over is None or over == ():
        return range(rank)
    return sorted({d % rank for d in (over if isinstance(over, tuple) else (over,))})


def reduction(walk: Walk, node: Node) -> Any:
    """mean, sum, max, …: over the slices that are left, or over none less where the order or the number counts."""
    x = walk.of(node.args[0])
    if node.kind in _OF_EVERYTHING and len(node.args) < 2 and "dim" not in node.kwargs:
        which: Sequence[int] = range(len(x))
    else:
        which = reduced(node, len(x))
    if node.kind not in OVER_WHAT_IS_LEFT or not _counts_slices(node):
        for i in which:
            freeze(x[i], f"{node.kind} over it at {node.where}")
    several = bool(node.shape) and isinstance(node.shape[0], tuple)
    keep = len(node.shape[0] if several else node.shape) == len(x)
    result = tuple(() if i in which else dim for i, dim in enumerate(x) if keep or i not in which)
    return (result, result) if several else result


def _counts_slices(node: Node) -> bool:
    """A norm must have a power; the others are always what they are."""
    return node.kind != "linalg_vector_norm" or float(node.arg(1, 2)) in (1.0, 2.0)


def softmax(walk: Walk, node: Node) -> Dims:
    """Every output along the dimension depends on every input that is left."""
    return walk.of(node.args[0])


def cumulated(walk: Walk, node: Node) -> Dims:
    """Running sums: places along the dimension count."""
    x = walk.of(node.args[0])
    freeze(x[node.args[1]], f"summed along by {node.where}")
    return x


def ordered(walk: Walk, node: Node) -> Any:
    """sort, topk: what comes out in which place depends on every slice."""
    x = list(walk.of(node.args[0]))
    position = 2 if node.kind == "topk" else 1
    along = int(node.kwargs.get("dim", node.arg(position, -1)))
    why = f"ordered by {node.where}"
    freeze(x[along], why)
    x[along] = fresh(node.shape[0][along], why)
    return (tuple(x), tuple(x))


def fourier(walk: Walk, node: Node) -> Any:
    """Transforms along one dimension mix its positions; all others pass."""
    x = list(walk.of(node.args[0]))
    along = node.kwargs.get("dim", node.arg(2, -1))
    if not isinstance(along, int):
        return not_understood(walk, node)
    why = f"transformed by {node.where}"
    freeze(x[along], why)
    x[along] = fresh(node.shape[along], why)
    return tuple(x)


def stft(walk: Walk, node: Node) -> Any:
    """Short-time Fourier transform of the last dimension: frequencies and frames take its place."""
    x = walk.of(node.args[0])
    why = f"transformed by {node.where}"
    freeze(x[-1], why)
    for ref in node.args[1:]:
        if isinstance(ref, Ref):
            for dim in walk.of(ref):
                freeze(dim, why)
    return (*x[:-1], *(fresh(s, why) for s in node.shape[len(x) - 1 :]))


# ---- what is read, and sizes ----


def reads_reduced(node: Node) -> list[Reader]:
    """A sum or norm: what it runs over."""
    return [(node.inputs[0], lambda rank: reduced(node, rank))]


def over_one(node: Node, rank: int) -> tuple[int, ...]:
    """A softmax: one dimension."""
    return (node.args[1] % rank,)


def pooled_sizes(network: Network, node: Node, shape: Shape, keep: Keep) -> Node:
    """Adaptive pooling is told the sizes that it makes."""
    del network, keep
    return replace(node, args=(node.args[0], shape[-int(node.kind[-2]) :], *node.args[2:]))
