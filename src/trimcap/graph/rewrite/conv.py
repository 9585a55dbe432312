"""Convolutions as numbers: how they move, their weights, and the node that moves and weighs differently."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.rewrite.change import bias_name, owned_name, with_args


@dataclass(frozen=True)
class Geometry:
    """How a convolution moves, one entry per spatial dimension; padding as (before, after)."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int


@dataclass(frozen=True)
class Reweighted:
    """A node with other weights: the node, its new tensors, and which of them are trained."""

    node: Node
    tensors: dict[str, Tensor]
    trainable: tuple[str, ...]


def geometry(network: Network, node: Node) -> Geometry:
    """Kernel, stride, padding, dilation and groups of a convolution that is not transposed."""
    kernel = network.shape_of(node.inputs[1])[2:]
    n = len(kernel)
    dilation = _each(node.arg(5, 1), n)
    padding = node.arg(4, 0)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        sides = tuple((total // 2, total - total // 2) for total in totals)
    else:
        sides = tuple((p, p) for p in _each(0 if padding == "valid" else padding, n))
    return Geometry(tuple(kernel), _each(node.arg(3, 1), n), sides, dilation, int(node.arg(6, 1)))


def _each(value: Any, n: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * n if len(values) == 1 else values


def weights_of(network: Network, node: Node) -> tuple[Tensor, Tensor | None] | None:
    """Weight and bias in float64, or None when they are computed from other tensors."""
    weight, bias = node.arg(1), node.arg(2)
    if not isinstance(weight, Ref) or weight.name not in network.tensors:
        return None
    if isinstance(bias, Ref):
        found = network.tensors.get(bias.name)
        return None if found is None else (network.tensors[weight.name].double(), found.double())
    return network.tensors[weight.name].double(), None


def reweighted(network: Network, node: Node, weight: Tensor, bias: Tensor | None) -> Reweighted:
    """The node with this weight and bias, cast to the type of the old weight."""
    old_name, old_bias = node.args[1].name, node.arg(2)
    kind = network.tensors[old_name].dtype
    names = [owned_name(network, old_name, by=node)]
    tensors = {names[0]: weight.to(kind).contiguous()}
    if bias is not None:
        exists = isinstance(old_bias, Ref)
        names.append(owned_name(network, old_bias.name, by=node) if exists else bias_name(network, names[0], by=node))
        tensors[names[1]] = bias.to(kind).contiguous()
    changed = with_args(node, {1: Ref(names[0]), 2: Ref(names[1]) if bias is not None else None})
    return Reweighted(changed, tensors, tuple(names) if old_name in network.trainable else ())


def moving(node: Node, shape: Geometry) -> Node | None:
    """The convolution node with another geometry, or None where PyTorch cannot write that padding down.

    It can where both sides of each dimension are padded alike, and, at stride 1, where all dimensions are
    padded as padding="same" does: d(k−1) zeros, ⌊half⌋ of them before.
    """
    rest = {3: shape.stride, 5: shape.dilation, 6: shape.groups}
    if all(before == after for before, after in shape.padding):
        even = with_args(node, {4: tuple(before for before, _ in shape.padding), **rest})
        return replace(even, op=f"aten.{node.kind}.default")
    totals = [d * (k - 1) for d, k in zip(shape.dilation, shape.kernel, strict=True)]
    if set(shape.stride) == {1} and list(shape.padding) == [(t // 2, t - t // 2) for t in totals]:
        return replace(with_args(node, {4: "same", **rest}), op=f"aten.{node.kind}.padding")
    return None
