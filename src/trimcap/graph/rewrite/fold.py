"""Fold batch norm, and scaling by constants, into the weights of the operation before or after."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.layers import WEIGHTED
from trimcap.graph.rewrite.absorb import absorb_after, absorb_before
from trimcap.graph.rewrite.affine import Affine, affine_of, before, past
from trimcap.graph.rewrite.change import Change, edited, only_reader
from trimcap.graph.rewrite.conv import Reweighted

Readers = list[tuple[Node, Affine]]


def fold_batch_norm(network: Network) -> Iterator[Change]:
    """Fold batch norm into its neighbours.

    In evaluation, batch norm is y = a·x + b per channel with a = γ/√(σ² + ε), b = β − μ·a.

    After a convolution (grouped, transposed, 1-d to 3-d) or linear operation w ∗ x + c, also across reshapes,
    permutations and average pooling without padding:  a·(w ∗ x + c) + b = (a·w) ∗ x + (a·c + b).
    After another batch norm: γ' = a·γ, β' = a·β + b.
    Before a convolution or linear operation, also across reshapes, permutations, averages and to several
    readers:  w ∗ (a·x + b) + c = (w·a) ∗ x + (c + Σ w·b), exact only where nothing is padded or b = 0,
    because padding puts zeros after the batch norm.
    """
    return _folds(network, lambda node: node.kind == "batch_norm")


def fold_constants(network: Network) -> Iterator[Change]:
    """Fold scaling and shifting by constants, such as an input standardisation, into weights.

    (x − mean)/std is y = a·x + b with a = 1/std, b = −mean/std; sums, differences, products and quotients with
    scalars and tensors of the network are read in the same way and folded as `fold_batch_norm` does. A map
    that differs per electrode folds into a filter that covers all electrodes at once; an artifact then takes
    the raw unit, µV. Float32 rounding of the new bias is about 6e-8·|mean|/std: remove large offsets first.
    """
    return _folds(network, lambda node: node.kind != "batch_norm")


def _folds(network: Network, wanted: Callable[[Node], bool]) -> Iterator[Change]:
    for node in network.nodes:
        found = affine_of(network, node) if wanted(node) else None
        if found is not None:
            source, affine = found
            yield _into_earlier(network, node, source, affine) or _into_later(network, node, source, affine)


def _into_earlier(network: Network, node: Node, source: str, affine: Affine) -> Change | None:
    """Fold into the operation that computes the input, if nothing else reads that."""
    moved: Affine | None = affine
    while moved is not None and source in network.node and only_reader(network, source) is not None:
        producer = network.node[source]
        if not producer.inputs:  # zeros, arange: made of nothing
            return None
        result = absorb_after(network, producer, moved)
        if isinstance(result, Reweighted):
            return _folded(network, node, [result])
        moved = before(network, producer, moved)
        source = producer.inputs[0]
    return None


def _into_later(network: Network, node: Node, source: str, affine: Affine) -> Change:
    """Fold into everything that reads the result, or say why not."""
    readers = _readers(network, node, affine)
    if isinstance(readers, str):
        return _stays(node, readers)
    results = []
    for reader, moved in readers:
        result = absorb_before(network, reader, moved)
        if isinstance(result, str):
            return _stays(node, result)
        results.append(result)
    return _folded(network, node, results) if results else _stays(node, f"nothing reads {source}")


def _readers(network: Network, node: Node, affine: Affine) -> Readers | str:
    """The operations with weights that read a result, across operations that the map moves past."""
    if node.name == network.output:
        return "its result is the output"
    found: Readers = []
    for reader in network.users.get(node.name, ()):
        if reader.inputs.count(node.name) > 1 or reader.inputs[0] != node.name:
            return f"{reader.where} reads it in a way that cannot take it"
        if reader.kind in (*WEIGHTED, "batch_norm"):
            found.append((reader, affine))
            continue
        moved = past(network, reader, affine)
        further = f"it does not move past {reader.where}" if moved is None else _readers(network, reader, moved)
        if isinstance(further, str):
            return further
        found.extend(further)
    return found


def _folded(network: Network, node: Node, results: list[Reweighted]) -> Change:
    into = " and ".join(result.node.where for result in results)
    after = edited(
        network,
        replaced={node.name: (), **{result.node.name: (result.node,) for result in results}},
        renamed={node.name: node.inputs[0] if node.inputs[0] not in network.tensors else node.inputs[1]},
        tensors={name: tensor for result in results for name, tensor in result.tensors.items()},
        trainable={name for result in results for name in result.trainable},
    )
    return Change(node.name, f"folded {node.where} into {into}", after)


def _stays(node: Node, reason: str) -> Change:
    return Change(node.name, f"{node.where} stays: {reason}")
