"""Remove slices: index-select every tensor, and let arguments that hold sizes follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from trimcap.graph.axes import Axes
from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.cut import constant_places
from trimcap.graph.ops.table import operation_of
from trimcap.graph.ops.walk import Keep
from trimcap.prune.plan import Plan


def resize(network: Network, plan: Plan) -> Network:
    """The network without the dropped slices, unchecked: for counting costs. Use `shrink` for anything else.

    Returns
    -------
    Network : smaller
    """
    axes = network.axes
    tensors = {name: _select(axes, name, tensor, plan.keep) for name, tensor in network.tensors.items()}
    tensors.update(_renumbered(network, tensors, plan.keep))
    channels = _kept_channels(network, plan.keep)
    return replace(
        network,
        nodes=tuple(_resize(network, node, plan.keep) for node in network.nodes),
        tensors=tensors,
        inputs={n: _kept_shape(axes, axes.tensor_dims[n], plan.keep)[1:] for n in network.inputs},
        channels=channels,
        expects=None if network.expects is None else network.expects.only(channels),
    )


def _select(axes: Axes, name: str, tensor: Tensor, keep: Keep) -> Tensor:
    for position, dim in enumerate(axes.tensor_dims[name]):
        rows = axes.index(dim, keep)
        if len(rows) != tensor.shape[position]:
            tensor = tensor.index_select(position, rows)
    return tensor.clone()


def _renumbered(network: Network, tensors: Mapping[str, Tensor], keep: Keep) -> dict[str, Tensor]:
    """Constant lists of places, by the places that the slices have after others are gone."""
    found = {}
    for node in network.nodes:
        places = constant_places(network, node) if node.kind in ("index", "index_select") else None
        if places is not None:
            along, ref = places
            kept = network.axes.index(network.axes.dims(node.args[0].name)[along], keep)
            old = tensors[ref.name] % network.shape_of(node.args[0].name)[along]
            found[ref.name] = torch.searchsorted(kept, old)
    return found


def _kept_shape(axes: Axes, dims: Any, keep: Keep) -> tuple[int, ...]:
    return tuple(len(axes.index(dim, keep)) for dim in dims)


def _resize(network: Network, node: Node, keep: Keep) -> Node:
    """The node with its shape and every argument that holds a size adapted."""
    axes = network.axes
    dims = axes.node_dims[node.name]
    if not node.shape:
        return node
    several = isinstance(node.shape[0], tuple)
    shapes = tuple(_kept_shape(axes, d, keep) for d in (dims if several else (dims,)))
    sizes = operation_of(node.kind).sizes
    changed = sizes(network, node, shapes[0], keep) if sizes is not None else node
    return replace(changed, shape=shapes if several else shapes[0])


def _kept_channels(network: Network, keep: Keep) -> tuple[str, ...]:
    """The names of the electrodes that stay; they may be a product of axes, if the network reads them in groups."""
    if not network.channels or network.dimensions[:1] != ("electrodes",):
        return network.channels
    rows = network.axes.index(network.axes.dims(next(iter(network.inputs)))[1], keep)
    return tuple(network.channels[i] for i in rows.tolist())
