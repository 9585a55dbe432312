"""Which results share memory, and from when to when each piece of memory is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from trimcap.graph.memory import Block
from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.costs import TABLED

#: results that are their input under another shape or name
ALIASES = {
    "reshape", "view", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "expand", "expand_as",
    "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "clone", "contiguous", "alias",
    "detach", "split", "split_with_sizes", "chunk", "unbind", "tensor_split",
}  # fmt: skip
DROPOUTS = {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"}
_SEVERAL = {"split", "split_with_sizes", "chunk", "unbind", "tensor_split"}
#: each output element needs only the same element of the inputs, so it can take its place
ELEMENTWISE = TABLED | {
    "relu", "relu6", "prelu", "hardtanh", "threshold", "clamp", "clamp_min", "clamp_max", "sign", "round",
    "floor", "ceil", "add", "sub", "rsub", "mul", "div", "maximum", "minimum", "batch_norm",
}  # fmt: skip


@dataclass
class _Memory:
    """One piece of memory while it is being filled: its size in elements, its names, its lifetime."""

    size: int
    first: int
    last: int
    names: list[str] = field(default_factory=list)


def activation_blocks(network: Network, *, itemsize: int = 4, writable_input: bool = True) -> tuple[Block, ...]:
    """Memory of the input and of every result, with lifetimes in steps (one node is one step).

    Reshapes, dropout in evaluation and views share the memory of their input. An elementwise operation
    overwrites an operand of the same size that nothing reads later. A permutation that only moves dimensions
    of size one is a reshape. The result is needed to the end. A block has the name of its first result.

    Parameters
    ----------
    network : Network
    itemsize : bytes per activation
    writable_input : whether operations may overwrite the input window
    """
    unique = {m.names[0]: m for m in _memories(network, writable_input).values()}
    return tuple(Block(name, m.size * itemsize, m.first, m.last) for name, m in unique.items() if m.size)


def block_of(network: Network, *, writable_input: bool = True) -> dict[str, str]:
    """Result or input name → name of the block of `activation_blocks` that it lives in."""
    return {name: memory.names[0] for name, memory in _memories(network, writable_input).items()}


def _memories(network: Network, writable_input: bool) -> dict[str, _Memory]:
    last = _last_reads(network)
    memory: dict[str, _Memory] = {}
    for name in network.inputs:
        memory[name] = _Memory(prod(network.shape_of(name)), 0, last.get(name, 0), [name])
    fixed = () if writable_input else tuple(network.inputs)
    for step, node in enumerate(network.nodes):
        place = _shared(network, node, memory, step, fixed)
        if place is None:
            place = _Memory(_elements(node, node.shape), step, step)
        place.names.append(node.name)
        place.last = max(place.last, last.get(node.name, step))
        memory[node.name] = place
    return memory


def _last_reads(network: Network) -> dict[str, int]:
    """The last step that reads a result; the output is read after the end."""
    last = {name: step for step, node in enumerate(network.nodes) for name in node.inputs}
    return last | {network.output: len(network.nodes)}


def _shared(
    network: Network, node: Node, memory: dict[str, _Memory], step: int, fixed: Sequence[str]
) -> _Memory | None:
    """The memory of an operand that this node's result can live in."""
    results = [name for name in node.inputs if name in memory]
    if not results:
        return None
    if _is_alias(network, node):
        return memory[results[0]]
    if node.kind in ELEMENTWISE:
        for name in results:
            place = memory[name]
            dies = place.last <= step and not set(place.names) & set(fixed)
            if dies and place.size == _elements(node, node.shape):
                return place
    return None


def _is_alias(network: Network, node: Node) -> bool:
    if node.kind == "getitem":
        source = network.node.get(node.inputs[0])
        # the parts of a split are copied out, the results of a recurrent layer are already apart
        return source is None or source.kind not in _SEVERAL
    if node.kind in {"permute", "transpose"}:
        return _moves_nothing(network.shape_of(node.inputs[0]), node)
    return node.kind in ALIASES


def _moves_nothing(shape: Sequence[int], node: Node) -> bool:
    """Whether a permutation leaves the dimensions larger than one in their order."""
    order = permutation(node, len(shape))
    large = [d for d in order if shape[d] > 1]
    return large == sorted(large)


def permutation(node: Node, ndim: int) -> tuple[int, ...]:
    """Where each output dimension of a permute or transpose comes from."""
    if node.kind == "permute":
        return tuple(d % ndim for d in node.args[1])
    order = list(range(ndim))
    a, b = node.args[1] % ndim, node.args[2] % ndim
    order[a], order[b] = order[b], order[a]
    return tuple(order)


def _elements(node: Node, shape: Any) -> int:
    if node.kind.startswith("sym"):
        return 0
    if shape and isinstance(shape[0], tuple):
        return sum(prod(part) for part in shape)
    return prod(shape)


def without(blocks: Sequence[Block], names: Sequence[str]) -> tuple[Block, ...]:
    """The blocks that are not called `names`."""
    return tuple(block for block in blocks if block.name not in names)


def live_bytes(blocks: Sequence[Block], step: int) -> int:
    """Sum of the blocks needed at a step, bytes."""
    return sum(block.size for block in blocks if block.first <= step <= block.last)
