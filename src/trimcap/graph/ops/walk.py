"""The state of one walk over a network, and what an operation without a rule does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trimcap.graph.network import Network, Node, refs
from trimcap.graph.ops.atoms import Dim, freeze, fresh

Dims = tuple[Dim, ...]


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


Rule = Callable[[Walk, Node], Any]


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
