"""Gates: one factor per slice of an axis, wherever the slice is read.

A gate g_j multiplies slice j in everything that reads it: all 1 is the network itself, 0 is the network without the
slice (the masked twin of `shrink`). What runs over an axis (a mean, a norm, a softmax) weighs its slices with their
gates. From this one mechanism come the gradient of a slice (Taylor), the squared gradient per window (Fisher), the
flow through it (SynFlow) and the true loss without it (the oracle), on filters, neurons, hidden units, depth
multipliers and electrodes alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from trimcap._errors import PlanError
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref, map_refs
from trimcap.graph.ops.atoms import flat
from trimcap.graph.ops.layers import CONVOLUTIONS
from trimcap.graph.ops.recurrent import RECURRENT
from trimcap.graph.ops.table import readers, runs_over
from trimcap.prune.absent import ABSENT


@dataclass(frozen=True)
class Site:
    """Where an operation reads an axis.

    Parameters
    ----------
    node : the operation
    source : what is multiplied: a result that it reads, or a weight where that never leaves the operation (the hidden
        states of a recurrent layer)
    position : dimension of `source` that holds the axis
    labels : for every row of it the slice it belongs to, or −1
    """

    node: Node
    source: str
    position: int
    labels: Tensor


def sites(network: Network, axis: Axis) -> list[Site]:
    """Everything that reads an axis.

    Raises
    ------
    PlanError : nothing reads it
    """
    found = [site for node in network.nodes for site in _sites(network, node, axis.name)]
    if not found:
        raise PlanError(f"nothing in {network.origin} reads the slices of axis '{axis.name}'; leave it out (axes=)")
    return found


def _sites(network: Network, node: Node, axis: str) -> list[Site]:
    places = dict.fromkeys(_read(network, node, axis))
    return [
        Site(node, source, position, labels)
        for source, position in places
        for labels in network.axes.occurrences(network.axes.dims(source)[position], axis)
    ]


def _read(network: Network, node: Node, axis: str) -> Iterator[tuple[str, int]]:
    """(result or weight, dimension) that an operation reads the axis from."""
    if node.kind in ABSENT:
        name = node.inputs[0]
        over = runs_over(node, len(network.shape_of(name)))
        yield from ((name, position) for position in over if _on(network, name, position, axis))
        return
    for name, positions in readers(node):
        for position in positions(len(network.shape_of(name))):
            if _on(network, name, position, axis):
                yield _source(network, node, name, position)


def _source(network: Network, node: Node, name: str, position: int) -> tuple[str, int]:
    """What a reading dimension of a weight is multiplied with: the input of the operation, where it can be had."""
    source = node.args[0].name if isinstance(node.args[0], Ref) else ""
    if node.kind in CONVOLUTIONS:
        return source, position
    last = len(network.shape_of(source)) - 1 if source else 0
    if node.kind == "linear":
        return source, last
    if node.kind in RECURRENT and flat(network.axes.dims(source)[last]) == flat(network.axes.dims(name)[position]):
        return source, last
    return name, position


def _on(network: Network, name: str, position: int, axis: str) -> bool:
    return bool((network.axes.labels(network.axes.dims(name)[position], axis) >= 0).any())


def gate_name(axis: str) -> str:
    """Name of the input of a gated network that takes the gates of an axis."""
    return f"gates of {axis}"


def gated(network: Network, axes: Sequence[Axis]) -> Network:
    """The network with one more input per axis: its gates, (1 or n, size + 1), the last column all ones.

    `gated(network, axes).module().run(x, *gates)`: gates (1, …) hold for all windows, gates (n, …) are each window's
    own, where every operation that reads the axis has windows along its first dimension.
    """
    tensors: dict[str, Tensor] = dict(network.tensors)
    found: dict[str, list[tuple[Axis, Site]]] = {}
    for axis in axes:
        for site in sites(network, axis):
            found.setdefault(site.node.name, []).append((axis, site))
    nodes: list[Node] = []
    for node in network.nodes:
        nodes += _with_gates(network, node, found[node.name], tensors) if node.name in found else [node]
    gates = {gate_name(axis.name): (axis.size + 1,) for axis in axes}
    return replace(network, nodes=tuple(nodes), tensors=tensors, inputs={**network.inputs, **gates}, constraints=())


def _with_gates(
    network: Network, node: Node, found: Sequence[tuple[Axis, Site]], tensors: dict[str, Tensor]
) -> list[Node]:
    """The operation with everything that comes before it: factors from gates, and what they multiply."""
    steps: list[Node] = []
    factors: dict[str, list[str]] = {}
    for number, (axis, site) in enumerate(found):
        mark = f"{node.name} gate {number}"
        tensors[f"{mark} rows"] = torch.where(site.labels < 0, axis.size, site.labels)
        steps += _factor(network, axis, site, mark)
        factors.setdefault(site.source, []).append(steps[-1].name)
    form = ABSENT.get(node.kind)
    if form is not None:
        (names,) = factors.values()
        for other in names[1:]:
            steps.append(Node(f"{other} and", "aten.mul.Tensor", (Ref(names[0]), Ref(other)), {}, ()))
            names[0] = steps[-1].name
        return [*steps, *form(network, node, names[0])]
    for source, names in factors.items():
        now = source
        for name in names:
            product = f"{name} times {source}"
            steps.append(Node(product, "aten.mul.Tensor", (Ref(now), Ref(name)), {}, network.shape_of(source)))
            now = product
        node = replace(node, args=_first_replaced(node.args, source, now))
    return [*steps, node]


def _factor(network: Network, axis: Axis, site: Site, mark: str) -> list[Node]:
    """The gates as a tensor that multiplies the source."""
    rows, rank = len(site.labels), len(network.shape_of(site.source))
    sizes = [1] * rank
    sizes[site.position] = rows
    if site.source not in network.tensors and site.position:
        sizes[0] = -1  # windows
    shape = tuple(1 if s == -1 else s for s in sizes)
    pick = (Ref(gate_name(axis.name)), 1, Ref(f"{mark} rows"))
    return [
        Node(f"{mark} picked", "aten.index_select.default", pick, {}, (1, rows)),
        Node(mark, "aten.reshape.default", (Ref(f"{mark} picked"), tuple(sizes)), {}, shape),
    ]


def _first_replaced(args: Any, old: str, new: str) -> Any:
    """Only where the operand first stands: in x·xᵀ a slice has one gate, not two."""
    waiting = [new]
    return map_refs(args, lambda name: Ref(waiting.pop() if name == old and waiting else name))


def downstream(network: Network, axis: Axis) -> Network:
    """What has to be computed anew when gates of an axis change; its inputs are the gates and results before them.

    `part.module().run(gates, *(results[name] for name in list(part.inputs)[1:]))`, the results being those of
    `network.module().run(x, keep=True)`.
    """
    whole = gated(network, [axis])
    gate = gate_name(axis.name)
    touched = {gate}
    for node in whole.nodes:
        if touched & set(node.inputs) or node.name not in network.node:
            touched.add(node.name)
    nodes = [node for node in whole.nodes if node.name in touched]
    needed = dict.fromkeys(name for node in nodes for name in node.inputs if name not in touched)
    inputs: dict[str, Any] = {gate: (axis.size + 1,)}
    inputs.update({name: () for name in needed if name not in whole.tensors})
    tensors = {name: whole.tensors[name] for name in needed if name in whole.tensors}
    trainable = whole.trainable & frozenset(tensors)
    return replace(whole, nodes=tuple(nodes), tensors=tensors, inputs=inputs, trainable=trainable)


def open_gates(axis: Axis, n: int = 1, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Gates that change nothing, (n, size + 1)."""
    return torch.ones(n, axis.size + 1, dtype=dtype)


def closed(axis: Axis, slices: Sequence[int], *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Gates that silence some slices, (1, size + 1)."""
    gates = open_gates(axis, dtype=dtype)
    gates[:, list(slices)] = 0
    return gates
