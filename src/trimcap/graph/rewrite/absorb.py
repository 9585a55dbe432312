"""Convolution, linear and batch norm operations that take an affine map before or after them into their weights."""

from __future__ import annotations

import torch
from torch import Tensor

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.ops.layers import TRANSPOSED, WEIGHTED
from trimcap.graph.rewrite.affine import Affine, affine_of
from trimcap.graph.rewrite.change import free_name, owned_name, with_args
from trimcap.graph.rewrite.conv import Geometry, Reweighted, geometry, reweighted, weights_of


def absorb_after(network: Network, node: Node, affine: Affine) -> Reweighted | str:
    """The node that computes affine(node(x)), or why there is none.

    Convolution and linear: w'ₒ = aₒ·wₒ, bias'ₒ = aₒ·biasₒ + bₒ for scale a and shift b per output channel.
    Batch norm: γ' = a·γ, β' = a·β + b.
    """
    if node.kind not in (*WEIGHTED, *TRANSPOSED, "batch_norm"):
        return f"{node.where} has no weights to take it"
    channel = len(node.shape) - 1 if node.kind == "linear" else 1
    if not affine.constant_except([channel]):
        return f"it differs along more than the output channels of {node.where}"
    scale, shift = (_along(value, channel) for value in (affine.scale, affine.shift))
    if node.kind == "batch_norm":
        if affine_of(network, node) is None:
            return f"{node.where} uses the statistics of each batch"
        gamma, beta, _, _ = _norm_tensors(network, node)
        return _renormed(network, node, scale * gamma, scale * beta + shift)
    weights = weights_of(network, node)
    if weights is None:
        return f"the weights of {node.where} are computed from other tensors"
    weight, bias = weights
    weight = weight * _output_scale(node, weight, scale)
    if bias is None and not affine.shifts:
        return reweighted(network, node, weight, None)
    return reweighted(network, node, weight, shift if bias is None else scale * bias + shift)


def _output_scale(node: Node, weight: Tensor, scale: Tensor) -> Tensor:
    """One factor per output channel, in the layout of the weight."""
    if node.kind not in TRANSPOSED:
        return scale.reshape(-1, *[1] * (weight.ndim - 1))
    groups, per_input = int(node.arg(6, 1)), (1,) * (weight.ndim - 2)
    table = scale.reshape(groups, 1, weight.shape[1]).expand(-1, weight.shape[0] // groups, -1)
    return table.reshape(*weight.shape[:2], *per_input)


def absorb_before(network: Network, node: Node, affine: Affine) -> Reweighted | str:
    """The node that computes node(affine(x)), or why there is none.

    Convolution: w'ₒᵢₖ = wₒᵢₖ·aᵢ, bias'ₒ = biasₒ + Σᵢₖ wₒᵢₖ·bᵢ. The shift b must be zero where the convolution
    pads, because padding adds zeros after the map. Along a dimension that the kernel covers at once (an
    electrode filter), scale and shift may differ per position k. Linear: the same without positions.
    Batch norm: γ' = a·γ, β' = β + γ·(b − μ + a·μ)/√(σ² + ε).
    """
    if node.kind == "batch_norm":
        return _absorb_before_norm(network, node, affine)
    if node.kind not in WEIGHTED:
        return f"{node.where} does not take a scale and a shift"
    weights = weights_of(network, node)
    if weights is None:
        return f"the weights of {node.where} are computed from other tensors"
    weight, bias = weights
    groups = 1
    if node.kind == "linear":
        channel = affine.scale.ndim - 1
        covered: tuple[int, ...] = ()
    else:
        shape = geometry(network, node)
        groups, channel = shape.groups, 1
        if affine.shifts and any(side for sides in shape.padding for side in sides):
            return f"its shift is not zero and {node.where} pads with zeros"
        covered = _covered(shape, tuple(affine.scale.shape[2:]))
    if not affine.constant_except([channel, *covered]):
        return f"it differs along a dimension over which {node.where} slides"
    scale, shift = (_taps(value, channel, covered, weight, groups) for value in (affine.scale, affine.shift))
    grouped = weight.reshape(groups, -1, *weight.shape[1:])
    if affine.shifts:
        moved = (grouped * shift).flatten(2).sum(2).reshape(-1)
        bias = moved if bias is None else bias + moved
    return reweighted(network, node, (grouped * scale).reshape(weight.shape), bias)


def _covered(shape: Geometry, size: tuple[int, ...]) -> tuple[int, ...]:
    """Dimensions of the input that the kernel covers in one position."""
    return tuple(
        2 + d
        for d, n in enumerate(size)
        if shape.kernel[d] == n and shape.padding[d] == (0, 0) and shape.dilation[d] == 1
    )


def _taps(value: Tensor, channel: int, covered: tuple[int, ...], weight: Tensor, groups: int) -> Tensor:
    """One value per weight of an output channel: (groups, 1, inputs per group, positions …)."""
    for d in range(value.ndim):
        if d != channel and d not in covered:
            value = value.narrow(d, 0, 1)
    positions = tuple(value.shape[2:]) if weight.ndim > 2 else ()
    return value.reshape(groups, 1, weight.shape[1], *positions)


def _along(value: Tensor, dimension: int) -> Tensor:
    """The values along one dimension, at the start of all others."""
    return value.movedim(dimension, 0).flatten(1)[:, 0] if value.ndim > 1 else value


def _absorb_before_norm(network: Network, node: Node, affine: Affine) -> Reweighted | str:
    if affine_of(network, node) is None:
        return f"{node.where} uses the statistics of each batch"
    if not affine.constant_except([1]):
        return f"it differs along more than the channels of {node.where}"
    gamma, beta, mean, deviation = _norm_tensors(network, node)
    scale, shift = _along(affine.scale, 1), _along(affine.shift, 1)
    return _renormed(network, node, scale * gamma, beta + gamma * (shift - mean + scale * mean) / deviation)


def _norm_tensors(network: Network, node: Node) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """γ, β, μ and √(σ² + ε) in float64."""
    channels = node.shape[1]
    gamma, beta, mean, var = (
        network.tensors[ref.name].double() if isinstance(ref, Ref) else None for ref in node.args[1:5]
    )
    ones, zeros = torch.ones(channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64)
    assert mean is not None
    assert var is not None
    deviation = (var + node.arg(7, 1e-5)).sqrt()
    return ones if gamma is None else gamma, zeros if beta is None else beta, mean, deviation


def _renormed(network: Network, node: Node, gamma: Tensor, beta: Tensor) -> Reweighted:
    """The batch norm with this γ and β and the same running statistics."""
    kind = network.tensors[node.args[3].name].dtype
    tensors, names, trained = {}, [], False
    for index, value, leaf in ((1, gamma, "weight"), (2, beta, "bias")):
        old = node.args[index]
        known = isinstance(old, Ref)
        name = owned_name(network, old.name, by=node) if known else free_name(network, f"{node.name}_{leaf}")
        tensors[name] = value.to(kind).contiguous()
        names.append(name)
        trained = trained or (known and old.name in network.trainable)
    changed = with_args(node, {1: Ref(names[0]), 2: Ref(names[1])})
    return Reweighted(changed, tensors, tuple(names) if trained else ())
