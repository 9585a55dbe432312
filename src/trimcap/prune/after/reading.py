"""Who reads the slices of an axis, and which slices tell a reader nothing about the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trimcap.graph.axes import Axis
from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.layers import WEIGHTED
from trimcap.graph.ops.recurrent import RECURRENT
from trimcap.graph.ops.table import operation_of, runs_over
from trimcap.prune.after.constants import contribution

#: what differs less than this, relative to the largest value, is the same
_SAME = 1e-12


@dataclass(frozen=True, eq=False)
class Read:
    """One operation that sums products over an axis, and what is known of its input (batch of one, NaN = not)."""

    node: Node
    known: Tensor
    labels: Tensor

    @property
    def dimension(self) -> int:
        """Of the input, where the axis is."""
        return self.known.ndim - 1 if self.node.kind == "linear" else 1

    @property
    def channels(self) -> int:
        """Of the result."""
        return int(self.node.shape[-1 if self.node.kind == "linear" else 1])

    def part(self, slices: Sequence[int]) -> Tensor:
        """The input with everything but the constants of some slices at zero."""
        mask = torch.isin(self.labels, torch.tensor(list(slices), dtype=torch.long))
        shape = [-1 if d == self.dimension else 1 for d in range(self.known.ndim)]
        return torch.where(mask.reshape(shape), torch.nan_to_num(self.known), torch.zeros_like(self.known))


@dataclass(frozen=True, eq=False)
class Reading:
    """An axis, the slices that can go, at what place each of the others is needed, and who reads the axis."""

    axis: Axis
    removable: list[int]
    blocked: Mapping[int, str]
    reads: tuple[Read, ...]
    weights: Mapping[str, Tensor]
    columns: Mapping[str, Tensor]

    def added(self, read: Read, slices: Sequence[int]) -> Tensor:
        """What slices add to the result of a reader: (1, channels, *positions) in float64."""
        found = contribution(read.node, read.part(slices), self.weights[read.node.args[1].name])
        return found.movedim(-1, 1) if read.node.kind == "linear" else found

    def uneven(self, slices: Sequence[int]) -> list[Read]:
        """The readers to whose result the slices add something that differs from position to position."""
        found = []
        for read in self.reads:
            added = self.added(read, slices).reshape(1, read.channels, -1)
            if float((added - added[..., :1]).abs().max()) > _SAME * float(added.abs().max()):
                found.append(read)
        return found


def reading_of(network: Network, axis: Axis, known: Mapping[str, Any]) -> Reading:
    """Who reads an axis, and which of its slices are constant (or of no weight) for all of them.

    Parameters
    ----------
    known : of `constants`

    Returns
    -------
    Reading
    """
    blocked: dict[int, str] = {}
    reads = []
    weights: dict[str, Tensor] = {}
    columns: dict[str, Tensor] = {}
    for node in network.nodes:
        labels = _columns(network, node, axis)
        if labels is None:
            free = _elsewhere(network, node, axis, known)
        elif _pairs(network, node, axis):
            free = torch.zeros(axis.size, dtype=torch.bool)
        else:
            name = node.args[1].name
            weights[name], columns[name] = network.tensors[name].double(), labels
            reads.append(_read(network, node, axis, known))
            free = _constant(reads[-1], axis) | _unread(weights[name], labels, axis)
        for number in torch.nonzero(~free).flatten().tolist():
            blocked.setdefault(number, node.where)
    removable = [i for i in range(axis.size) if i not in blocked] if reads else []
    return Reading(axis, removable, blocked, tuple(reads), weights, columns)


def _columns(network: Network, node: Node, axis: Axis) -> Tensor | None:
    """Which slice the columns of a weight read, if a weighted operation sums over the axis."""
    if node.kind not in WEIGHTED or node.args[1].name not in network.tensors:
        return None
    labels = network.axes.labels(network.axes.tensor_dims[node.args[1].name][1], axis.name)
    return labels if bool((labels >= 0).any()) else None


def _pairs(network: Network, node: Node, axis: Axis) -> bool:
    """Whether rows of the input belong to two slices each, as those of a covariance do: none is constant alone."""
    return any(len(network.axes.occurrences(dim, axis.name)) > 1 for dim in network.axes.dims(node.args[0].name))


def _read(network: Network, node: Node, axis: Axis, known: Mapping[str, Any]) -> Read:
    name = node.args[0].name
    shape = network.shape_of(name)
    value = known[name] if name in known else torch.full(shape, torch.nan, dtype=torch.float64)
    dims = network.axes.dims(name)
    return Read(node, value, network.axes.labels(dims[-1] if node.kind == "linear" else dims[1], axis.name))


def _constant(read: Read, axis: Axis) -> Tensor:
    """Slices whose rows of the input are known everywhere."""
    rows = read.known.movedim(read.dimension, 0).flatten(1).isnan().any(1)
    unknown = torch.zeros(axis.size, dtype=torch.bool)
    unknown[read.labels[rows & (read.labels >= 0)]] = True
    return ~unknown


def _unread(weight: Tensor, labels: Tensor, axis: Axis) -> Tensor:
    """Slices that all weights of a reader are zero for."""
    rows = weight.movedim(1, 0).flatten(1).ne(0).any(1)
    read = torch.zeros(axis.size, dtype=torch.bool)
    read[labels[rows & (labels >= 0)]] = True
    return ~read


def _elsewhere(network: Network, node: Node, axis: Axis, known: Mapping[str, Any]) -> Tensor:
    """Slices that an operation without weights of its own does not mind losing.

    What passes the axis on minds nothing; what runs over it (a mean, a norm) or keeps a state of it minds all; a sum
    over it minds what is not zero.
    """
    free = torch.ones(axis.size, dtype=torch.bool)
    having = [name for name in dict.fromkeys(node.inputs) if _has(network, name, axis)]
    if not having or "pick" in operation_of(node.kind).traits:
        return free
    if node.kind in RECURRENT or _runs_over(network, node, axis):
        return torch.zeros_like(free)
    if _has(network, node.name, axis):
        return free
    for name in having:
        for position, dim in enumerate(_dims(network, name)):
            labels = network.axes.labels(dim, axis.name)
            value = known.get(name)
            loud = _loud(value, position) if isinstance(value, Tensor) else torch.ones_like(labels, dtype=torch.bool)
            free[labels[loud & (labels >= 0)]] = False
    return free


def _runs_over(network: Network, node: Node, axis: Axis) -> bool:
    dims = _dims(network, node.inputs[0])
    return any(bool((network.axes.labels(dims[d], axis.name) >= 0).any()) for d in runs_over(node, len(dims)))


def _loud(value: Tensor, position: int) -> Tensor:
    """Rows that are not zero everywhere; NaN is not."""
    return value.movedim(position, 0).flatten(1).ne(0).any(1)


def _has(network: Network, name: str, axis: Axis) -> bool:
    return any(bool((network.axes.labels(dim, axis.name) >= 0).any()) for dim in _dims(network, name))


def _dims(network: Network, name: str) -> list[Any]:
    """Dimensions of a result or tensor; of all results, where there are several."""
    dims = network.axes.tensor_dims.get(name) or network.axes.node_dims[name]
    several = bool(dims) and bool(dims[0]) and isinstance(dims[0][0], tuple)
    return [dim for part in dims for dim in part] if several else list(dims)
