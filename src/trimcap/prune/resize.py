"""Remove slices: index-select every tensor, and let arguments that hold sizes follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from trimcap._errors import PlanError
from trimcap.graph.axes import Axes
from trimcap.graph.network import Network, Node
from trimcap.graph.ops.cut import bounds, constant_places, dimension_of
from trimcap.graph.ops.walk import Walk
from trimcap.prune.plan import Plan

Keep = Mapping[str, tuple[int, ...]]
#: operations whose argument at this position holds the sizes of the result
_SIZES = {
    **dict.fromkeys(("reshape", "expand", "new_zeros", "new_ones", "new_full", "new_empty"), 1),
    **dict.fromkeys(("zeros", "ones", "full", "empty"), 0),
}


def resize(network: Network, plan: Plan) -> Network:
    """The network without the dropped slices, unchecked: for counting costs. Use `shrink` for anything else.

    Parameters
    ----------
    network : traced network; not changed
    plan : for this network

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
        places = constant_places(Walk(network, network.axes.node_dims), node) if _indexes(node) else None
        if places is not None:
            along, ref = places
            kept = network.axes.index(network.axes.dims(node.args[0].name)[along], keep)
            old = tensors[ref.name] % network.shape_of(node.args[0].name)[along]
            found[ref.name] = torch.searchsorted(kept, old)
    return found


def _indexes(node: Node) -> bool:
    return node.kind in ("index", "index_select")


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
    changed = _new_arguments(network, node, shapes[0], keep)
    return replace(changed, shape=shapes if several else shapes[0])


def _new_arguments(network: Network, node: Node, shape: tuple[int, ...], keep: Keep) -> Node:
    axes, args = network.axes, node.args
    if node.kind in _SIZES:
        at = _SIZES[node.kind]
        args = (*args[:at], _new_sizes(node, args[at], shape), *args[at + 1 :])
    elif node.kind.startswith("adaptive_"):
        args = (args[0], shape[-int(node.kind[-2]) :], *args[2:])
    elif node.kind.startswith("conv") and node.arg(6, 1) not in (1, None):
        args = (*args[:6], _groups(axes, node.args[0].name, node.args[6], keep), *args[7:])
    elif node.kind == "group_norm":
        args = (args[0], _groups(axes, args[0].name, args[1], keep), *args[2:])
    elif node.kind in ("layer_norm", "rms_norm"):
        args = (args[0], shape[-len(args[1]) :], *args[2:])
    elif node.kind in ("chunk", "split", "split_with_sizes"):
        return _split_where_it_was(axes, node, keep)
    elif node.kind in ("slice", "narrow", "select"):
        args = _cut_where_it_was(network, node, keep)
    elif node.kind == "scaled_dot_product_attention":
        return _same_scale(axes, node, keep)
    return replace(node, args=args)


def _new_sizes(node: Node, sizes: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Sizes of a result: −1 and batch-dependent entries stay, numbers follow the axes."""
    new = []
    for old, before, after in zip(sizes, node.shape, shape, strict=True):
        if before == after:
            new.append(old)
        elif isinstance(old, int):
            new.append(old if old == -1 else after)
        else:
            raise PlanError(f"cannot prune at {node.where}: a size there depends on the batch and on the axis")
    return tuple(new)


def _groups(axes: Axes, name: str, groups: int, keep: Keep) -> int:
    """How many groups of channels still have channels."""
    dim = axes.dims(name)[1]
    each = len(axes.index(dim, {})) // groups
    return len(set((axes.index(dim, keep) // each).tolist()))


def _split_where_it_was(axes: Axes, node: Node, keep: Keep) -> Node:
    """A split into equal pieces may be one into unequal pieces now."""
    along = dimension_of(node, len(axes.dims(node.args[0].name)))
    sizes = tuple(len(axes.index(dims[along], keep)) for dims in axes.node_dims[node.name])
    if sizes == tuple(shape[along] for shape in node.shape):
        return node
    return replace(node, op="aten.split_with_sizes.default", args=(node.args[0], sizes, along), kwargs={})


def _cut_where_it_was(network: Network, node: Node, keep: Keep) -> tuple[Any, ...]:
    dims = network.axes.dims(node.args[0].name)
    along = dimension_of(node, len(dims))
    size = network.shape_of(node.args[0].name)[along]
    rows = network.axes.index(dims[along], keep)
    found = bounds(node, size)
    if len(rows) == size or found is None:
        return node.args
    start, end = (int((rows < edge).sum()) for edge in found)
    if node.kind == "select":
        return (*node.args[:1], along, start)
    return (*node.args[:1], along, start, end if node.kind == "slice" else end - start)


def _same_scale(axes: Axes, node: Node, keep: Keep) -> Node:
    """Attention divides by √(number of features) unless it is told: it is told the number there was."""
    features = axes.dims(node.args[0].name)[-1]
    size = len(axes.index(features, {}))
    if node.kwargs.get("scale") is not None or len(axes.index(features, keep)) == size:
        return node
    return replace(node, kwargs={**node.kwargs, "scale": size**-0.5})


def _kept_channels(network: Network, keep: Keep) -> tuple[str, ...]:
    """The names of the electrodes that stay; they may be a product of axes, if the network reads them in groups."""
    if not network.channels or network.dimensions[:1] != ("electrodes",):
        return network.channels
    rows = network.axes.index(network.axes.dims(next(iter(network.inputs)))[1], keep)
    return tuple(network.channels[i] for i in rows.tolist())
