"""Feature maps: what the slices of an axis are on given windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimcap._errors import PlanError
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.table import ELEMENTWISE
from trimcap.prune.saliency.gates import sites
from trimcap.prune.saliency.scores import is_layer, makers_of
from trimcap.prune.samples import Sample

Values = NDArray[np.float64]
#: maps of one axis on a batch (n, slices, …) → numbers per window and slice, (n, slices) or (n, slices, several)
MapFunction = Callable[[Tensor], Tensor]


def maps_of(network: Network, axis: Axis) -> list[str]:
    """Names of the results that hold an axis' maps.

    Of a filter or neuron: what the layer makes, after the batch norm and the activation that directly follow. Of an
    input axis: the input. Of anything else (weights that are computed, hidden states): what is read.

    Returns
    -------
    list of names of nodes or inputs, at least one

    Raises
    ------
    PlanError : the slices never leave one operation
    """
    if axis.kind == "input":
        return [name for name in network.inputs if _position(network, name, axis) is not None]
    made = [
        _activated(network, node)
        for tensor, position in makers_of(network, axis)
        for node in network.users.get(tensor, ())
        if position == 0 and is_layer(node) and node.args[1].name == tensor
    ]
    made = [name for name in made if _position(network, name, axis) is not None]
    found = made or [site.source for site in sites(network, axis) if site.source not in network.tensors]
    if not found:
        raise PlanError(f"axis '{axis.name}' of {network.origin} has no maps: its slices stay inside one operation")
    return list(dict.fromkeys(found))


def _activated(network: Network, node: Node) -> str:
    """The result after the batch norm and the activation that alone read a layer's."""
    while True:
        users = network.users.get(node.name, ())
        if len(users) != 1 or not _keeps_maps(users[0]):
            return node.name
        node = users[0]


def _keeps_maps(node: Node) -> bool:
    if node.kind in ("batch_norm", "instance_norm", "prelu"):
        return True
    return node.kind in ELEMENTWISE and len(set(node.inputs)) == 1


def _position(network: Network, name: str, axis: Axis) -> int | None:
    """The dimension of a result that holds the axis."""
    for position, dim in enumerate(network.axes.dims(name)):
        if (network.axes.labels(dim, axis.name) >= 0).any():
            return position
    return None


def map_shape(network: Network, axis: Axis, name: str) -> tuple[int, ...]:
    """Sizes of one map, without dimensions of size 1."""
    position = _position(network, name, axis)
    assert position is not None  # `maps_of` has looked
    shape = network.shape_of(name)
    per_slice = shape[position] // axis.size
    rest = [s for i, s in enumerate(shape) if i not in (0, position)]
    return tuple(s for s in (per_slice, *rest) if s > 1)


def averages(network: Network, axes: Sequence[Axis], data: Sample, function: MapFunction) -> dict[str, list[Values]]:
    """Axis → for each layer that makes it the mean of `function` over the windows, (slices, …) float64."""
    module = replace(network, constraints=()).module()
    names = {axis.name: maps_of(network, axis) for axis in axes}
    totals: dict[tuple[str, str], Values] = {}
    counts: dict[tuple[str, str], int] = {}
    for x, _ in data.batches():
        with torch.no_grad():
            results = module.run(x, keep=True)
            for axis in axes:
                for name in names[axis.name]:
                    found = function(_by_slice(network, axis, name, results[name]).double())
                    key = (axis.name, name)
                    totals[key] = totals.get(key, 0) + found.sum(0).numpy()
                    counts[key] = counts.get(key, 0) + len(found)
    return {axis: [totals[axis, name] / counts[axis, name] for name in own] for axis, own in names.items()}


def _by_slice(network: Network, axis: Axis, name: str, result: Tensor) -> Tensor:
    """(n, slices, …): rows of one slice that lie apart (a depth multiplier) become a dimension after the slices."""
    position = _position(network, name, axis)
    assert position is not None
    labels = torch.stack(network.axes.occurrences(network.axes.dims(name)[position], axis.name))
    rows = [torch.nonzero((labels == number).any(0)).flatten() for number in range(axis.size)]
    picked = torch.stack([result.index_select(position, row) for row in rows])
    return picked.movedim(position + 1, 1).movedim(2 if position else 1, 0) if position else picked.movedim(1, 0)


def combined(layers: Sequence[Values]) -> Values:
    """One layer's scores as they are; several divided by their mean and averaged."""
    if len(layers) == 1:
        return layers[0]
    return np.asarray(np.mean([v / max(float(np.abs(v).mean()), 1e-30) for v in layers], axis=0))
