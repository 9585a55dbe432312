"""Remove slices for real, and prove against the masked twin that nothing else changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from trimcap._errors import PlanError
from trimcap.graph.axes import Axes
from trimcap.graph.network import Network, Node, Ref, map_refs, need_network
from trimcap.prune.plan import Plan, make_plan


def shrink(network: Network, plan: Plan, *, tolerance: float = 1e-9) -> Network:
    """The network without the slices that the plan drops.

    Every tensor dimension that contains a pruned axis is index-selected; operation arguments that hold sizes
    (groups, reshapes) follow. The result is compared, in float64 on random input, with the masked twin
    (`silence`), in which the dropped slices still exist but whatever reads them multiplies them by zero.

    Parameters
    ----------
    network : the network; not changed
    plan : for this network
    tolerance : largest difference to the twin relative to its largest output

    Raises
    ------
    PlanError : the plan removes nothing, belongs to another network, or the twin disagrees
    """
    plan = _checked(need_network(network, "shrink"), plan)
    small = resize(network, plan)
    error = twin_error(network, small, plan)
    if not error <= tolerance:
        raise PlanError(
            f"the pruned {network.origin} differs from its masked twin by {error:.2g} (relative, tolerance "
            f"{tolerance:.0e}); nothing was returned. Axes: {', '.join(plan.keep)}. This is a defect of trimcap: "
            "please report the network; meanwhile leave out one axis after the other to find the one that fails."
        )
    return small


def resize(network: Network, plan: Plan) -> Network:
    """The network without the dropped slices, unchecked: for counting costs. Use `shrink` for anything else."""
    axes = network.axes
    return replace(
        network,
        nodes=tuple(_resize(axes, node, plan.keep) for node in network.nodes),
        tensors={name: _select(axes, name, tensor, plan.keep) for name, tensor in network.tensors.items()},
        inputs={n: _kept_shape(axes, axes.tensor_dims[n], plan.keep)[1:] for n in network.inputs},
        channels=_kept_channels(network, plan.keep),
    )


def _checked(network: Network, plan: Plan) -> Plan:
    for name, size in plan.sizes.items():
        if name in network.axes.axes and network.axes[name].size != size:
            raise PlanError(
                f"the plan is for another network: its axis '{name}' has {size} slices, "
                f"{network.origin} has {network.axes[name].size}"
            )
    checked = make_plan(network, plan.keep, requested=plan.requested, note=plan.note)
    if all(len(kept) == checked.sizes[name] for name, kept in checked.keep.items()):
        raise PlanError(
            f"the plan removes nothing from {network.origin}: every axis keeps all its slices "
            f"({', '.join(f'{n} {s}' for n, s in checked.sizes.items()) or 'none named'}). Raise the sparsity."
        )
    return checked


def _select(axes: Axes, name: str, tensor: Tensor, keep: Mapping[str, tuple[int, ...]]) -> Tensor:
    for position, dim in enumerate(axes.tensor_dims[name]):
        rows = axes.index(dim, keep)
        if len(rows) != tensor.shape[position]:
            tensor = tensor.index_select(position, rows)
    return tensor.clone()


def _kept_shape(axes: Axes, dims: Any, keep: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(len(axes.index(dim, keep)) for dim in dims)


def _resize(axes: Axes, node: Node, keep: Mapping[str, tuple[int, ...]]) -> Node:
    """The node with its shape and every argument that holds a size adapted."""
    dims = axes.node_dims[node.name]
    if not node.shape:
        return node
    several = isinstance(node.shape[0], tuple)
    shapes = tuple(_kept_shape(axes, d, keep) for d in (dims if several else (dims,)))
    return replace(node, args=_new_args(axes, node, shapes[0], keep), shape=shapes if several else shapes[0])


def _new_args(axes: Axes, node: Node, shape: tuple[int, ...], keep: Mapping[str, tuple[int, ...]]) -> tuple[Any, ...]:
    args = node.args
    if node.kind in ("reshape", "expand"):
        args = (args[0], _new_sizes(node, shape), *args[2:])
    elif node.kind.startswith("adaptive_"):
        args = (args[0], shape[-int(node.kind[-2]) :], *args[2:])
    elif node.kind in ("conv1d", "conv2d", "conv3d") and node.arg(6, 1) != 1:
        channels = len(axes.index(axes.dims(node.args[0].name)[1], keep))
        weight = axes.tensor_dims[node.args[1].name]
        args = (*args[:6], channels // len(axes.index(weight[1], keep)), *args[7:])
    return args


def _new_sizes(node: Node, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Sizes of a reshape: −1 and batch-dependent entries stay, numbers follow the axes."""
    sizes = []
    for old, before, after in zip(node.args[1], node.shape, shape, strict=True):
        if before == after:
            sizes.append(old)
        elif isinstance(old, int):
            sizes.append(old if old == -1 else after)
        else:
            raise PlanError(f"cannot prune at {node.where}: a size there depends on the batch and on the axis")
    return tuple(sizes)


