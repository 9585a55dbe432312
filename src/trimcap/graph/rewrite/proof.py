"""The proof that two networks compute the same function."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from trimcap.graph.network import Network
from trimcap.graph.node import Node

#: what rounding the new weights to float32 may change, of the output's scale, where a network subtracts large values of
#: each other; every change was proven in float64 before
ROUNDING = 1e-5
#: what a change of float64 weights may change: nothing that could be an error of the algebra
EXACT = 1e-9


def differs(what: str, error: float, tolerance: float) -> str:
    """The message that `what` changed the output by `error` of its scale."""
    return (
        f"{what}: the output differs by {error:.2g} of its scale (allowed {tolerance:g}), so it is not the same "
        "function. Leave the rule out of `rules`"
    )


@torch.no_grad()
def largest_difference(a: Network, b: Network, *, n: int = 4, seed: int = 0) -> float:
    """The difference max |a(x) − b(x)| / max |a(x)| in float64, on random x of unit size and of 30 times that.

    Returns
    -------
    float, the larger of both; infinite where only one of them is finite, or nothing is
    """
    one, other = (replace(widened(network), constraints=()).module() for network in (a, b))
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for size in (1.0, 30.0):
        x = [size * torch.randn(n, *s, generator=generator, dtype=torch.float64) for s in a.inputs.values()]
        want, got = one(*x), other(*x)
        finite = torch.isfinite(want)
        if want.shape != got.shape or not finite.any() or not torch.equal(finite, torch.isfinite(got)):
            return float("inf")
        want, got = want[finite], got[finite]
        scale = max(float(want.abs().max()), torch.finfo(torch.float64).tiny)
        worst = max(worst, float((want - got).abs().max()) / scale)
    return worst


def widened(network: Network) -> Network:
    """The same network in float64."""

    def wide(node: Node) -> Node:
        kwargs = {k: "float64" if v == "float32" else v for k, v in node.kwargs.items()}
        return replace(node, kwargs=kwargs)

    tensors = {n: t.double() if t.is_floating_point() else t for n, t in network.tensors.items()}
    return replace(network, nodes=tuple(wide(node) for node in network.nodes), tensors=tensors)


def narrowed(network: Network, original: Network) -> Network:
    """A widened network with the types of the original; what is new becomes float32."""

    def narrow(node: Node) -> Node:
        old = original.node.get(node.name)
        return replace(node, kwargs=old.kwargs) if old is not None and old.op == node.op else node

    def cast(name: str, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        return tensor.to(original.tensors[name].dtype if name in original.tensors else torch.float32)

    tensors = {name: cast(name, tensor) for name, tensor in network.tensors.items()}
    return replace(network, nodes=tuple(narrow(node) for node in network.nodes), tensors=tensors)
