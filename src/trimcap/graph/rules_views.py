"""Rules for views: reshape, permute, expand, slices, and for sizes and constants."""

from __future__ import annotations

from typing import Any

from trimcap.graph.atoms import freeze, fresh, regroup
from trimcap.graph.network import Node
from trimcap.graph.walk import Dims, Walk


def reshape(walk: Walk, node: Node) -> Dims:
    """Flatten multiplies, unflatten splits; the batch of one has no atoms."""
    why = f"reshaped by {node.where}"
    result = regroup(walk.of(node.args[0]), node.shape, why)
    if result is None:
        return tuple(fresh(s, why) for s in node.shape)
    return tuple(result)


def permute(walk: Walk, node: Node) -> Dims:
    """A new order of the dimensions."""
    x = walk.of(node.args[0])
    return tuple(x[i] for i in node.args[1])


def transpose(walk: Walk, node: Node) -> Dims:
    """Swap two dimensions."""
    x = list(walk.of(node.args[0]))
    i, j = node.args[1:3]
    x[i], x[j] = x[j], x[i]
    return tuple(x)


def expand(walk: Walk, node: Node) -> Dims:
    """Broadcast copies: what is repeated may not be cut."""
    x = walk.of(node.args[0])
    before = walk.shape(node.args[0])
    x = ((),) * (len(node.shape) - len(x)) + x
    before = (1,) * (len(node.shape) - len(before)) + before
    why = f"expanded by {node.where}"
    return tuple(d if old == new else fresh(new, why) for d, old, new in zip(x, before, node.shape, strict=True))


def pick(walk: Walk, node: Node) -> Any:
    """slice, select, chunk, split, unbind: the dimension they cut stays whole."""
    x, along = walk.of(node.args[0]), _cut_dimension(node)
    along %= len(x)
    why = f"cut by {node.where}"
    freeze(x[along], why)
    drop = node.kind in ("select", "unbind")

    def result(shape: tuple[int, ...]) -> Dims:
        if drop:
            return (*x[:along], *x[along + 1 :])
        return tuple(fresh(shape[i], why) if i == along else dim for i, dim in enumerate(x))

    if node.shape and isinstance(node.shape[0], tuple):
        return tuple(result(shape) for shape in node.shape)
    return result(node.shape)


def _cut_dimension(node: Node) -> int:
    position = {
        "slice": 1,
        "select": 1,
        "unbind": 1,
        "chunk": 2,
        "split": 2,
        "split_with_sizes": 2,
        "narrow": 1,
    }
    return int(node.kwargs.get("dim", node.arg(position[node.kind], 0)))


def getitem(walk: Walk, node: Node) -> Dims:
    """One of several results."""
    found: Dims = walk.dims[node.args[0].name][node.args[1]]
    return found


def number(walk: Walk, node: Node) -> Dims:
    """A size: no dimensions."""
    del walk, node
    return ()


def created(walk: Walk, node: Node) -> Dims:
    """zeros, ones, …: a constant of fixed size."""
    del walk
    return tuple(fresh(s, f"constant made at {node.where}") for s in node.shape)
