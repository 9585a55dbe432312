"""Rules for operations that join tensors or mix positions: sums, pools, reductions, softmax, cat, products."""

from __future__ import annotations

from typing import Any

from trimcap.graph.atoms import Dim, concatenate, freeze, fresh, unify
from trimcap.graph.network import Node, Ref
from trimcap.graph.walk import Dims, Walk, not_understood, per_dimension


def broadcast(walk: Walk, node: Node) -> Dims:
    """add, mul, …, and functions of each element: dimensions that are not broadcast must agree."""
    operands = [a for a in (*node.args, *node.kwargs.values()) if isinstance(a, Ref)]
    tensors, shapes = [walk.of(a) for a in operands], [walk.shape(a) for a in operands]
    rank = len(node.shape)
    out: list[Dim] = []
    for i in range(rank):
        dims = [t[i - rank] for t, s in zip(tensors, shapes, strict=True) if len(t) >= rank - i and s[i - rank] > 1]
        for other in dims[1:]:
            unify(dims[0], other, f"operands of {node.where}")
        out.append(dims[0] if dims else ())
    return tuple(out)


def pool(walk: Walk, node: Node) -> Dims:
    """Pooling mixes the positions it runs over; channels pass."""
    x = walk.of(node.args[0])
    n = int(node.kind[-2])  # of "avg_pool2d"; a kernel of one number stands for all dimensions
    kernel = per_dimension(node.args[1], n, 1)
    stride = per_dimension(node.arg(2) or node.args[1], n, 1)
    out = list(x)
    for i in range(-n, 0):
        if kernel[i] != 1 or stride[i] != 1:
            why = f"pooled over by {node.where}"
            freeze(x[i], why)
            out[i] = fresh(node.shape[i], why)
    return tuple(out)


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


def reduction(walk: Walk, node: Node) -> Dims:
    """mean, sum, max, … over dimensions mix them."""
    x, rank = walk.of(node.args[0]), len(walk.of(node.args[0]))
    over = node.arg(1)
    if over is None or over == ():
        which = set(range(rank))
    else:
        which = {d % rank for d in (over if isinstance(over, tuple) else (over,))}
    keep = bool(node.kwargs.get("keepdim", node.arg(2, False)))
    for i in which:
        freeze(x[i], f"{node.kind} over it at {node.where}")
    return tuple(() if i in which else dim for i, dim in enumerate(x) if keep or i not in which)


def variance(walk: Walk, node: Node) -> Dims:
    """var, std: like a reduction, with `keepdim` as a keyword."""
    x = walk.of(node.args[0])
    over = node.arg(1)
    which = set(range(len(x))) if over is None else {d % len(x) for d in over}
    for i in which:
        freeze(x[i], f"{node.kind} over it at {node.where}")
    keep = len(node.shape) == len(x)
    return tuple(() if i in which else dim for i, dim in enumerate(x) if keep or i not in which)


def softmax(walk: Walk, node: Node) -> Dims:
    """Every output along the dimension depends on every input."""
    x = walk.of(node.args[0])
    freeze(x[node.args[1]], f"mixed by {node.where}")
    return x


def cat(walk: Walk, node: Node) -> Dims:
    """Concatenation adds dimensions along one and unifies the others."""
    tensors = [walk.of(ref) for ref in node.args[0]]
    along = node.arg(1, 0) % len(tensors[0])
    out: list[Dim] = []
    for i, first in enumerate(tensors[0]):
        if i == along:
            out.append(concatenate([t[i] for t in tensors]))
        else:
            for other in tensors[1:]:
                unify(first, other[i], f"operands of {node.where}")
            out.append(first)
    return tuple(out)


def matmul(walk: Walk, node: Node) -> Any:
    """Matrix product: the contracted dimension is mixed; the outer ones pass."""
    x, y = walk.of(node.args[0]), walk.of(node.args[1])
    if len(x) != len(y) or len(x) < 2:
        return not_understood(walk, node)
    freeze(x[-1], f"contracted by {node.where}")
    freeze(y[-2], f"contracted by {node.where}")
    outer: list[Dim] = []
    for a, b in zip(x[:-2], y[:-2], strict=True):
        if a and b:
            unify(a, b, f"operands of {node.where}")
        outer.append(a or b)  # one of them may be broadcast
    return (*outer, x[-2], y[-1])


def attention(walk: Walk, node: Node) -> Dims:
    """Scaled dot-product attention: time is mixed by softmax, query and key features are contracted."""
    q, k, v = (walk.of(a) for a in node.args[:3])
    why = f"mixed by attention at {node.where}"
    for dim in (q[-1], k[-1], q[-2], k[-2], v[-2], *q[:-2], *k[:-2], *v[:-2]):
        freeze(dim, why)
    return (*q[:-1], v[-1])
