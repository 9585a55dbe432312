"""What a family of operations says of itself: the kinds of its functions, and the state of a walk over a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trimcap.graph.node import Node, Shape, refs
from trimcap.graph.ops.atoms import Dim, freeze, fresh

if TYPE_CHECKING:
    from trimcap.graph.network import Network

Dims = tuple[Dim, ...]
Keep = Mapping[str, Sequence[int]]
#: (tensor or result, function from its rank to its dimensions that an operation reads and sums over)
Reader = tuple[str, Callable[[int], Sequence[int]]]


class Walk:
    """The state of one walk over a network: dimensions by tensor or node name."""

    def __init__(self, network: Network, dims: Mapping[str, Any] | None = None) -> None:
        self.network = network
        self.dims: dict[str, Any] = dict(dims or {})

    def of(self, ref: Any) -> Dims:
        """Dimensions of an argument."""
        found: Dims = self.dims[ref.name]
        return found

    def shape(self, ref: Any) -> tuple[int, ...]:
        """Shape of an argument for a batch of one."""
        return self.network.shape_of(ref.name)


#: dimensions of the inputs → those of the result; unifies what must stay equal, freezes what it mixes
Rule = Callable[[Walk, Node], Any]
#: multiply-accumulates for one window
Macs = Callable[["Network", Node], int]
#: what an operation reads by summing over it: weights where it has some, else its input
Reads = Callable[[Node], list[Reader]]
#: the dimensions of its input, of this rank, that a statistic runs over
Over = Callable[[Node, int], Sequence[int]]
#: the node with its arguments adapted to the slices that are kept, given the new shape of its (first) result
Sizes = Callable[["Network", Node, Shape, Keep], Node]


def not_understood(walk: Walk, node: Node) -> Any:
    """Freeze everything: nobody knows what this operation mixes."""
    why = f"operation '{node.kind}' is not understood at {node.where}"
    for ref in refs((node.args, tuple(node.kwargs.values()))):
        for dim in _each(walk.dims.get(ref.name, ())):
            freeze(dim, why)
    return _frozen(node.shape, why)


def _each(dims: Any) -> Sequence[Dim]:
    """The dimensions of one result, or of all results of an operation that has several."""
    if dims and isinstance(dims[0], tuple) and dims[0] and isinstance(dims[0][0], tuple):
        return [dim for result in dims for dim in result]
    return list(dims)


def _frozen(shape: Any, why: str) -> Any:
    if shape and isinstance(shape[0], tuple):
        return tuple(_frozen(s, why) for s in shape)
    return tuple(fresh(s, why) for s in shape)


def per_dimension(value: Any, n: int, default: int) -> list[int]:
    """An argument such as a stride as one number per dimension."""
    if value is None:
        return [default] * n
    values = list(value) if isinstance(value, tuple | list) else [value]
    return (values * n)[:n] if len(values) == 1 else values
