"""Layers with weights: convolution, linear, normalisation."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

from trimcap.graph.node import Node, Ref, Shape
from trimcap.graph.ops.atoms import Dim, freeze, fresh, size_of, unify
from trimcap.graph.ops.walk import Dims, Keep, Reader, Walk, not_understood, per_dimension

if TYPE_CHECKING:
    from trimcap.graph.network import Network

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
#: rows of the second operand, a weight, make channels or neurons
WEIGHTED = (*CONVOLUTIONS, "linear")
#: positions of the scale and the shift of a norm
NORMS = {"batch_norm": (1, 2), "instance_norm": (1, 2), "layer_norm": (2, 3), "rms_norm": (2, 3), "group_norm": (2, 3)}


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


# ---- costs ----


def convolution_macs(network: Network, node: Node) -> int:
    """Outputs · numel(one filter), taps on zero padding included; transposed: inputs · numel(one filter)."""
    transposed = node.kind in TRANSPOSED or (node.kind == "convolution" and bool(node.arg(6, False)))
    moved = node.inputs[0] if transposed else node.name
    return int(prod(network.shape_of(moved)) * prod(network.shape_of(node.inputs[1])[1:]))


def linear_macs(network: Network, node: Node) -> int:
    """Outputs · inputs."""
    return int(prod(node.shape) * network.shape_of(node.inputs[1])[-1])


# ---- what is read ----


def reads_weight(node: Node) -> list[Reader]:
    """Every dimension of the weight but its rows."""
    return [(node.args[1].name, lambda rank: range(1, rank))]


def reads_channels(node: Node) -> list[Reader]:
    """A transposed convolution: the channels of its input."""
    return [(node.args[0].name, lambda _: [1])]


def over_last(node: Node, rank: int) -> range:
    """A layer norm: the last dimensions."""
    return range(rank - len(node.args[1]), rank)


def over_channels(node: Node, rank: int) -> tuple[int, ...]:
    """A group norm: the channels."""
    del node, rank
    return (1,)


# ---- sizes ----


def fewer_groups(network: Network, node: Node, shape: Shape, keep: Keep) -> Node:
    """A convolution or group norm has as many groups as still have channels."""
    del shape
    at = 1 if node.kind == "group_norm" else 6
    if node.arg(at, 1) in (1, None):
        return node
    axes = network.axes
    dim, groups = axes.dims(node.args[0].name)[1], node.args[at]
    each = size_of(dim) // groups
    left = len(set((axes.index(dim, keep) // each).tolist()))
    return replace(node, args=(*node.args[:at], left, *node.args[at + 1 :]))


def normalised_shape(network: Network, node: Node, shape: Shape, keep: Keep) -> Node:
    """A layer norm is told the sizes that it runs over."""
    del network, keep
    return replace(node, args=(node.args[0], shape[-len(node.args[1]) :], *node.args[2:]))
