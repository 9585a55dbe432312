"""One operation of a network and its arguments: what everything that reads a graph needs, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Ref:
    """An argument that is the result of another node, or a tensor of the network, by name."""

    name: str


@dataclass(frozen=True)
class Node:
    """One operation.

    Parameters
    ----------
    name : unique name of its result
    op : ATen overload such as "aten.conv2d.default", or "getitem"
    args, kwargs : arguments; tensors are `Ref`s
    shape : shape of the result for a batch of one window; a tuple of shapes for several results
    layer : path of the module that ran it, for messages and names ("" at top level)
    training : arguments that are others in training mode, as (position or keyword, value): ((2, True),) for dropout.
        An operation without them does the same in both modes (a frozen batch norm, a dropout that is off)
    """

    name: str
    op: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    shape: Any
    layer: str = ""
    training: tuple[tuple[int | str, Any], ...] = ()

    @cached_property
    def kind(self) -> str:
        """The operation without namespace and overload: "conv2d"."""
        return self.op.split(".")[1] if self.op.startswith("aten.") else self.op

    @property
    def where(self) -> str:
        """What to call this place in a message."""
        return f"{self.layer or 'top level'} ({self.kind})"

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of everything it reads, in order."""
        return tuple(ref.name for ref in refs((self.args, tuple(self.kwargs.values()))))

    def in_training(self) -> Node:
        """The operation with the arguments that it has in training mode."""
        if not self.training:
            return self
        args, kwargs = list(self.args), dict(self.kwargs)
        for place, value in self.training:
            if isinstance(place, int):
                args[place] = value
            else:
                kwargs[place] = value
        return replace(self, args=tuple(args), kwargs=kwargs)

    def arg(self, index: int, default: Any = None) -> Any:
        """Positional argument `index`, or `default` when it was left out."""
        return self.args[index] if index < len(self.args) else default


def refs(value: Any) -> Iterator[Ref]:
    """Every `Ref` inside nested tuples, in order."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from refs(item)


def map_refs(value: Any, function: Callable[[str], Any]) -> Any:
    """Nested tuples with every `Ref` replaced by `function(name)`."""
    if isinstance(value, Ref):
        return function(value.name)
    if isinstance(value, tuple | list):
        return tuple(map_refs(item, function) for item in value)
    return value
