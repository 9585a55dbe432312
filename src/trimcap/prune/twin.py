"""The masked twin: the whole network, in which whatever reads a dropped slice does not see it.

It shares no code path with the removal of slices: `resize` drops the rows that *make* slices and the columns that read
them; the twin keeps all of them and masks only where they are *read*.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref, map_refs
from trimcap.graph.ops.table import readers, runs_over
from trimcap.prune.absent import ABSENT
from trimcap.prune.plan import Plan


def silence(network: Network, plan: Plan) -> Network:
    """The masked twin: the same shapes, but whatever reads a dropped slice multiplies it by zero.

    Only *reading* dimensions are masked: input channels of convolutions and linear layers, electrode kernels, inputs
    and states of recurrent layers, contracted dimensions of products. What runs over an axis (a mean, a layer norm,
    a softmax) runs over the slices that are kept (`absent`). A weight that the network computes is multiplied by a
    mask where it is read.

    Returns
    -------
    Network : of the same shape and size

    Shared parameters: `trimcap.prune`.
    """
    tensors = {name: tensor.clone() for name, tensor in network.tensors.items()}
    nodes: list[Node] = []
    for node in network.nodes:
        form = ABSENT.get(node.kind)
        if form is not None:
            mask = _mask(network, node.inputs[0], runs_over(node, len(network.shape_of(node.inputs[0]))), plan)
            name = f"{node.name} left"
            tensors |= {} if mask.all() else {name: mask.double()}
            nodes += [node] if mask.all() else form(network, node, name)
            continue
        for number, (name, positions) in enumerate(readers(node)):
            mask = _mask(network, name, positions(len(network.shape_of(name))), plan)
            if mask.all():
                continue
            if name in tensors:
                tensors[name][~mask.expand_as(tensors[name])] = 0.0
            else:
                steps, node = _masked(network, node, name, f"{node.name} masked {number}")
                tensors[f"{steps.name} mask"] = mask.double()
                nodes.append(steps)
        nodes.append(node)
    return replace(network, nodes=tuple(nodes), tensors=tensors)


def _masked(network: Network, node: Node, name: str, masked: str) -> tuple[Node, Node]:
    """The product of a result and its mask, and the operation that reads it in place of the result."""

    def instead(old: str) -> Ref:
        return Ref(masked if old == name else old)

    step = Node(masked, "aten.mul.Tensor", (Ref(name), Ref(f"{masked} mask")), {}, network.shape_of(name))
    return step, replace(node, args=map_refs(node.args, instead))


def _mask(network: Network, name: str, positions: Iterable[int], plan: Plan) -> Tensor:
    """Which entries of a tensor are read from slices that stay; broadcasts to its shape."""
    shape = network.shape_of(name)
    mask = torch.ones([1] * len(shape), dtype=torch.bool)
    for position in positions:
        kept = torch.zeros(shape[position], dtype=torch.bool)
        kept[network.axes.index(network.axes.dims(name)[position], plan.keep)] = True
        mask = mask & kept.reshape([-1 if d == position else 1 for d in range(len(shape))])
    return mask
