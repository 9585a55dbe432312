"""Saliencies that look at activations on windows, not at labels.

An axis' maps are what its layer makes, after the batch norm and the activation that directly follow (of an input axis:
the input). Of several layers that make an axis together the scores are divided by each layer's mean and averaged, as
for weights.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimcap._errors import PlanError
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.atoms import flat
from trimcap.graph.ops.recurrent import RECURRENT
from trimcap.prune.saliency.maps import averages, combined, map_shape, maps_of
from trimcap.prune.saliency.scores import by_slice, is_layer, makers_of
from trimcap.prune.samples import Sample, on_windows

Values = dict[str, NDArray[np.float64]]


@on_windows(most=128)
def hrank(network: Network, axes: list[Axis], data: Sample) -> Values:
    """Mean over windows of rank(A_j), A_j the feature map of slice j as a matrix: little information = goes first.

    Maps of three dimensions count as the matrices of their last two.

    Raises
    ------
    PlanError : the maps of an axis have a single row or column, as behind every spatial convolution of an EEG network:
        their rank is 0 or 1 whatever they contain. `chip` asks the same question across maps.

    Shared parameters: `trimcap.prune`.
    Source: Lin et al. (2020), "HRank: Filter pruning using high-rank feature map", CVPR, §3 (500 images there).
    Needs: windows.
    """
    for axis in axes:
        _need_matrices(network, axis)
    layers = averages(network, axes, data, _rank)
    return {axis: combined(values) for axis, values in layers.items()}


def _need_matrices(network: Network, axis: Axis) -> None:
    for name in maps_of(network, axis):
        shape = map_shape(network, axis, name)
        if len(shape) < 2:
            raise PlanError(
                f"saliency 'hrank': the maps of axis '{axis.name}' of {network.origin} are "
                f"1×{shape[0] if shape else 1}; the rank of such a matrix is 0 or 1 whatever it contains. Use 'chip', "
                "which compares maps with each other, or name axes whose maps have two dimensions (axes=)"
            )


def _rank(maps: Tensor) -> Tensor:
    matrices = maps.float()  # the precision that networks run in decides what counts as zero
    matrices = matrices.reshape(*matrices.shape[:2], -1, *[s for s in matrices.shape[2:] if s > 1][-2:])
    ranks: Tensor = torch.linalg.matrix_rank(matrices)
    return ranks.double().mean(2)


@on_windows(most=64)
def chip(network: Network, axes: list[Axis], data: Sample) -> Values:
    """Mean over windows of ‖A‖_* − ‖A with row j zeroed‖_*, A the maps as (slices × positions): what only map j says.

    ‖·‖_* is the sum of singular values. Low = made up of the other maps = goes first. Works on maps of any shape.

    Shared parameters: `trimcap.prune`.
    Source: Sui et al. (2021), "CHIP: Channel independence-based pruning for compact neural networks", NeurIPS, §3
    (channel independence).
    Needs: windows.
    """
    layers = averages(network, axes, data, _independence)
    return {axis: combined(values) for axis, values in layers.items()}


def _independence(maps: Tensor) -> Tensor:
    """Nuclear norms from the smaller of the two Gram matrices, which without row j is a subtraction or a deletion."""
    a = maps.flatten(2)
    slices, positions = a.shape[1:]
    wide = positions > slices
    gram = a @ a.transpose(1, 2) if wide else a.transpose(1, 2) @ a
    whole = _root_sum(gram)
    found = []
    for j in range(slices):
        if wide:
            rest = gram.clone()
            rest[:, j, :] = 0
            rest[:, :, j] = 0
        else:
            rest = gram - a[:, j, :, None] * a[:, j, None, :]
        found.append(whole - _root_sum(rest))
    return torch.stack(found, 1)


def _root_sum(gram: Tensor) -> Tensor:
    """Σ√λ over the eigenvalues: the sum of singular values of the matrix whose Gram matrix it is."""
    values: Tensor = torch.linalg.eigvalsh(gram)
    return values.clamp(min=0).sqrt().sum(-1)


@on_windows()
def apoz(network: Network, axes: list[Axis], data: Sample) -> Values:
    """1 − APoZ, the share of activations that are not zero. The paper prunes the highest APoZ; the sign is turned here.

    Raises
    ------
    PlanError : no activation of an axis is ever exactly zero, as after ELU: then it says nothing.

    Shared parameters: `trimcap.prune`.
    Source: Hu et al. (2016), "Network trimming: A data-driven neuron pruning approach", arXiv:1607.03250, eq. 1.
    Needs: windows; ReLU.
    """
    layers = averages(network, axes, data, lambda maps: (maps != 0).double().flatten(2).mean(2))
    for axis, values in layers.items():
        if all((v == 1).all() for v in values):
            raise PlanError(
                f"saliency 'apoz': no activation of axis '{axis}' of {network.origin} is ever zero, so their share "
                "says nothing; it needs a ReLU behind the layer: use 'activation_mean' or 'activation_std'"
            )
    return {axis: combined(values) for axis, values in layers.items()}


@on_windows()
def activation_mean(network: Network, axes: list[Axis], data: Sample) -> Values:
    """Mean |a| over windows and positions. Published for ReLU, where a ≥ 0; EEG networks have signed activations.

    Shared parameters: `trimcap.prune`.
    Source: Molchanov et al. (2017), "Pruning convolutional neural networks for resource efficient inference", ICLR,
    §2.2 (mean activation).
    Needs: windows.
    """
    layers = averages(network, axes, data, lambda maps: maps.abs().flatten(2).mean(2))
    return {axis: combined(values) for axis, values in layers.items()}


@on_windows()
def activation_std(network: Network, axes: list[Axis], data: Sample) -> Values:
    """√(mean a² − (mean a)²) over windows and positions: a slice that never changes can be a constant.

    Shared parameters: `trimcap.prune`.
    Source: Molchanov et al. (2017), "Pruning convolutional neural networks for resource efficient inference", ICLR,
    §2.2 (standard deviation of the activation).
    Needs: windows.
    """
    moments = averages(network, axes, data, _moments)
    layers = {a: [np.sqrt(np.maximum(m[:, 1] - m[:, 0] ** 2, 0)) for m in each] for a, each in moments.items()}
    return {axis: combined(values) for axis, values in layers.items()}


def _moments(maps: Tensor) -> Tensor:
    flat = maps.flatten(2)
    return torch.stack([flat.mean(2), (flat**2).mean(2)], 2)


@on_windows()
def wanda(network: Network, axes: list[Axis], data: Sample) -> Values:
    """Σ_k |w_jk|·‖x_k‖₂: incoming weights times the norm, over all windows, of the input that each of them reads.

    The structured sum of the published score of single weights. Where a kernel covers a dimension (electrodes) its
    positions have norms of their own, where it is moved along one (time) they share one.

    Raises
    ------
    PlanError : an axis is made by weights whose inputs are not seen: those on a hidden state.

    Shared parameters: `trimcap.prune`.
    Source: Sun et al. (2024), "A simple and effective pruning approach for large language models", ICLR, eq. 1.
    Needs: windows.
    """
    readers = {tensor: _reader(network, axis, tensor) for axis in axes for tensor, _ in makers_of(network, axis)}
    products = _weighted(network, readers, data)
    values = {}
    for axis in axes:
        layers = [by_slice(network, axis, products[t], t, p).sum(1) for t, p in makers_of(network, axis)]
        values[axis.name] = combined(layers)
    return values


def _reader(network: Network, axis: Axis, tensor: str) -> Node:
    """The operation whose input a weight multiplies."""
    for node in network.users.get(tensor, ()):
        if is_layer(node) and node.args[1].name == tensor:
            return node
        if node.kind in RECURRENT and _reads_input(network, node, tensor):
            return node
    raise PlanError(
        f"saliency 'wanda': axis '{axis.name}' of {network.origin} is made by '{tensor}', whose inputs are not seen "
        "from outside of one operation; leave it out (axes=), or use another"
    )


def _reads_input(network: Network, node: Node, weight: str) -> bool:
    """Whether a weight of a recurrent layer multiplies the layer's input, not its hidden state."""
    x, dims = network.axes.dims(node.args[0].name), network.axes.dims(weight)
    return len(dims) == 2 and flat(x[-1]) == flat(dims[1])


