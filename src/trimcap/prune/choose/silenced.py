"""Logits without ever more slices of one axis, from one pass through the whole network.

What does not depend on the axis is taken from that pass. Where plain layers read the axis, Σ_j w_j·x_j is cut into one
sum per step: each is computed once, and step k adds those that it keeps. All steps together then cost one such layer,
not one each. Anything else that reads an axis (norms, attention, recurrent layers) is run with gates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trimcap.graph.axes import Axis
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.ops.allowed import operation
from trimcap.graph.ops.layers import WEIGHTED
from trimcap.prune.saliency.gates import Site, closed, downstream, sites

Results = Mapping[str, Tensor]
#: all results of the whole network on some windows → (number of the step, logits), the last step first
Steps = Callable[[Results], Iterator[tuple[int, Tensor]]]


def without(network: Network, axis: Axis, order: Sequence[int], removed: Sequence[int]) -> Steps:
    """A function from `network.module().run(x, keep=True)` to the logits without `order[:n]` for each n of `removed`.

    Parameters
    ----------
    order : slices of the axis, those that go first in front
    removed : numbers of slices, ascending

    Returns
    -------
    function; the logits are those of the network that `shrink` makes, up to rounding in float32
    """
    readers = _plain(network, sites(network, axis))
    parts = [order[a:b] for a, b in zip((0, *removed), (*removed, len(order)), strict=True)]
    return _by_gates(network, axis, parts) if readers is None else _by_sums(network, readers, parts)


# ---- any operation: gates ----


def _by_gates(network: Network, axis: Axis, parts: Sequence[Sequence[int]]) -> Steps:
    part = downstream(network, axis)
    module = _module(part)
    names = list(part.inputs)[1:]

    def steps(results: Results) -> Iterator[tuple[int, Tensor]]:
        inputs = [results[name] for name in names]
        for step in reversed(range(len(parts) - 1)):
            gone = [j for few in parts[: step + 1] for j in few]
            yield step, _output(network, results, module.run(closed(axis, gone), *inputs))

    return steps


def _output(network: Network, before: Results, now: Results) -> Tensor:
    """The logits: what was computed anew, or as before where the axis has no say in them."""
    return now[network.output] if network.output in now else before[network.output]


# ---- plain layers: sums ----


def _by_sums(network: Network, readers: Sequence[Site], parts: Sequence[Sequence[int]]) -> Steps:
    layers = {site.node.name: _Layer(network, site, parts) for site in readers}
    rest = after(network, list(layers))
    module = _module(rest)
    last = len(parts) - 2

    def steps(results: Results) -> Iterator[tuple[int, Tensor]]:
        for number, sums in enumerate(zip(*(layer.sums(results) for layer in layers.values()), strict=True)):
            new = dict(zip(layers, sums, strict=True))
            inputs = (new[name] if name in new else results[name] for name in rest.inputs)
            yield last - number, _output(network, results, module.run(*inputs))

    return steps


@dataclass(frozen=True, eq=False)
class _Group:
    """Inputs of a layer that go in one step: where they are, and what they are multiplied with."""

    rows: Tensor
    weight: Tensor


class _Layer:
    """A convolution or linear layer that reads the axis, cut into groups of its inputs."""

    def __init__(self, network: Network, site: Site, parts: Sequence[Sequence[int]]) -> None:
        self._site, self._function = site, operation(site.node.op)
        weight = network.tensors[site.node.args[1].name]
        bias = site.node.arg(2)
        self._bias = network.tensors[bias.name] if isinstance(bias, Ref) else None
        fixed = torch.nonzero(site.labels < 0).flatten()
        self._groups = []
        for number, slices in enumerate(parts):
            rows = torch.nonzero(torch.isin(site.labels, torch.as_tensor(list(slices)))).flatten()
            rows = torch.cat([fixed, rows]).sort().values if number == len(parts) - 1 else rows
            self._groups.append(_Group(rows, weight.index_select(1, rows)))

    def sums(self, results: Results) -> Iterator[Tensor]:
        """What the layer makes after the last step, the one before, … the first."""
        x = results[self._site.source]
        total = self._part(x, self._groups[-1], self._bias)
        for group in reversed(self._groups[1:-1]):
            yield total
            total = total + self._part(x, group, None)
        yield total

    def _part(self, x: Tensor, group: _Group, bias: Tensor | None) -> Tensor:
        some, node = x.index_select(self._site.position, group.rows), self._site.node
        result: Tensor = self._function(some, group.weight, bias, *node.args[3:], **node.kwargs)
        return result


def _plain(network: Network, found: Sequence[Site]) -> list[Site] | None:
    """The sites, if each is the input of a layer whose result does not come back to another of them."""
    readers = {site.node.name for site in found}
    if len(readers) != len(found) or not all(_is_plain(network, site) for site in found):
        return None
    changed = set(readers)
    for node in network.nodes:
        if changed & set(node.inputs):
            if node.name in readers:
                return None
            changed.add(node.name)
    return list(found)


def _is_plain(network: Network, site: Site) -> bool:
    node = site.node
    if node.kind not in WEIGHTED or node.args[1].name not in network.tensors:
        return False
    channels = len(network.shape_of(site.source)) - 1 if node.kind == "linear" else 1
    whole = node.kind == "linear" or node.arg(6, 1) == 1
    bias = node.arg(2)
    known = bias is None or bias.name in network.tensors
    return whole and known and site.source == node.args[0].name and site.position == channels


def after(network: Network, names: Sequence[str]) -> Network:
    """What has to be computed anew when these results change; its inputs are they, and results before them."""
    touched = set(names)
    nodes: list[Node] = []
    for node in network.nodes:
        if node.name not in touched and touched & set(node.inputs):
            touched.add(node.name)
            nodes.append(node)
    made = {node.name for node in nodes}
    needed = dict.fromkeys([*names, *(name for node in nodes for name in node.inputs if name not in made)])
    return replace(
        network,
        nodes=tuple(nodes),
        tensors={name: network.tensors[name] for name in needed if name in network.tensors},
        trainable=frozenset(),
        inputs={name: () for name in needed if name not in network.tensors},
        constraints=(),
    )


def _module(network: Network) -> NetworkModule:
    return NetworkModule(replace(network, constraints=(), trainable=frozenset())).eval()
