"""Rewrites that remove operations without arithmetic of their own: dropout, reshapes, constants, padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from trimcap.graph.network import Network
from trimcap.graph.node import Node, map_refs
from trimcap.graph.ops.allowed import operation
from trimcap.graph.ops.layers import CONVOLUTIONS
from trimcap.graph.ops.table import DROPOUTS
from trimcap.graph.rewrite.change import Change, edited, free_name, only_reader, with_args
from trimcap.graph.rewrite.conv import geometry, moving


def remove_dropout(network: Network) -> Iterator[Change]:
    """Remove dropout: dropout(x) = x outside training."""
    for node in network.nodes:
        if node.kind in DROPOUTS:
            after = edited(network, replaced={node.name: ()}, renamed={node.name: node.inputs[0]})
            yield Change(node.name, f"removed dropout {node.where}: it drops nothing after training", after)


def merge_reshapes(network: Network) -> Iterator[Change]:
    """Reshape once: reshape(reshape(x, s), t) = reshape(x, t), because neither changes the order of elements."""
    for node in network.nodes:
        if node.kind != "reshape":
            continue
        source = network.node.get(node.inputs[0])
        if source is not None and source.kind == "reshape":
            merged = with_args(node, {0: source.args[0]})
            words = f"merged reshape {source.where} into reshape {node.where}"
            yield Change(node.name, words, edited(network, replaced={node.name: (merged,)}))


def evaluate_constants(network: Network) -> Iterator[Change]:
    """Compute once what does not depend on the input: f(w₁, w₂, …) becomes a tensor.

    It is trainable if one of the tensors it was computed from is. Random operations stay.
    """
    constant: dict[str, Any] = {}
    for node in network.nodes:
        known = all(name in constant or name in network.tensors for name in node.inputs)
        if node.inputs and known and "rand" not in node.kind and node.kind not in {"bernoulli", *DROPOUTS}:
            constant[node.name] = None
    for node in network.nodes:
        readers = network.users.get(node.name, ())
        if node.name not in constant or all(r.name in constant for r in readers):
            continue
        value = value_of(network, node)
        if isinstance(value, torch.Tensor) and not value.is_complex():  # which no network keeps
            yield _evaluated(network, node, value)


def value_of(network: Network, node: Node) -> Any:
    """The value of a node that depends on tensors only."""

    def value(name: str) -> Any:
        return network.tensors[name] if name in network.tensors else value_of(network, network.node[name])

    kwargs = {k: map_refs(v, value) for k, v in node.kwargs.items()}
    if "dtype" in kwargs:
        kwargs["dtype"] = getattr(torch, kwargs["dtype"])
    with torch.no_grad():
        return operation(node.op)(*map_refs(node.args, value), **kwargs)


def _evaluated(network: Network, node: Node, value: torch.Tensor) -> Change:
    name = free_name(network, f"{node.name}_value")
    after = edited(
        network,
        replaced={node.name: ()},
        renamed={node.name: name},
        tensors={name: value.detach().clone().contiguous()},
        trainable=(name,) if _sources(network, node) & network.trainable else (),
    )
    return Change(node.name, f"computed {node.where} once: it does not depend on the input", after)


def _sources(network: Network, node: Node) -> set[str]:
    found: set[str] = set()
    for name in node.inputs:
        found |= {name} if name in network.tensors else _sources(network, network.node[name])
    return found


def fold_padding(network: Network) -> Iterator[Change]:
    """Let a convolution pad for itself: conv(pad(x, 0), p) = conv(x, p + pad), where its padding can say so.

    That is: the same on both sides of every dimension, or, at stride 1, split as padding="same" does (left
    ⌊d(k−1)/2⌋, right the rest, for kernel size k and dilation d). It saves the padded copy.
    """
    for node in network.nodes:
        if node.kind not in {"pad", "constant_pad_nd"} or not _is_zero_padding(node):
            continue
        reader = only_reader(network, node.name)
        if reader is None or reader.kind not in CONVOLUTIONS or reader.inputs[0] != node.name:
            continue
        padded = _padded(network, reader, tuple(node.args[1]))
        if padded is None:
            yield Change(node.name, f"padding {node.where} stays: {reader.where} cannot pad unevenly by itself")
            continue
        padded = with_args(padded, {0: node.args[0]})
        words = f"folded padding {node.where} into {reader.where}"
        yield Change(node.name, words, edited(network, replaced={node.name: (), reader.name: (padded,)}))


def _is_zero_padding(node: Node) -> bool:
    if node.kind == "pad":
        return node.arg(2, "constant") == "constant" and not node.arg(3)
    return not node.arg(2, 0)


def _padded(network: Network, reader: Node, pads: tuple[int, ...]) -> Node | None:
    """The convolution with `pads` (last dimension first, as PyTorch writes them) added to its own padding."""
    shape = geometry(network, reader)
    n = len(shape.kernel)
    if len(pads) > 2 * n or min(pads, default=0) < 0:
        return None
    pads = (*pads, *[0] * (2 * n - len(pads)))
    outer = [(pads[2 * (n - 1 - d)], pads[2 * (n - 1 - d) + 1]) for d in range(n)]
    sides = tuple((o[0] + p[0], o[1] + p[1]) for o, p in zip(outer, shape.padding, strict=True))
    return moving(reader, replace(shape, padding=sides))
