"""Parameters, multiply–accumulates and FLOPs as the published tables count them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Node
from trimcap.graph.ops.layers import CONVOLUTIONS
from trimcap.graph.ops.mix import POOLS


@dataclass(frozen=True)
class Counted:
    """One row of a published table.

    Parameters
    ----------
    parameters : trainable parameters minus exact zeros in the weights of convolutions; zeros in linear layers count
    macs : of non-zero weights of convolutions, and of all weights of linear layers, for one window
    flops : by the published rule, see `published_flops`
    """

    parameters: int
    macs: int
    flops: int


def published_counts(network: Network) -> Counted:
    """Count a network, pruned or masked, as the published tables do.

    Nothing of this is what a device sees: a masked network is stored and computed as a dense one.

    Parameters
    ----------
    network : traced network, pruned or with zeros

    Returns
    -------
    Counted : numbers of one row of a table

    Source: Rao and Zhong (2023), "EEG model compression by network pruning for emotion recognition", IJCNN; the rule
    that reproduces its tables.
    """
    need_network(network, "published_counts")
    zeros, macs = 0, 0
    for node in network.nodes:
        if node.kind in CONVOLUTIONS and node.args[1].name in network.tensors:
            weight = network.tensors[node.args[1].name]
            nonzero = int(torch.count_nonzero(weight))
            zeros += weight.numel() - nonzero
            macs += nonzero * prod(node.shape[2:])
        elif node.kind == "linear":
            macs += prod(network.shape_of(node.args[1].name)) * prod(node.shape[1:-1])
    return Counted(network.n_parameters - zeros, macs, published_flops(network))


def published_flops(network: Network) -> int:
    """FLOPs of a network for one window by the rule of the published EEG pruning tables.

    Convolution: (2·nnz(W) + C_out)·positions; linear: 2·numel(W) + C_out; batch norm: 2·numel(input);
    ReLU: numel(input); average and maximum pooling: numel(kernel)·numel(output); everything else 0. The
    bias is counted where there is none, and convolutions of any dimension are counted alike.

    Parameters
    ----------
    network : traced network

    Returns
    -------
    FLOPs

    Source: Rao and Zhong (2023), IJCNN; the rule that reproduces their tables.
    """
    return sum(_flops(network, node) for node in network.nodes)


def _flops(network: Network, node: Node) -> int:
    if node.kind in CONVOLUTIONS:
        weight = network.tensors.get(node.inputs[1])
        nonzero = prod(network.shape_of(node.inputs[1])) if weight is None else int(torch.count_nonzero(weight))
        return int((2 * nonzero + node.shape[1]) * prod(node.shape[2:]))
    if node.kind == "linear":
        outputs, inputs = network.shape_of(node.inputs[1])
        return 2 * outputs * inputs + outputs
    if node.kind == "batch_norm":
        return 2 * prod(network.shape_of(node.inputs[0]))
    if node.kind == "relu":
        return prod(network.shape_of(node.inputs[0]))
    if node.kind in POOLS:
        return int(_kernel_size(node) * prod(node.shape))
    return 0


def _kernel_size(node: Node) -> int:
    kernel: Any = node.arg(1)
    dimensions = int(node.kind[-2])
    sizes = tuple(kernel) if isinstance(kernel, tuple | list) else (kernel,)
    return int(prod(sizes) if len(sizes) == dimensions else sizes[0] ** dimensions)
