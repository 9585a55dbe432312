"""What the filters of an axis are, in the terms of EEG: a time course, a scalp map, or a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimcap.graph.axes import Axis
from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.atoms import flat
from trimcap.prune.saliency.scores import Scores, by_slice, makers_of

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bank:
    """Filters of one layer.

    Parameters
    ----------
    layer : name of the weights
    values : (n_filters, n_times) or (n_filters, n_electrodes)
    slices : of every filter the slice of the axis it belongs to, (n_filters,)
    share : mean share of the energy of the weights that `values` holds: 1 unless the filters mix what they read
    """

    layer: str
    values: Values
    slices: NDArray[np.int64]
    share: float


def ranked(scores: Scores, axis: str) -> list[int]:
    """Slices in the order in which they are pruned."""
    return [int(j) for j in np.argsort(scores.values[axis], kind="stable")]


def temporal(network: Network, axis: Axis) -> list[Bank]:
    """Filters that run over the time of the input; of filters over several inputs the first singular vector."""
    found = []
    for tensor in _row_tensors(axis, network):
        node = _convolution(network, tensor)
        if node is not None and network.shape_of(tensor)[-1] > 1 and _over_time(network, node):
            found.append(_bank(network, axis, tensor, len(network.shape_of(tensor)) - 1))
    return found


def spatial(network: Network, axis: Axis) -> list[Bank]:
    """Filters over all electrodes of the input; of filters over time or several inputs the first singular vector."""
    if "electrodes" not in network.axes.axes:
        return []
    members = dict(network.axes["electrodes"].members)
    n = network.axes["electrodes"].size
    whole = [t for t in _row_tensors(axis, network) if members.get(t, 0) > 0 and network.shape_of(t)[members[t]] == n]
    return [_bank(network, axis, tensor, members[tensor]) for tensor in whole]


def kernels(network: Network, axis: Axis) -> Values | None:
    """Sum over its inputs of each filter's kernel, (n_slices, height, width); None where no layer has kernels."""
    for tensor, position in makers_of(network, axis):
        shape = network.shape_of(tensor)
        if position == 0 and len(shape) in (3, 4) and max(shape[2:]) > 1 and _convolution(network, tensor) is not None:
            weight = network.tensors[tensor].double().sum(1).numpy().reshape(shape[0], -1, shape[-1])
            labels = network.axes.labels(network.axes.tensor_dims[tensor][0], axis.name).numpy()
            return np.stack([weight[labels == j].mean(0) for j in range(axis.size)])
    return None


def negative_share(network: Network, axis: Axis) -> Values:
    """Number of negative weights of each slice over all its weights, in all layers that make it, (n_slices,)."""
    negative, total = np.zeros(axis.size), np.zeros(axis.size)
    for tensor, position in makers_of(network, axis):
        sign = (network.tensors[tensor] < 0).double()
        negative += by_slice(network, axis, sign, tensor, position).sum(1)
        total += by_slice(network, axis, sign * 0 + 1, tensor, position).sum(1)
    return np.asarray(negative / np.maximum(total, 1))


def shown(order: Sequence[int], most: int) -> tuple[list[int], int]:
    """At most so many slices of a ranking, from both ends, and how many in the middle are left out."""
    if len(order) <= most:
        return list(order), 0
    first = most // 2
    return [*order[:first], *order[first - most :]], len(order) - most


def _row_tensors(axis: Axis, network: Network) -> list[str]:
    return [t for t, position in axis.members if position == 0 and len(network.shape_of(t)) >= 2]


def _convolution(network: Network, tensor: str) -> Node | None:
    users = [n for n in network.users.get(tensor, ()) if n.kind in ("conv1d", "conv2d") and n.args[1].name == tensor]
    return users[0] if users else None


def _over_time(network: Network, node: Node) -> bool:
    """Whether the last dimension that a convolution reads is the time of the input, sample by sample."""
    if "times" not in network.dimensions:
        return False
    time = network.axes.tensor_dims[next(iter(network.inputs))][1 + network.dimensions.index("times")]
    return flat(network.axes.dims(node.args[0].name)[-1]) == flat(time)


def _bank(network: Network, axis: Axis, tensor: str, position: int) -> Bank:
    weight = network.tensors[tensor].double().movedim(position, 1).flatten(2).numpy()
    labels = network.axes.labels(network.axes.tensor_dims[tensor][0], axis.name).numpy()
    rows = np.flatnonzero(labels >= 0)
    made = [_first(matrix) for matrix in weight[rows]]
    share = float(np.mean([part for _, part in made]))
    return Bank(tensor, np.stack([values for values, _ in made]), labels[rows], share)


def _first(matrix: Values) -> tuple[Values, float]:
    """Of (n, m) the column, or the first left singular vector times its value, and its share of the energy."""
    if matrix.shape[1] == 1:
        return matrix[:, 0], 1.0
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    sign = np.sign(u[np.abs(u[:, 0]).argmax(), 0]) or 1.0
    return sign * u[:, 0] * s[0], float(s[0] ** 2 / max((s**2).sum(), 1e-300))
