"""The proof that two networks compute the same function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from trimcap.graph.network import Network, Node

TOLERANCE = 1e-6


def check_same(a: Network, b: Network, *, what: str) -> float:
    """The largest difference between two networks, relative; `what` is said to have made `b` from `a`.

    Raises
    ------
    RuntimeError : the difference is above 1e-6 of the output's scale.
    """
    error = largest_difference(a, b)
    if not error <= TOLERANCE:
        raise RuntimeError(
            f"{what}: the output differs by {error:.2g} of its scale (allowed {TOLERANCE:g}), so it is not the same "
            "function. Leave the rule out of `rules`; if it is one of trimcap's, please report it with the network"
        )
    return error


@torch.no_grad()
def largest_difference(a: Network, b: Network, *, n: int = 2, seed: int = 0) -> float:
    """The difference max |a(x) − b(x)| / max |a(x)| in float64, on random x of unit size and of 30 times that.

    Returns
    -------
    float, the larger of both; infinite where only one of them is finite, or nothing is
    """
    one, other = _double(a).module(), _double(b).module()
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


def _double(network: Network) -> Network:
    """The same network in float64."""

    def widened(value: Any) -> Any:
        return "float64" if value == "float32" else value

    def wide(node: Node) -> Node:
        return replace(node, kwargs={k: widened(v) for k, v in node.kwargs.items()})

    nodes = tuple(wide(node) for node in network.nodes)
    tensors = {n: t.double() if t.is_floating_point() else t for n, t in network.tensors.items()}
    return replace(network, nodes=nodes, tensors=tensors, constraints=())