def _weighted(network: Network, readers: dict[str, Node], data: Sample) -> dict[str, Tensor]:
    """|w|·‖x‖ of every weight."""
    module = replace(network, constraints=()).module()
    squares: dict[str, Tensor] = {}
    for x, _ in data.batches():
        with torch.no_grad():
            results = module.run(x, keep=True)
            for tensor, node in readers.items():
                squares[tensor] = squares.get(tensor, 0) + _squares(network, node, results[node.args[0].name])
    return {
        tensor: network.tensors[tensor].double().abs() * _spread(network, node, squares[tensor].sqrt())
        for tensor, node in readers.items()
    }


def _squares(network: Network, node: Node, x: Tensor) -> Tensor:
    """Σx² over windows and over the positions that a kernel is moved along."""
    if not node.kind.startswith("conv"):
        return (x.double() ** 2).flatten(0, -2).sum(0)
    kernel = network.shape_of(node.args[1].name)
    moved = [i for i in range(2, x.ndim) if not (kernel[i] == x.shape[i] and node.shape[i] == 1)]
    return (x.double() ** 2).sum([0, *moved], keepdim=True)[0]


def _spread(network: Network, node: Node, norms: Tensor) -> Tensor:
    """Norms shaped to multiply the weight: a grouped convolution reads other inputs in every group."""
    if not node.kind.startswith("conv"):
        return norms
    rows, columns = network.shape_of(node.args[1].name)[:2]
    groups = int(node.arg(6, 1) or 1)
    return norms.reshape(groups, columns, *norms.shape[1:]).repeat_interleave(rows // groups, 0)
