"""What the operations of a graph cost before there is a program: MACs, and the values that are in memory together.

Flash and SRAM of a device are not counted here but on the program (`trimcap.program.cost`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.table import ELEMENTWISE, operation_of
from trimcap.graph.ops.views import permutation


@dataclass(frozen=True)
class Price:
    """MACs for one window, and bytes of the largest values that one operation reads and writes, in float32."""

    macs: int
    live_bytes: int


#: of networks that are alive: rewriting asks the same one again and again
_KNOWN: WeakKeyDictionary[Network, Price] = WeakKeyDictionary()


def price(network: Network) -> Price:
    """What rewriting weighs: no plan of memory, which needs a program, but what no plan can avoid."""
    if network not in _KNOWN:
        _KNOWN[network] = _counted(network)
    return _KNOWN[network]


def _counted(network: Network) -> Price:
    root: dict[str, str] = {name: name for name in network.inputs}
    size = {name: prod(network.shape_of(name)) for name in network.inputs}
    live = sum(size.values())
    for node in network.nodes:
        read = {root[name] for name in node.inputs if name in root}
        if len(read) == 1 and _is_view(network, node):
            root[node.name] = next(iter(read))
            continue
        root[node.name], size[node.name] = node.name, _elements(node)
        in_place = node.kind in ELEMENTWISE or node.kind == "batch_norm"
        written = 0 if in_place and size[node.name] in {size[name] for name in read} else size[node.name]
        live = max(live, written + sum(size[name] for name in read))
    return Price(sum(macs_of(network, node) for node in network.nodes), 4 * live)


def macs_of(network: Network, node: Node) -> int:
    """Multiply-accumulates of one operation for one window, as its family counts them; 0 where nothing is summed."""
    count = operation_of(node.kind).macs
    return count(network, node) if count is not None else 0


def tensors_of(network: Network, node: Node) -> tuple[str, ...]:
    """Names of the tensors (parameters, buffers, constants) that an operation reads."""
    return tuple(name for name in dict.fromkeys(node.inputs) if name in network.tensors)


def _is_view(network: Network, node: Node) -> bool:
    if node.kind not in ("permute", "transpose"):
        return "view" in operation_of(node.kind).traits
    shape = network.shape_of(node.inputs[0])  # a permutation that leaves the dimensions above 1 in order moves nothing
    large = [d for d in permutation(node, len(shape)) if shape[d] > 1]
    return large == sorted(large)


def _elements(node: Node) -> int:
    shape: Any = () if node.kind.startswith("sym") else node.shape
    if shape and isinstance(shape[0], tuple):
        return sum(prod(part) for part in shape)
    return 0 if node.kind.startswith("sym") else prod(shape)
