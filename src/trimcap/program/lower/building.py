"""What lowering accumulates: values, operations, constants, and which torch tensor each value is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.program.program import Op, Value

Shape = tuple[int, ...]


class CannotLower(ValueError):
    """A network has no counterpart in a Program; `what` says shortly of what there is no C."""

    def __init__(self, message: str, what: str) -> None:
        super().__init__(message)
        self.what = what


@dataclass(frozen=True)
class View:
    """A torch tensor of one window, as a value read in row-major order.

    `value` holds the elements; `shape` is the tensor's shape without batch; `strides` are given (in elements) only
    after a broadcast such as `expand`, when shape and memory differ in size.
    """

    value: str
    shape: Shape
    strides: Shape | None = None


class Builder:
    """Grows a float Program node by node; used by `lower` only."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.values: dict[str, Value] = {}
        self.ops: list[Op] = []
        self.constants: dict[str, NDArray[np.float32]] = {}
        self.views: dict[str, View | tuple[View, ...]] = {}
        self.folded: dict[str, Any] = {name: t.detach().cpu() for name, t in network.tensors.items()}
        self.notes: list[str] = []
        self._reshaped: dict[tuple[str, Shape], str] = {}
        self.node = network.nodes[0] if network.nodes else Node("input", "input", (), {}, ())

    # -- reading ---------------------------------------------------------------------------------------------------

    def is_constant(self, argument: Any) -> bool:
        """Whether an argument does not depend on the window."""
        return not isinstance(argument, Ref) or argument.name in self.folded

    def constant(self, argument: Any) -> Any:
        """A number, or a tensor as a float64 array."""
        value = self.folded[argument.name] if isinstance(argument, Ref) else argument
        return value.double().numpy() if isinstance(value, Tensor) else value

    def view(self, argument: Any) -> View:
        """The view behind an argument that depends on the window."""
        found = self.views[argument.name] if isinstance(argument, Ref) and argument.name in self.views else None
        if not isinstance(found, View):
            raise self.error(f"its input {argument!r} is not one tensor that depends on the window")
        return found

    def shaped(self, view: View, shape: Shape) -> str:
        """Name of a value with exactly this shape and the view's elements; a reshape is added only if needed."""
        if view.strides is not None:
            raise self.error("a broadcast (expand) may be followed by +, −, ·, / only")
        if self.values[view.value].shape == shape:
            return view.value
        if prod(shape) != self.values[view.value].size:
            raise self.error(f"cannot see {view.shape} as {shape}")
        if (view.value, shape) not in self._reshaped:
            name = self._fresh(f"{view.value}_as_{'x'.join(map(str, shape))}")
            self._reshaped[view.value, shape] = self.op("reshape", (view.value,), shape, name=name).value
        return self._reshaped[view.value, shape]

    def image(self, view: View, channels: int) -> str:
        """Name of a value (channels, height, width) with the view's elements."""
        current = self.values[view.value].shape
        if len(current) == 3 and current[0] == channels:
            return view.value
        if len(view.shape) == 3 and view.shape[0] == channels:
            return self.shaped(view, view.shape)
        return self.shaped(view, (channels, 1, prod(view.shape) // channels))

    def dim(self, dim: int, rank: int | None = None) -> int:
        """A torch dimension as one without batch."""
        rank = len(self.out_shape) + 1 if rank is None else rank
        dim = dim % rank
        if dim == 0:
            raise self.error("it works across windows (dimension 0 is the batch)")
        return dim - 1

    # -- writing ---------------------------------------------------------------------------------------------------

    @property
    def out_shape(self) -> Shape:
        """Shape of the current node's result without batch."""
        return tuple(self.node.shape[1:])

    def op(
        self,
        kind: str,
        inputs: Sequence[str],
        shape: Shape,
        *,
        attrs: Mapping[str, Any] | None = None,
        constants: Mapping[str, NDArray[Any]] | None = None,
        view: Shape | None = None,
        name: str = "",
    ) -> View:
        """Add an operation whose output has `shape`; returns it as a view (of shape `view`)."""
        name = name or self._fresh(self.node.name)
        roles = {role: f"{name}.{role}" for role in constants or {}}
        for role, array in (constants or {}).items():
            self.constants[roles[role]] = np.ascontiguousarray(array, dtype=np.float32)
        self.values[name] = Value(name, tuple(shape))
        source = self.node.layer or self.node.kind
        self.ops.append(Op(name, kind, tuple(inputs), name, dict(attrs or {}), roles, source))
        return View(name, tuple(shape if view is None else view))

    def map(self, view: View, function: str, *parameters: float) -> View:
        """Apply a function of `functions` to every element."""
        if view.strides is not None:
            raise self.error("a broadcast (expand) may be followed by +, −, ·, / only")
        attrs = {"function": function, "parameters": tuple(float(p) for p in parameters)}
        return self.op("map", (view.value,), self.values[view.value].shape, attrs=attrs, view=view.shape)

    def error(self, why: str) -> CannotLower:
        """An error that names the operation and its layer."""
        where = self.node.layer or "top level"
        message = f"cannot lower {_op(self.node)} at {where} ('{self.node.name}'): {why}"
        return CannotLower(message, f"{self.node.kind} has no C")

    def _fresh(self, name: str) -> str:
        if name not in self.values:
            return name
        number = 1
        while f"{name}_{number}" in self.values or f"{name}_{number}" in self.network.node:
            number += 1
        return f"{name}_{number}"


def replace_view(view: View, shape: Shape) -> View:
    """The same elements under another shape."""
    return replace(view, shape=tuple(shape))


def _op(node: Node) -> str:
    return ".".join(node.op.split(".")[:2])
