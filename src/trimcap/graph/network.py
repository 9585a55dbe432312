"""Network: a traced model as data, one list of ATen operations and the tensors they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from trimcap.data.expected import Expected
from trimcap.data.seen import OUTSIDE, Seen
from trimcap.graph.axes import Axes, analyse
from trimcap.graph.module import NetworkModule
from trimcap.graph.node import Node, Shape

#: names of the dimensions of one window (without batch), by their number
INPUT_DIMENSIONS = {
    1: ("features",),
    2: ("electrodes", "times"),
    3: ("bands", "rows", "columns"),
}


@dataclass(frozen=True)
class Constraint:
    """A rule that a tensor obeys after every training step.

    `max_norm`: each slice along `dim` has Euclidean norm ≤ `value`: w ← w · min(1, value / ‖w‖).
    `weight_norm`: the tensor is trained as magnitude and direction, w = g · v / ‖v‖ along `dim`.
    """

    tensor: str
    kind: str
    dim: int = 0
    value: float = 0.0


@dataclass(frozen=True, eq=False)
class Network:
    """A model as a graph of ATen operations.

    Parameters
    ----------
    nodes : operations in execution order
    tensors : parameters, buffers and constants by name (the names of the original `state_dict`)
    trainable : names of the tensors that `fit` changes
    inputs : name → shape of one window (without batch)
    output : name of the node whose result the network returns
    constraints : rules such as max-norm that training re-imposes
    channels : electrode names of the input, if known
    dimensions : names of the input's dimensions
    origin : class of the model that was traced
    expects : what is known of its input: of the windows that it was trained on, else of those it was traced with
    seen : windows that its weights, and those of its teachers, were made with
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    trainable: frozenset[str]
    inputs: Mapping[str, Shape]
    output: str
    constraints: tuple[Constraint, ...] = ()
    channels: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    origin: str = ""
    notes: tuple[str, ...] = field(default=())
    expects: Expected | None = None
    seen: Seen = field(default=OUTSIDE, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}  # what is cached can be found again

    @cached_property
    def node(self) -> dict[str, Node]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def users(self) -> dict[str, tuple[Node, ...]]:
        """Which nodes read a result or tensor."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def axes(self) -> Axes:
        """What may be removed together, and what may not, with the reason."""
        return analyse(self)

    def labels_of(self, name: str) -> tuple[str, ...]:
        """Names of the dimensions of an input; those of inputs after the first begin with the input's own."""
        shape = self.inputs[name]
        if name == next(iter(self.inputs)):
            return self.dimensions
        known = INPUT_DIMENSIONS.get(len(shape), tuple(f"dimension {i}" for i in range(len(shape))))
        return tuple(f"{name}.{label}" for label in known)

    @property
    def input_shape(self) -> Shape:
        """Shape of one window of the (first) input."""
        return next(iter(self.inputs.values()))

    @property
    def n_classes(self) -> int:
        """Number of outputs."""
        return int(prod(self.shape_of(self.output)))

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(self.tensors[name].numel() for name in self.trainable)

    def shape_of(self, name: str) -> Shape:
        """Shape of a result, an input (both for a batch of one) or a tensor."""
        if name in self.inputs:
            return (1, *self.inputs[name])
        if name in self.tensors:
            return tuple(self.tensors[name].shape)
        shape: Shape = self.node[name].shape
        return shape

    def module(self) -> NetworkModule:
        """A trainable `nn.Module` with its own copy of the tensors, in evaluation mode."""
        return NetworkModule(self).eval()

    def with_history(self, tensors: Mapping[str, Tensor], seen: Seen) -> Network:
        """The same graph with the values that a training on windows gave it."""
        return replace(self.with_tensors(tensors), seen=seen)

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Network:
        """The same graph with other values; names and shapes must agree."""
        for name, tensor in self.tensors.items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                got = tuple(tensors[name].shape) if name in tensors else "nothing"
                raise ValueError(f"tensor '{name}' has shape {tuple(tensor.shape)}, got {got}")
        return replace(self, tensors={n: tensors[n].detach().clone() for n in self.tensors})

    def __call__(self, *x: Tensor) -> Tensor:
        """Run in evaluation mode without gradients, on one tensor for each input."""
        with torch.no_grad():
            result: Tensor = replace(self, constraints=()).module()(*x)
        return result

    def __repr__(self) -> str:
        return (
            f"Network({self.origin}: {len(self.nodes)} operations, {self.n_parameters:,} parameters, "
            f"input {'×'.join(map(str, self.input_shape))}, {self.n_classes} outputs)"
        )


def need_network(value: Any, function: str) -> Network:
    """The network itself, or a message that says how to get one."""
    if isinstance(value, Network):
        return value
    if isinstance(getattr(value, "network", None), Network):
        raise TypeError(f"{function} takes a Network, got {type(value).__name__}: pass its `.network`")
    if isinstance(value, nn.Module):
        raise TypeError(
            f"{function} takes a Network, got the module {type(value).__name__}: "
            "call trimcap.trace(model, windows) first"
        )
    raise TypeError(f"{function} takes a Network, got {type(value).__name__}")
