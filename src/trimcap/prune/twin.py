"""The masked twin: the whole network, in which whatever reads a dropped slice does not see it.

It shares no code path with the removal of slices: `resize` drops the rows that *make* slices and the columns that read
them; the twin keeps all of them and masks only where they are *read*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from trimcap.graph.network import Network, Node, Ref, map_refs
from trimcap.graph.ops.mix import reduced
from trimcap.graph.ops.products import FACTORS
from trimcap.graph.ops.recurrent import RECURRENT
from trimcap.prune.absent import ABSENT, runs_over
from trimcap.prune.plan import Plan

#: (tensor or result, function from its rank to its dimensions that an operation reads and sums over)
Reader = tuple[str, Callable[[int], Sequence[int]]]


def silence(network: Network, plan: Plan) -> Network:
    """The masked twin: the same shapes, but whatever reads a dropped slice multiplies it by zero.

    Only *reading* dimensions are masked: input channels of convolutions and linear layers, electrode kernels, inputs
    and states of recurrent layers, contracted dimensions of products. What runs over an axis (a mean, a layer norm,
    a softmax) runs over the slices that are kept (`absent`). A weight that the network computes is multiplied by a
    mask where it is read.

    Parameters
    ----------
    network : traced network; not changed
    plan : for this network

    Returns
    -------
    Network : of the same shape and size
    """
    tensors = {name: tensor.clone() for name, tensor in network.tensors.items()}
    nodes: list[Node] = []
    for node in network.nodes:
        form = ABSENT.get(node.kind)
        if form is not None:
            mask = _mask(network, node.inputs[0], runs_over(network, node), plan)
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


def readers(node: Node) -> list[Reader]:
    """What an operation reads by summing over it: weights where it has some, else its input.

    Parameters
    ----------
    node : one operation

    Returns
    -------
    list of (name, function from its rank to its dimensions)
    """
    if node.kind in ("conv1d", "conv2d", "conv3d", "linear"):
        return [(node.args[1].name, lambda rank: range(1, rank))]
    if node.kind.startswith("conv_transpose"):
        return [(node.args[0].name, lambda _: [1])]
    if node.kind in RECURRENT:
        return [(ref.name, lambda rank: [1] if rank == 2 else []) for ref in node.args[2]]
    if node.kind in FACTORS:
        return [(node.args[FACTORS[node.kind]].name, lambda rank: [rank - 1])]
    if node.kind == "scaled_dot_product_attention":
        return [(node.args[0].name, lambda rank: [rank - 1])]
    if node.kind == "einsum":
        return _einsum_readers(node)
    if node.kind in ("sum", "linalg_vector_norm"):
        return [(node.inputs[0], lambda rank: sorted(reduced(node, rank)))]
    return []


def _einsum_readers(node: Node) -> list[Reader]:
    """Each letter that the result lacks is read from the first operand that has it."""
    operands, _, result = node.args[0].replace(" ", "").partition("->")
    seen = set(result)
    found: list[Reader] = []
    for ref, operand in zip(node.args[1], operands.split(","), strict=True):
        summed = [letter for letter in operand.replace(".", "") if letter not in seen]
        seen.update(summed)
        if summed:
            found.append((ref.name, partial(_places, operand, summed)))
    return found


def _places(operand: str, letters: Sequence[str], rank: int) -> list[int]:
    """Dimensions of some letters; those after dots are counted from the last."""
    before, _, after = operand.partition("...")
    at = {letter: i for i, letter in enumerate(before)}
    at |= {letter: rank - len(after) + i for i, letter in enumerate(after)}
    return [at[letter] for letter in letters]
