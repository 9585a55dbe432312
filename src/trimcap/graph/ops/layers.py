"""Rules for layers with weights: convolution, linear, normalisation."""

from __future__ import annotations

from typing import Any

from trimcap.graph.network import Node, Ref
from trimcap.graph.ops.atoms import Dim, freeze, fresh, size_of, unify
from trimcap.graph.ops.walk import Dims, Walk, not_understood, per_dimension


def convolution(walk: Walk, node: Node) -> Any:
    """Rows of the weight make channels; its inputs, split into groups, must be the channels of x."""
    x, weight, bias = walk.of(node.args[0]), walk.of(node.args[1]), node.arg(2)
    shape_x, shape_w = walk.shape(node.args[0]), walk.shape(node.args[1])
    if len(shape_x) != len(shape_w):
        return not_understood(walk, node)
    n = len(shape_w) - 2
    stride, padding = per_dimension(node.arg(3), n, 1), node.arg(4)
    pad = [-1] * n if padding == "same" else [0] * n if padding == "valid" else per_dimension(padding, n, 0)
    groups = int(node.arg(6, 1) or 1)
    _tie_channels(x[1], weight, shape_w, groups, node)
    if bias is not None:
        unify(walk.of(bias)[0], weight[0], f"bias of {node.where}")
    out: list[Dim] = [x[0], weight[0]]
    for i in range(n):
        size, kernel, result = shape_x[2 + i], shape_w[2 + i], node.shape[2 + i]
        if kernel == 1 and stride[i] == 1 and pad[i] in (0, -1):
            out.append(x[2 + i])
        elif kernel == size and result == 1 and pad[i] == 0:
            unify(x[2 + i], weight[2 + i], f"kernel of {node.where}")
            out.append(())
        else:
            why = f"convolved over by {node.where}"
            freeze(x[2 + i], why)
            freeze(weight[2 + i], f"kernel of {node.where}")
            out.append(fresh(result, why))
    return tuple(out)


def _tie_channels(channels: Dim, weight: Dims, shape_w: tuple[int, ...], groups: int, node: Node) -> None:
    if groups == 1:
        unify(channels, weight[1], f"inputs of {node.where}")
        return
    why = f"groups of {node.where}"
    group = fresh(groups)
    unify(channels, group + weight[1], why)
    unify(weight[0], group + fresh(shape_w[0] // groups), why)


def transposed_convolution(walk: Walk, node: Node) -> Any:
    """Rows of the weight read the channels of x; its columns, in groups, make channels."""
    x, weight, bias = walk.of(node.args[0]), walk.of(node.args[1]), node.arg(2)
    shape_x, shape_w = walk.shape(node.args[0]), walk.shape(node.args[1])
    if len(shape_x) != len(shape_w):
        return not_understood(walk, node)
    group = fresh(int(node.arg(6, 1) or 1))
    unify(x[1], weight[0], f"inputs of {node.where}")
    unify(weight[0], (*group, *fresh(shape_w[0] // size_of(group))), f"groups of {node.where}")
    channels = (*group, *weight[1])
    if bias is not None:
        unify(walk.of(bias)[0], channels, f"bias of {node.where}")
    why = f"convolved over by {node.where}"
    for i in range(2, len(shape_w)):
        freeze(x[i], why)
        freeze(weight[i], f"kernel of {node.where}")
    return (x[0], channels, *(fresh(size, why) for size in node.shape[2:]))


def linear(walk: Walk, node: Node) -> Dims:
    """Y = x Wᵀ + b on the last dimension."""
    x, weight = walk.of(node.args[0]), walk.of(node.args[1])
    unify(weight[1], x[-1], f"inputs of {node.where}")
    if node.arg(2) is not None:
        unify(walk.of(node.args[2])[0], weight[0], f"bias of {node.where}")
    return (*x[:-1], weight[0])


def per_channel(walk: Walk, node: Node) -> Dims:
    """Batch or instance norm, PReLU: one parameter per channel. Statistics of the input mix what they run over."""
    x = walk.of(node.args[0])
    if node.kind != "prelu" and node.arg(5):
        for dim in (*(x[:1] if node.kind == "batch_norm" else ()), *x[2:]):
            freeze(dim, f"normalised over by {node.where}")
    for ref in node.args[1:5]:
        if isinstance(ref, Ref) and walk.shape(ref) != (1,):
            unify(walk.of(ref)[0], x[1], f"parameters of {node.where}")
    return x


def layer_norm(walk: Walk, node: Node) -> Dims:
    """Mean and variance run over the features that are left."""
    x = walk.of(node.args[0])
    last = x[-len(node.args[1]) :]
    for ref in node.args[2 : 3 if node.kind == "rms_norm" else 4]:
        if isinstance(ref, Ref):
            for dim, own in zip(last, walk.of(ref), strict=True):
                unify(dim, own, f"parameters of {node.where}")
    return x


def group_norm(walk: Walk, node: Node) -> Dims:
    """Statistics run over the channels of a group that are left, and over all positions."""
    x, groups = walk.of(node.args[0]), node.args[1]
    for dim in x[2:]:
        freeze(dim, f"normalised over by {node.where}")
    channels = walk.shape(node.args[0])[1]
    unify(x[1], (*fresh(groups), *fresh(channels // groups)), f"groups of {node.where}")
    for ref in node.args[2:4]:
        if isinstance(ref, Ref):
            unify(walk.of(ref)[0], x[1], f"parameters of {node.where}")
    return x
