"""Rules for layers with weights: convolution, linear, normalisation, recurrent."""

from __future__ import annotations

from typing import Any

from trimcap.graph.atoms import Dim, freeze, fresh, unify
from trimcap.graph.network import Node, Ref, refs
from trimcap.graph.walk import Dims, Walk, not_understood, per_dimension


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
    """Mean and variance over the last dimensions mix them."""
    x = walk.of(node.args[0])
    last = x[-len(node.args[1]) :]
    for dim in last:
        freeze(dim, f"normalised over by {node.where}")
    for ref in node.args[2:4]:
        if ref is not None:
            for dim, own in zip(last, walk.of(ref), strict=True):
                unify(dim, own, f"parameters of {node.where}")
    return x


def group_norm(walk: Walk, node: Node) -> Dims:
    """Statistics over groups of channels and all positions mix them."""
    x = walk.of(node.args[0])
    for dim in x[1:]:
        freeze(dim, f"normalised over by {node.where}")
    for ref in node.args[2:4]:
        if ref is not None:
            unify(walk.of(ref)[0], x[1], f"parameters of {node.where}")
    return x


def recurrent(walk: Walk, node: Node) -> Any:
    """GRU, LSTM, RNN: the input features are free, the hidden state is one."""
    lstm = node.kind == "lstm"
    x, weights = walk.of(node.args[0]), node.args[2]
    if len(walk.shape(node.args[0])) != 3 or not isinstance(weights, tuple):
        return not_understood(walk, node)
    why = f"hidden state of {node.where}"
    has_biases, layers, bidirectional, batch_first = node.args[3], node.args[4], node.args[7], node.args[8]
    per_direction = 4 if has_biases else 2
    directions = 2 if bidirectional else 1
    if len(weights) != per_direction * directions * layers:
        return not_understood(walk, node)
    first = [weights[d * per_direction] for d in range(directions)]
    for ref in refs(weights):
        dims = walk.of(ref)
        for position, dim in enumerate(dims):
            if not (ref in first and position == 1):
                freeze(dim, why)
    for ref in first:
        unify(walk.of(ref)[1], x[-1], f"inputs of {node.where}")
    for ref in refs(node.args[1]):
        for dim in walk.of(ref):
            freeze(dim, why)
        unify(x[0 if batch_first else 1], walk.of(ref)[1], f"first state of {node.where}")
    time = 1 if batch_first else 0
    freeze(x[time], f"time steps of {node.where}")
    shapes = node.shape
    out = tuple(x[i] if i != 2 else fresh(shapes[0][2], why) for i in range(3))
    states = tuple(tuple(fresh(s, why) for s in shape) for shape in shapes[1 : 3 if lstm else 2])
    return (out, *states)
