"""Layer, group and instance norm, and softmax inside a network."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from trimcap.graph.node import Node
from trimcap.program.lower.building import Builder, View
from trimcap.program.lower.linear import affine


def _constants(b: Builder, *arguments: Any) -> list[Any]:
    if not all(b.is_constant(a) for a in arguments):
        raise b.error("its weight or bias depends on the window")
    return [None if a is None else b.constant(a) for a in arguments]


def _normalised(b: Builder, view: View, outer: int, epsilon: float, gain: Any = None, offset: Any = None) -> View:
    """Each of `outer` rows with mean 0 and variance 1, times gain, plus offset."""
    if view.strides is not None:
        raise b.error("a norm of a broadcast (expand)")
    constants = {
        "gain": _shortest(np.ones(1) if gain is None else gain),
        "offset": _shortest(np.zeros(1) if offset is None else offset),
    }
    attrs = {"outer": outer, "reduce": prod(view.shape) // outer, "epsilon": float(epsilon)}
    shape = b.values[view.value].shape
    return b.op("layer_norm", (view.value,), shape, attrs=attrs, constants=constants, view=view.shape)


def _shortest(values: Any) -> Any:
    """One number where all are the same."""
    flat = np.reshape(values, -1)
    return flat[:1] if (flat == flat[0]).all() else flat


def _layer_norm(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    gain, offset = _constants(b, node.arg(2), node.arg(3))
    outer = prod(view.shape) // prod(node.args[1])
    return _normalised(b, view, outer, node.arg(4, 1e-5), gain, offset)


def _group_norm(b: Builder, node: Node) -> View:
    """Per group of channels, then factor and offset per channel."""
    made = _normalised(b, b.view(node.args[0]), int(node.args[1]), node.arg(4, 1e-5))
    return _per_channel(b, made, node.arg(2), node.arg(3))


def _instance_norm(b: Builder, node: Node) -> View:
    """Per channel, by the window's own mean and variance."""
    if not node.arg(5, True):
        raise b.error("instance norm by running statistics; use batch norm")
    view = b.view(node.args[0])
    made = _normalised(b, view, view.shape[0], node.arg(7, 1e-5))
    return _per_channel(b, made, node.arg(1), node.arg(2))


def _per_channel(b: Builder, view: View, weight: Any, bias: Any) -> View:
    gain, offset = _constants(b, weight, bias)
    if (gain is None or (gain == 1).all()) and (offset is None or not offset.any()):
        return view
    factor = np.ones(view.shape[0]) if gain is None else gain
    return affine(b, view, factor, np.zeros(view.shape[0]) if offset is None else offset)


def softmax(b: Builder, view: View, dim: int) -> View:
    """exp(x)/Σ exp(x) over a dimension (without batch)."""
    if view.strides is not None:
        raise b.error("a softmax of a broadcast (expand)")
    attrs = {"outer": prod(view.shape[:dim]), "reduce": view.shape[dim], "inner": prod(view.shape[dim + 1 :])}
    return b.op("softmax", (view.value,), b.values[view.value].shape, attrs=attrs, view=view.shape)


RULES: dict[str, Callable[[Builder, Node], View]] = {
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
}
