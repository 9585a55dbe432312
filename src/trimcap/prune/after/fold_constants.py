"""How constants get into the operations that read them: a bias, other slices' weights, or a map of all positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref, map_refs
from trimcap.prune.after.reading import Read, Reading


@dataclass(frozen=True, eq=False)
class Carriers:
    """Constant slices that stay for others: c_j = Σ_d factors[j, d]·c_d at all `readers` (names of nodes)."""

    numbers: tuple[int, ...]
    others: tuple[int, ...]
    factors: Tensor
    readers: frozenset[str]


def carriers_of(network: Network, reading: Reading, slices: Sequence[int]) -> Carriers | None:
    """The fewest of some slices whose constants, at all uneven readers, all others are sums of.

    None where weights of a reader can't be changed: they are bounded, used twice, or of groups. One slice is enough
    for constants that zero padding cuts at the borders.
    """
    uneven = reading.uneven(slices)
    for read in uneven:
        name = read.node.args[1].name
        bounded = any(rule.tensor == name and rule.kind == "max_norm" for rule in network.constraints)
        if bounded or len(network.users[name]) > 1 or read.node.arg(6, 1) not in (1, None):
            return None
    values = torch.stack([torch.cat([_values(read, i) for read in uneven]) for i in slices])
    order, rank = _independent(values)
    numbers, others = [slices[i] for i in order[:rank]], [slices[i] for i in order[rank:]]
    factors = _factors(values[order[:rank]], values[order[rank:]])
    return Carriers(tuple(numbers), tuple(others), factors, frozenset(read.node.name for read in uneven))


def _values(read: Read, number: int) -> Tensor:
    return read.known.movedim(read.dimension, 0).flatten(1)[read.labels == number].flatten()


def _factors(chosen: Tensor, rest: Tensor) -> Tensor:
    """F with rest = F·chosen."""
    from scipy.linalg import lstsq

    if not len(rest):
        return rest.new_zeros(0, len(chosen))
    return torch.from_numpy(lstsq(chosen.numpy().T, rest.numpy().T)[0].T.copy())


def _independent(rows: Tensor) -> tuple[list[int], int]:
    """Rows from the most independent to the least, and how many are so; by QR with pivots."""
    from scipy.linalg import qr

    triangle, order = qr(rows.numpy().T, mode="r", pivoting=True)
    steps = abs(triangle.diagonal())
    return order.tolist(), int((steps > 1e-10 * max(float(steps[0]), 1e-300)).sum())


# ---- into the reader ----


def folded(
    network: Network, reading: Reading, gone: Sequence[int], *, carriers: Carriers | None = None, maps: bool = False
) -> Network:
    """The network in which nobody reads the slices `gone`, and readers add their constants by themselves."""
    uneven = {read.node.name for read in reading.uneven(gone)} if maps else set()
    for read in reading.reads:
        if read.node.name in uneven:
            network = _with_map(network, read, reading.added(read, gone))
            continue
        moved: set[int] = set()
        if carriers is not None and read.node.name in carriers.readers:
            network = _carried(network, reading, read.node.args[1].name, carriers)
            moved = set(carriers.others)
        rest = [i for i in gone if i not in moved]
        network = _with_bias(network, read.node, _interior(reading.added(read, rest)))
    for name, labels in reading.columns.items():
        network = _blind(network, name, labels, gone)
    return network


def _interior(added: Tensor) -> Tensor:
    """The value in the middle, per channel."""
    middle: tuple[int | slice, ...] = (0, slice(None), *(size // 2 for size in added.shape[2:]))
    return added[middle]


def _carried(network: Network, reading: Reading, name: str, carriers: Carriers) -> Network:
    """w_d ← w_d + Σ_j factors[j, d]·w_j for every carrier d and the others j."""
    labels, old = reading.columns[name], network.tensors[name]
    weight = old.double().movedim(1, 0).clone()
    for j, other in enumerate(carriers.others):
        for d, number in enumerate(carriers.numbers):
            weight[labels == number] += carriers.factors[j, d] * weight[labels == other]
    changed = weight.movedim(0, 1).to(old.dtype).contiguous()
    return replace(network, tensors={**network.tensors, name: changed})


def _with_bias(network: Network, node: Node, extra: Tensor) -> Network:
    """The node with `extra` on its bias: a new one if it has none, or one that others use too."""
    if not bool(extra.ne(0).any()):
        return network
    weight, old = node.args[1].name, node.arg(2)
    value = extra if old is None else extra + network.tensors[old.name].double()
    own = old is not None and len(network.users[old.name]) == 1
    owner = weight.rpartition(".")[0] or node.name
    name = old.name if own else _free_name(network, f"{owner}.bias")
    changed = replace(node, args=(*node.args[:2], Ref(name), *node.args[3:]))
    nodes = tuple(changed if n.name == node.name else n for n in network.nodes)
    return _with_tensor(replace(network, nodes=nodes), name, value, like=weight)


def _with_map(network: Network, read: Read, added: Tensor) -> Network:
    """The node followed by the addition of a tensor of its shape."""
    node, result = read.node, f"{read.node.name}_border"
    value = added.movedim(1, -1) if node.kind == "linear" else added
    if result in network.node:  # of another axis, added before
        name = network.node[result].args[1].name
        return _with_tensor(network, name, network.tensors[name].double() + value, like=name)
    name = _free_name(network, f"{node.args[1].name.rpartition('.')[0] or node.name}.border")
    step = Node(result, "aten.add.Tensor", (Ref(node.name), Ref(name)), {}, node.shape, node.layer)
    instead = partial(_renamed, node.name, result)
    nodes: list[Node] = []
    for each in network.nodes:
        kwargs = {k: map_refs(v, instead) for k, v in each.kwargs.items()}
        nodes.append(replace(each, args=map_refs(each.args, instead), kwargs=kwargs))
        if each.name == node.name:
            nodes.append(step)
    output = result if network.output == node.name else network.output
    return _with_tensor(replace(network, nodes=tuple(nodes), output=output), name, value, like=node.args[1].name)


def _renamed(old: str, new: str, name: str) -> Ref:
    return Ref(new if name == old else name)


def _with_tensor(network: Network, name: str, value: Tensor, *, like: str) -> Network:
    """The network with a tensor of the type of another, trained if that is."""
    tensors = {**network.tensors, name: value.to(network.tensors[like].dtype).contiguous()}
    trainable = network.trainable | ({name} if like in network.trainable else set())
    return replace(network, tensors=tensors, trainable=trainable)


def _blind(network: Network, name: str, labels: Tensor, gone: Sequence[int]) -> Network:
    """The network in which a weight is zero wherever it reads the slices."""
    weight = network.tensors[name].clone()
    weight.movedim(1, 0)[torch.isin(labels, torch.tensor(list(gone), dtype=torch.long))] = 0.0
    return replace(network, tensors={**network.tensors, name: weight})


def _free_name(network: Network, name: str) -> str:
    number, free = 2, name
    while free in network.tensors:
        free, number = f"{name}_{number}", number + 1
    return free
