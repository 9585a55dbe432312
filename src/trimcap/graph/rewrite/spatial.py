"""Two linear filters in a row: the order, or one filter, that costs least. Dense layers in a row: one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.ops.layers import CONVOLUTIONS
from trimcap.graph.rewrite.change import Change, edited, free_name, only_reader, with_args
from trimcap.graph.rewrite.conv import Geometry, Reweighted, geometry, moving, reweighted, weights_of


def spatial_first(network: Network) -> Iterator[Change]:
    """Filter in space before filtering in time, where a temporal filter is followed by a spatial one.

    A temporal convolution t_f (one input channel, F filters along time, bias b_f) and a spatial convolution
    s_of (along electrodes, bias c_o) without a non-linearity between them compute

        y_o = c_o + Σ_f Σ_e s_of[e] · (t_f ∗ x_e + b_f)
            = c_o + Σ_f b_f·Σ_e s_of[e]  +  Σ_f t_f ∗ (Σ_e s_of[e]·x_e).

    So the spatial filters may run first, on one channel, and the temporal ones after them, one group per o,
    with the bias b_f·Σ s + c_o. Zero padding in time commutes, because the spatial filter has no bias any more.
    For a depthwise spatial convolution (EEGNet; depth multiplier D) that is F·D filters of each kind instead
    of F temporal filters on every electrode: fewer MACs by about the number of electrodes, and no tensor of
    F × electrodes × times. Any two dimensions will do, in any layout of the window. Fold batch norm first.

    Or one convolution for both, w_o[e, τ] = Σ_f s_of[e]·t_f[τ] with the bias c_o + Σ_f b_f·Σ_e s_of[e]. It pays where
    the spatial convolution is full (ShallowConvNet), and costs where it is depthwise: both are offered at every place.
    """
    for first, second in _pairs(network):
        reason = _obstacle(network, first, second)
        if reason:
            yield Change(second.name, reason)
        else:
            yield _swapped(network, first, second)
            yield _merged(network, first, second)


def merge_linear(network: Network) -> Iterator[Change]:
    """One linear operation for two in a row: W₂(W₁x + b₁) + b₂ = (W₂W₁)x + (W₂b₁ + b₂)."""
    for first in network.nodes:
        second = only_reader(network, first.name) if first.kind == "linear" else None
        if second is None or second.kind != "linear" or second.inputs[0] != first.name:
            continue
        one, two = weights_of(network, first), weights_of(network, second)
        if one is None or two is None:
            continue
        bias = two[1]
        if one[1] is not None:
            bias = two[0] @ one[1] + (0.0 if bias is None else bias)
        result = reweighted(network, second, two[0] @ one[0], bias)
        node = with_args(result.node, {0: first.args[0]})
        after = _edited(network, first, second, (node,), [result])
        yield Change(second.name, f"merged {first.where} and {second.where} into one", after)


def _pairs(network: Network) -> Iterator[tuple[Node, Node]]:
    """Convolutions of one channel along some dimensions, and what alone reads them along others."""
    for first in network.nodes:
        second = only_reader(network, first.name) if first.kind in CONVOLUTIONS else None
        if second is None or second.kind != first.kind or second.inputs[0] != first.name:
            continue
        if weights_of(network, first) is None or weights_of(network, second) is None:
            continue
        before, after = geometry(network, first), geometry(network, second)
        long = {d for d, k in enumerate(before.kernel) if k > 1}
        wide = {d for d, k in enumerate(after.kernel) if k > 1}
        if network.shape_of(first.inputs[0])[1] == 1 and long and wide and not long & wide:
            yield first, second


def _obstacle(network: Network, first: Node, second: Node) -> str:
    """Why two filters cannot trade places ("" if they can)."""
    before, after = geometry(network, first), geometry(network, second)
    stays = f"{second.where} stays after {first.where}: "
    if not all(_still(before, d) or _still(after, d) for d in range(len(before.kernel))):
        return f"{stays}both move along the same dimension"
    if after.groups not in {1, network.shape_of(first.inputs[1])[0]}:
        return f"{stays}it has {after.groups} groups, neither one nor one per temporal filter"
    if any(side for sides in after.padding for side in sides) and isinstance(first.arg(2), Ref):
        return f"{stays}it pads with zeros, where the first has a bias"
    return ""


def _still(shape: Geometry, dimension: int) -> bool:
    """Whether a convolution does nothing along a dimension."""
    return (shape.kernel[dimension], shape.stride[dimension], shape.padding[dimension]) == (1, 1, (0, 0))


def _filters(network: Network, first: Node, second: Node) -> tuple[Tensor, Tensor, Tensor | None]:
    """Temporal and spatial filters, both (o, f, positions …), and the bias of both together; float64.

    f counts the temporal filters that output o reads: all of them, or one where `second` is depthwise.
    """
    one, two = weights_of(network, first), weights_of(network, second)
    assert one is not None
    assert two is not None
    (temporal, b), (spatial, c) = one, two
    outputs, filters = len(spatial), len(temporal)
    read = torch.arange(filters).expand(outputs, filters)
    if spatial.shape[1] < filters:
        read = torch.arange(filters).repeat_interleave(outputs // filters).unsqueeze(1)
    bias = c
    if b is not None:
        bias = (spatial.flatten(2).sum(2) * b[read]).sum(1) + (0.0 if c is None else c)
    return temporal[read][:, :, 0], spatial, bias


def _swapped(network: Network, first: Node, second: Node) -> Change:
    temporal, spatial, bias = _filters(network, first, second)
    before, after = geometry(network, first), geometry(network, second)
    outputs, each = temporal.shape[:2]
    wide = reweighted(network, second, spatial.reshape(outputs * each, 1, *spatial.shape[2:]), None)
    long = reweighted(network, first, temporal, bias)
    wide_node = moving(wide.node, replace(after, groups=1))
    long_node = moving(long.node, replace(before, groups=outputs))
    assert wide_node is not None
    assert long_node is not None
    start, end = network.shape_of(first.inputs[0])[2:], second.shape[2:]
    size = (s if _still(after, d) else e for d, (s, e) in enumerate(zip(start, end, strict=True)))
    name = free_name(network, f"{second.name}_first")
    wide_node = replace(with_args(wide_node, {0: first.args[0]}), name=name, shape=(1, outputs * each, *size))
    long_node = replace(with_args(long_node, {0: Ref(name)}), name=second.name, shape=second.shape)
    words = f"put {second.where} before {first.where}"
    return Change(second.name, words, _edited(network, first, second, (wide_node, long_node), [wide, long]))


def _merged(network: Network, first: Node, second: Node) -> Change:
    temporal, spatial, bias = _filters(network, first, second)
    result = reweighted(network, second, (spatial * temporal).sum(1, keepdim=True), bias)
    node = moving(with_args(result.node, {0: first.args[0]}), _joined(network, first, second))
    if node is None:
        return Change(second.name, f"{second.where} stays after {first.where}: one convolution cannot pad unevenly")
    words = f"merged {first.where} and {second.where} into one convolution"
    return Change(second.name, words, _edited(network, first, second, (node,), [result]))


def _joined(network: Network, first: Node, second: Node) -> Geometry:
    """How the merged convolution moves: along every dimension as the one of the two that moves there."""
    before, after = geometry(network, first), geometry(network, second)
    own = [before if _still(after, d) else after for d in range(len(before.kernel))]
    return Geometry(
        kernel=tuple(shape.kernel[d] for d, shape in enumerate(own)),
        stride=tuple(shape.stride[d] for d, shape in enumerate(own)),
        padding=tuple(shape.padding[d] for d, shape in enumerate(own)),
        dilation=tuple(shape.dilation[d] for d, shape in enumerate(own)),
        groups=1,
    )


def _edited(network: Network, first: Node, second: Node, nodes: tuple[Node, ...], results: list[Reweighted]) -> Network:
    """The network with `nodes` in place of two others."""
    return edited(
        network,
        replaced={first.name: (), second.name: nodes},
        tensors={name: tensor for result in results for name, tensor in result.tensors.items()},
        trainable={name for result in results for name in result.trainable},
    )
