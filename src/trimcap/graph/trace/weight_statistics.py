"""Weights that are computed from statistics of themselves, held at their value.

w/‖w‖, w − mean(w), a softmax over a weight: every slice of the result depends on every other, also on slices that
nobody reads. Computed anew in a smaller network such a weight would be another one. It does not depend on the input, so
it is computed once, over all slices, when a network is traced. What is computed slice by slice (w·mask, exp(w), a
reshape) and what runs through layers of its own stays as it is and trains as in the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref, map_refs
from trimcap.graph.ops.table import operation_of
from trimcap.graph.rewrite.change import free_name
from trimcap.graph.rewrite.tidy import value_of
from trimcap.graph.trace.canonical import drop_unused


def fold_statistics(network: Network) -> Network:
    """The network with every weight that is computed from statistics over weights as a tensor, and a note for each.

    Parameters
    ----------
    network : traced network

    Returns
    -------
    Network : the same function; a folded weight is trainable if one of those it was computed from is
    """
    for among in (set(network.tensors) - network.trainable, set(network.tensors)):  # constants first, to hold no more
        found = _folded(network, among)
        for name, (kinds, sources) in found.items():
            network = _held(network, name, kinds, sources)
        network = drop_unused(network) if found else network
    return network


def _folded(network: Network, among: set[str]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Results to be held: by name the statistics on the way to it, and the tensors among some that it comes from."""
    kinds: dict[str, tuple[str, ...]] = {}
    sources: dict[str, tuple[str, ...]] = {name: (name,) for name in network.tensors if name in among}
    summed: dict[str, frozenset[str]] = {}
    for node in network.nodes:
        traits = operation_of(node.kind).traits
        if "layer" in traits or node.training or "rand" in node.kind or node.kind == "bernoulli":
            continue
        if all(name in sources for name in node.inputs):
            before = tuple(kind for name in node.inputs for kind in kinds.get(name, ()))
            apart = "slicewise" in traits or node.kind == "sum"
            own = ("sum",) if _meet(node, sources, summed) else () if apart else (node.kind,)
            kinds[node.name] = tuple(dict.fromkeys((*before, *own)))
            sources[node.name] = tuple(dict.fromkeys(each for name in node.inputs for each in sources[name]))
            through = frozenset(each for name in node.inputs for each in summed.get(name, ()))
            summed[node.name] = frozenset(sources[node.name]) if node.kind == "sum" else through
    read = {name for node in network.nodes if node.name not in kinds for name in node.inputs} | {network.output}
    return {n: (kinds[n], sources[n]) for n in kinds if n in read and kinds[n] and sources[n]}


def _meet(node: Node, sources: Mapping[str, tuple[str, ...]], summed: Mapping[str, frozenset[str]]) -> bool:
    """Whether a sum over a weight is joined with the weight itself; alone it is a product, as of two layers in one."""
    return any(
        summed.get(a, frozenset()) & (set(sources[b]) - summed.get(b, frozenset()))
        for a in node.inputs
        for b in node.inputs
    )


def _held(network: Network, result: str, kinds: tuple[str, ...], sources: tuple[str, ...]) -> Network:
    value = value_of(network, network.node[result])
    if not isinstance(value, torch.Tensor):
        return network
    trained = [name for name in sources if name in network.trainable]
    like = max(trained or sources, key=lambda name: network.tensors[name].numel())
    own = len(trained) == 1 and network.tensors[like].shape == value.shape and _only_for(network, like, result)
    name = like if own else free_name(network, f"{like}_computed")
    nodes = tuple(
        replace(
            node,
            args=map_refs(node.args, lambda n: Ref(name if n == result else n)),
            kwargs={k: map_refs(v, lambda n: Ref(name if n == result else n)) for k, v in node.kwargs.items()},
        )
        for node in network.nodes
        if not own or node.name not in _between(network, like)
    )
    said = (
        f"'{name}' is computed from all of its own slices ({', '.join(kinds)}) whenever the model runs; here it is "
        "held at its value, so that removing slices changes nothing else; training moves it freely"
    )
    return replace(
        network,
        nodes=nodes,
        tensors={**network.tensors, name: value.detach().clone().contiguous()},
        trainable=network.trainable | ({name} if trained else set()),
        notes=(*network.notes, said) if trained else network.notes,
    )


def _between(network: Network, source: str) -> set[str]:
    """Results that are computed from tensors only, `source` among them."""
    constant, found = set(network.tensors), {source}
    for node in network.nodes:
        if node.inputs and all(name in constant for name in node.inputs):
            constant.add(node.name)
            if found & set(node.inputs):
                found.add(node.name)
    return found - {source}


def _only_for(network: Network, source: str, result: str) -> bool:
    """Whether a tensor serves for one result only, so that this can take its name."""
    inside = _between(network, source)
    read = {name for n in network.nodes if n.name not in inside for name in n.inputs} | {network.output}
    return (inside | {source}) & read == {result}
