"""Which axes belong to which kind of layer."""

from __future__ import annotations

from trimcap._errors import unknown
from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Ref
from trimcap.graph.ops.table import LAYERS
from trimcap.prune.saliency.scores import makers_of

#: kinds of layers that axes can be named by
KINDS = (*LAYERS, "batch_norm")


def axes_of(network: Network, layers: str) -> list[str]:
    """Names of the hidden prunable axes that a kind of layer makes, or, for "batch_norm", scales.

    Parameters
    ----------
    layers : "conv", "linear", "recurrent" or "batch_norm"

    Returns
    -------
    list of names, in the order of `network.axes`; empty if the network has none

    Raises
    ------
    ValueError : an unknown kind.

    Shared parameters: `trimcap.prune`.
    """
    need_network(network, "axes_of")
    if layers not in KINDS:
        raise ValueError(unknown("kind of layer", layers, KINDS))
    if layers == "batch_norm":
        scales = {n.args[1].name for n in network.nodes if n.kind == "batch_norm" and isinstance(n.arg(1), Ref)}
        return [axis.name for axis in network.axes.hidden if any(tensor in scales for tensor, _ in axis.members)]
    kinds = LAYERS[layers]
    made = {
        axis.name: [node.kind for tensor, _ in makers_of(network, axis) for node in network.users.get(tensor, ())]
        for axis in network.axes.hidden
    }
    return [name for name, found in made.items() if any(kind in kinds for kind in found)]