def _kept_channels(network: Network, keep: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """The names of the electrodes that stay; they may be a product of axes, if the network reads them in groups."""
    if not network.channels or network.dimensions[:1] != ("electrodes",):
        return network.channels
    rows = network.axes.index(network.axes.dims(next(iter(network.inputs)))[1], keep)
    return tuple(network.channels[i] for i in rows.tolist())


# ---- the masked twin ----


def silence(network: Network, plan: Plan) -> Network:
    """The masked twin: the same shapes, but whatever reads a dropped slice multiplies it by zero.

    Only *reading* dimensions of weights are zeroed (input channels of convolutions and linear layers,
    electrode kernels, inputs of recurrent layers): producers stay as they are, so the twin shares no code path
    with the removal of rows. A weight that the network computes is multiplied by a mask where it is read.
    """
    tensors = {name: tensor.clone() for name, tensor in network.tensors.items()}
    nodes: list[Node] = []
    for node in network.nodes:
        for name, positions in _readers(node):
            mask = _mask(network, name, positions(len(network.shape_of(name))), plan)
            if mask.all():
                continue
            if name in tensors:
                tensors[name][~mask.expand_as(tensors[name])] = 0.0
            else:
                masked, tensors[f"{node.name}_mask"] = f"{node.name}_masked", mask.double()
                args = (Ref(name), Ref(f"{node.name}_mask"))
                nodes.append(Node(masked, "aten.mul.Tensor", args, {}, network.shape_of(name)))
                node = replace(node, args=map_refs(node.args, partial(_instead, name, masked)))
        nodes.append(node)
    return replace(network, nodes=tuple(nodes), tensors=tensors)


def _instead(old: str, new: str, name: str) -> Ref:
    return Ref(new if name == old else name)


def _mask(network: Network, name: str, positions: Iterable[int], plan: Plan) -> Tensor:
    """Which entries of a weight are read from slices that stay; broadcasts to its shape."""
    shape = network.shape_of(name)
    mask = torch.ones([1] * len(shape), dtype=torch.bool)
    for position in positions:
        kept = torch.zeros(shape[position], dtype=torch.bool)
        kept[network.axes.index(network.axes.dims(name)[position], plan.keep)] = True
        mask = mask & kept.reshape([-1 if d == position else 1 for d in range(len(shape))])
    return mask


def _readers(node: Node) -> list[tuple[str, Any]]:
    """(weight, function from its rank to the dimensions that read the node's input)."""
    if node.kind in ("conv1d", "conv2d", "conv3d", "linear"):
        return [(node.args[1].name, lambda rank: range(1, rank))]
    if node.kind in ("gru", "lstm", "rnn_tanh", "rnn_relu"):
        return [(ref.name, lambda rank: [1] if rank == 2 else []) for ref in node.args[2]]
    return []


@torch.no_grad()
def twin_error(network: Network, small: Network, plan: Plan, *, seed: int = 0, n: int = 3) -> float:
    """Largest difference of the pruned network to the masked twin, relative to the twin's largest output.

    Evaluated in float64 on standard normal input, so that rounding does not hide a wrong slice.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, *network.input_shape, generator=generator, dtype=torch.float64)
    inputs = x
    name = next(iter(network.inputs))
    for position, dim in enumerate(network.axes.tensor_dims[name]):
        if position:
            inputs = inputs.index_select(position, network.axes.index(dim, plan.keep))
    want = _float64(silence(network, plan), x)
    try:
        got = _float64(small, inputs)
    except (RuntimeError, IndexError, ValueError) as error:
        raise PlanError(
            f"the pruned {network.origin} does not run ({str(error).splitlines()[0]}); nothing was returned"
        ) from error
    if got.shape != want.shape:
        raise PlanError(
            f"the pruned {network.origin} returns shape {tuple(got.shape)} instead of {tuple(want.shape)}; nothing "
            "was returned"
        )
    scale = want.abs().max().item()
    return float((want - got).abs().max().item() / max(scale, 1e-30))


def _float64(network: Network, x: Tensor) -> Tensor:
    # without constraints: a weight-normalised module would round its weights once more
    result: Tensor = replace(network, constraints=()).module().double()(x)
    return result
