"""Parameters, multiply–accumulates and FLOPs as the published tables count them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch

from trimcap.graph.cost import cost
from trimcap.graph.network import Network, need_network
from trimcap.graph.ops.layers import CONVOLUTIONS


@dataclass(frozen=True)
class Counted:
    """One row of a published table.

    Parameters
    ----------
    parameters : trainable parameters minus exact zeros in the weights of convolutions; zeros in linear layers count
    macs : of non-zero weights of convolutions, and of all weights of linear layers, for one window
    flops : by the published rule, see `trimcap.graph.ops.costs.published_flops_of`
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
    return Counted(network.n_parameters - zeros, macs, cost(network).published_flops)
