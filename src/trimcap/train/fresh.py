"""A network of the same shape as if it had never been trained."""

from __future__ import annotations

from dataclasses import replace
from math import prod, sqrt

import torch
from torch import Tensor

from trimcap.data.seen import NOTHING
from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Node, Ref
from trimcap.graph.ops.layers import NORMS, TRANSPOSED, WEIGHTED
from trimcap.graph.ops.recurrent import RECURRENT


def fresh(network: Network, *, seed: int) -> Network:
    """New initial weights for a traced network, by the operations that read them, as PyTorch's layers draw them.

    Convolutions and linear layers: weights and biases uniform in ±1/√fan_in; recurrent layers: ±1/√hidden; scales of
    norms 1, shifts 0, running means 0 and variances 1; slopes of PReLU 0.25. A trainable tensor that no such layer
    reads (a position code) is drawn normal with its own mean and standard deviation. Everything that is not trained
    (scaling of the input, constants) stays. Max-norm constraints are imposed.

    Parameters
    ----------
    network : traced network; not changed
    seed : of the new weights; the global random state is left as it was

    Returns
    -------
    Network : of the same shape

    Source: He et al. (2015), ICCV, in the form of PyTorch's default (kaiming_uniform with a = √5).
    """
    need_network(network, "fresh")
    generator = torch.Generator().manual_seed(seed)
    changed: dict[str, Tensor] = {}
    for node in network.nodes:
        changed |= {k: v for k, v in _drawn(network, node, generator).items() if k not in changed}
    for name in network.tensors:
        if name in network.trainable and name not in changed:
            changed[name] = _alike(network.tensors[name], generator)
    module = network.with_tensors({**network.tensors, **changed}).module()
    module.project()
    kept = set(network.tensors) - set(changed)
    # what stays, such as the scaling of the input, was made with windows
    values = {n: module.tensor(n).detach().clone() for n in network.tensors}
    return replace(network, seen=network.seen if kept else NOTHING, tensors=values)


def _drawn(network: Network, node: Node, generator: torch.Generator) -> dict[str, Tensor]:
    """New values of the tensors that one operation reads."""
    if node.kind in (*WEIGHTED, *TRANSPOSED):
        names = [ref.name for ref in node.args[1:3] if isinstance(ref, Ref)]
        shape = network.shape_of(names[0])
        fan = prod(shape[1:])
        return _uniform(network, names, 1 / sqrt(max(fan, 1)), generator)
    if node.kind in RECURRENT:
        names = [ref.name for ref in node.args[2]]
        return _uniform(network, names, 1 / sqrt(network.shape_of(names[1])[1]), generator)
    if node.kind == "prelu":
        return _constant(network, node.args[1].name, 0.25)
    found: dict[str, Tensor] = {}
    if node.kind in NORMS:
        values = zip((*NORMS[node.kind], 3, 4), (1.0, 0.0, 0.0, 1.0), strict=True)
        statistics = node.kind in ("batch_norm", "instance_norm")
        for number, (position, value) in enumerate(values):
            ref = node.arg(position)
            if isinstance(ref, Ref) and (number < 2 or statistics):
                found |= _constant(network, ref.name, value)
    return found


def _uniform(network: Network, names: list[str], bound: float, generator: torch.Generator) -> dict[str, Tensor]:
    found = {}
    for name in names:
        if name in network.trainable:
            old = network.tensors[name]
            found[name] = (2 * torch.rand(old.shape, generator=generator, dtype=old.dtype) - 1) * bound
    return found


def _constant(network: Network, name: str, value: float) -> dict[str, Tensor]:
    return {name: torch.full_like(network.tensors[name], value)} if name in network.tensors else {}


def _alike(old: Tensor, generator: torch.Generator) -> Tensor:
    spread = float(old.std()) if old.numel() > 1 else 0.0
    drawn: Tensor = torch.randn(old.shape, generator=generator, dtype=old.dtype) * spread + old.mean()
    return drawn
