"""Operations that compute y = scale · x + shift with constants, and how such a map moves past others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.ops.mix import ADAPTIVE_POOLS, POOLS, reduced
from trimcap.graph.ops.views import permutation

_BINARY = {"add", "sub", "rsub", "mul", "div"}


@dataclass(frozen=True)
class Affine:
    """y = scale · x + shift, elementwise; both float64, expanded to the shape of x for a batch of one."""

    scale: Tensor
    shift: Tensor

    @property
    def shifts(self) -> bool:
        """Whether zero does not map to zero."""
        return bool(self.shift.any())

    def constant_along(self, dimensions: Collection[int]) -> bool:
        """Whether scale and shift are the same all along these dimensions."""
        return all(
            bool((value == value.select(d, 0).unsqueeze(d)).all())
            for value in (self.scale, self.shift)
            for d in dimensions
        )

    def constant_except(self, dimensions: Collection[int]) -> bool:
        """Whether scale and shift vary along none but these dimensions."""
        return self.constant_along([d for d in range(self.scale.ndim) if d not in dimensions])

    def reshape(self, shape: tuple[int, ...]) -> Affine:
        """The same values in another shape."""
        return Affine(self.scale.reshape(shape), self.shift.reshape(shape))


def affine_of(network: Network, node: Node) -> tuple[str, Affine] | None:
    """What a node reads and the map it applies, if that is affine, elementwise and does not change the shape.

    Batch norm in evaluation: scale = γ/√(σ² + ε), shift = β − μ·scale per channel. Addition, subtraction,
    multiplication and division by a scalar or a tensor of the network; negation.
    """
    if node.kind == "batch_norm":
        found = _batch_norm(network, node)
    elif node.kind in _BINARY:
        found = _arithmetic(network, node)
    elif node.kind == "neg":
        found = (node.inputs[0], torch.tensor(-1.0), torch.tensor(0.0))
    else:
        return None
    if found is None or found[0] in network.tensors or network.shape_of(found[0]) != node.shape:
        return None
    source, scale, shift = found
    return source, Affine(scale.double().expand(node.shape), shift.double().expand(node.shape))


def _batch_norm(network: Network, node: Node) -> tuple[str, Tensor, Tensor] | None:
    gamma, beta, mean, var = (_constant(network, node.arg(i)) for i in range(1, 5))
    if node.arg(5) or mean is None or var is None:
        return None
    scale = (1.0 if gamma is None else gamma) / (var + node.arg(7, 1e-5)).sqrt()
    shift = (0.0 if beta is None else beta) - mean * scale
    channels = (1, -1, *[1] * (len(node.shape) - 2))
    return node.inputs[0], scale.reshape(channels), shift.reshape(channels)


def _arithmetic(network: Network, node: Node) -> tuple[str, Tensor, Tensor] | None:
    left, right = node.args[:2]
    if node.kwargs.get("rounding_mode") is not None:
        return None
    if node.kind == "rsub":
        left, right, kind = right, left, "sub"
    else:
        kind = node.kind
    alpha = float(node.kwargs.get("alpha", node.arg(2, 1) if node.kind != "div" else 1))
    # alpha multiplies the second operand, which `rsub` has as its first argument
    a, b = _constant(network, left), _constant(network, right)
    one, zero = torch.tensor(1.0), torch.tensor(0.0)
    if (a is None) == (b is None):
        return None
    if b is not None:
        maps = {"add": (one, alpha * b), "sub": (one, -alpha * b), "mul": (b, zero), "div": (1 / b, zero)}
        return left.name, *maps[kind]
    assert a is not None
    if kind == "div":
        return None
    maps = {"add": (one * alpha, a), "sub": (-one * alpha, a), "mul": (a, zero)}
    return right.name, *maps[kind]


def _constant(network: Network, value: Any) -> Tensor | None:
    """A real scalar or tensor of the network in float64; None for a result."""
    if isinstance(value, Ref):
        tensor = network.tensors.get(value.name)
        return None if tensor is None or tensor.is_complex() else tensor.detach().double()
    return None if value is None or isinstance(value, complex) else torch.tensor(value, dtype=torch.float64)


def past(network: Network, node: Node, affine: Affine) -> Affine | None:
    """The map that does after `node` what `affine` does before it, or None: node(affine(x)) = past(node(x)).

    Reshapes and permutations take scale and shift along. A mean (also: average pooling without padding)
    commutes with a map that is the same for all averaged values, because its weights sum to one.
    """
    before = network.shape_of(node.inputs[0])
    if node.kind == "reshape":
        return affine.reshape(node.shape)
    if node.kind in {"permute", "transpose"}:
        order = permutation(node, len(before))
        return Affine(affine.scale.permute(order), affine.shift.permute(order))
    averaged = _averaged(node, len(before))
    if averaged is None or not affine.constant_along(averaged):
        return None
    scale, shift = affine.scale, affine.shift
    for d in averaged:
        scale, shift = scale.narrow(d, 0, 1), shift.narrow(d, 0, 1)
    if node.kind == "mean":
        return Affine(scale.reshape(node.shape), shift.reshape(node.shape))
    return Affine(scale.expand(node.shape), shift.expand(node.shape))


def before(network: Network, node: Node, affine: Affine) -> Affine | None:
    """The map that does before `node` what `affine` does after it, or None: affine(node(x)) = node(before(x))."""
    shape = network.shape_of(node.inputs[0])
    if node.kind == "reshape":
        return affine.reshape(shape)
    if node.kind in {"permute", "transpose"}:
        order = permutation(node, len(shape))
        inverse = [order.index(d) for d in range(len(shape))]
        return Affine(affine.scale.permute(inverse), affine.shift.permute(inverse))
    averaged = _averaged(node, len(shape))
    if averaged is None or node.kind == "mean" or not affine.constant_along(averaged):
        return None
    scale, shift = affine.scale, affine.shift
    for d in averaged:
        scale, shift = scale.narrow(d, 0, 1), shift.narrow(d, 0, 1)
    return Affine(scale.expand(shape), shift.expand(shape))


def _averaged(node: Node, ndim: int) -> tuple[int, ...] | None:
    """Dimensions over which a node averages with weights that sum to one; None if it does something else."""
    if node.kind == "mean":
        return tuple(reduced(node, ndim))
    if node.kind in ADAPTIVE_POOLS and "avg" in node.kind:
        return tuple(range(2, ndim))
    if node.kind in POOLS and "avg" in node.kind:
        padding = node.arg(3, 0)
        padded = any(padding) if isinstance(padding, tuple) else bool(padding)
        return None if padded or node.arg(6) is not None else tuple(range(2, ndim))
    return None
