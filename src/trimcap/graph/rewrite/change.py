"""One exact change of a network at one place, and the edits that changes are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from trimcap.graph.network import Constraint, Network
from trimcap.graph.node import Node, Ref, map_refs


@dataclass(frozen=True)
class Change:
    """What a rule can do at one place.

    Parameters
    ----------
    place : name of the node it is about; a rule may offer several changes for one place
    words : what is done; or, where `network` is None, what stays and why
    network : the network after the change, or None where the change would not be exact
    """

    place: str
    words: str
    network: Network | None = None


Rule = Callable[[Network], Iterator[Change]]


def free_name(network: Network, wish: str) -> str:
    """`wish`, or `wish_1`, `wish_2`, … if that names a node, an input or a tensor already."""
    taken = {*network.node, *network.inputs, *network.tensors}
    # a tensor "a.b" lives in a module "a", so "a" is taken too
    taken |= {".".join(name.split(".")[:i]) for name in network.tensors for i in range(1, name.count(".") + 1)}
    name, count = wish, 0
    while name in taken:
        count += 1
        name = f"{wish}_{count}"
    return name


def only_reader(network: Network, name: str) -> Node | None:
    """The node that reads a result, if it is the only one and the result is not the output."""
    users = network.users.get(name, ())
    return users[0] if len(users) == 1 and name != network.output else None


def owned_name(network: Network, name: str, *, by: Node) -> str:
    """A name under which `by` can keep a changed tensor: the same unless other nodes read that tensor."""
    return name if network.users[name] == (by,) else free_name(network, f"{name}_of_{by.name}")


def bias_name(network: Network, weight: str, *, by: Node) -> str:
    """A name for a bias that did not exist: "conv.bias" beside "conv.weight"."""
    path, _, leaf = weight.rpartition(".")
    if leaf == "weight" and path and f"{path}.bias" not in network.tensors:
        return f"{path}.bias"
    return free_name(network, f"{by.name}_bias")


def with_args(node: Node, changed: Mapping[int, Any]) -> Node:
    """The node with some positional arguments replaced; missing ones in between become None."""
    args = list(node.args) + [None] * (max(changed, default=0) + 1 - len(node.args))
    for index, value in changed.items():
        args[index] = value
    return replace(node, args=tuple(args))


def edited(
    network: Network,
    *,
    replaced: Mapping[str, tuple[Node, ...]],
    renamed: Mapping[str, str] | None = None,
    tensors: Mapping[str, Tensor] | None = None,
    trainable: Collection[str] = (),
) -> Network:
    """A network with some nodes replaced by others, and what nobody reads any more dropped.

    Constraints of tensors that vanish or change are dropped, with a note.

    Parameters
    ----------
    network : Network
    replaced : node name → the nodes that take its place (none to remove it)
    renamed : result name → the result that its readers read instead
    tensors : new or changed tensors
    trainable : which of them `fit` changes
    """
    tensors, renamed = tensors or {}, renamed or {}

    def reader(node: Node) -> Node:
        def ref(name: str) -> Ref:
            return Ref(renamed.get(name, name))

        kwargs = {k: map_refs(v, ref) for k, v in node.kwargs.items()}
        return replace(node, args=map_refs(node.args, ref), kwargs=kwargs)

    nodes = [reader(new) for node in network.nodes for new in replaced.get(node.name, (node,))]
    output = renamed.get(network.output, network.output)
    nodes = _needed(nodes, output)
    read = {name for node in nodes for name in node.inputs}
    kept = {name: t for name, t in {**network.tensors, **tensors}.items() if name in read}
    lost = [rule for rule in network.constraints if rule.tensor not in kept or rule.tensor in tensors]
    return replace(
        network,
        nodes=tuple(nodes),
        tensors=kept,
        trainable=frozenset((network.trainable - set(tensors)) & set(kept)) | (set(trainable) & set(kept)),
        output=output,
        constraints=tuple(rule for rule in network.constraints if rule not in lost),
        notes=(*network.notes, *(_lost(rule) for rule in lost)),
    )


def _needed(nodes: list[Node], output: str) -> list[Node]:
    needed, kept = {output}, []
    for node in reversed(nodes):
        if node.name in needed:
            kept.append(node)
            needed.update(node.inputs)
    return kept[::-1]


def _lost(rule: Constraint) -> str:
    bound = f" ({rule.value:g})" if rule.kind == "max_norm" else ""
    return (
        f"'{rule.tensor}': its {rule.kind.replace('_', '-')} constraint{bound} was dropped, because a rewrite "
        "changed what the tensor means; training does not re-impose it"
    )
