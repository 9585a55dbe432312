"""Functions of one element: from ATen to the names in `functions`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trimcap.graph.node import Node
from trimcap.program.lower.building import Builder, View

#: "no limit" of a clip; an infinity would not survive JSON
FLT_MAX = float(np.finfo(np.float32).max)
_SELU = (1.6732632423543772, 1.0507009873554805)

#: ATen kinds that are functions of the same name
_SAME = (
    "relu", "silu", "sigmoid", "tanh", "mish", "hardswish", "hardsigmoid",
    "exp", "log", "sqrt", "abs", "sin", "cos", "erf", "square", "reciprocal",
)  # fmt: skip
#: ATen kind → (function, fixed parameters)
_FIXED: dict[str, tuple[Any, ...]] = {
    **{name: (name,) for name in _SAME},
    "relu6": ("clip", 0, 6),
    "selu": ("elu", *_SELU, 1),
    "rsqrt": ("pow", -0.5),
    "neg": ("affine", -1, 0),
}
#: ATen kind → (function, parameters from the node's arguments)
_SIMPLE: dict[str, Callable[[Node], tuple[Any, ...]]] = {
    "hardtanh": lambda n: ("clip", n.arg(1, -1), n.arg(2, 1)),
    "clamp": lambda n: _clip(n.arg(1, n.kwargs.get("min")), n.arg(2, n.kwargs.get("max"))),
    "clip": lambda n: _clip(n.arg(1, n.kwargs.get("min")), n.arg(2, n.kwargs.get("max"))),
    "clamp_min": lambda n: _clip(n.args[1], None),
    "clamp_max": lambda n: _clip(None, n.args[1]),
    "leaky_relu": lambda n: ("leaky_relu", n.arg(1, 0.01)),
    "elu": lambda n: ("elu", n.arg(1, 1), n.arg(2, 1), n.arg(3, 1)),
    "celu": lambda n: ("elu", n.arg(1, 1), 1, 1 / n.arg(1, 1)),
    "gelu": lambda n: ("gelu_tanh" if n.kwargs.get("approximate", n.arg(1)) == "tanh" else "gelu",),
    "softplus": lambda n: ("softplus", n.arg(1, 1), n.arg(2, 20)),
}


def _clip(low: Any, high: Any) -> tuple[str, float, float]:
    return "clip", -FLT_MAX if low is None else low, FLT_MAX if high is None else high


def _map(b: Builder, node: Node) -> View:
    function, *parameters = _FIXED.get(node.kind) or _SIMPLE[node.kind](node)
    if not all(isinstance(p, int | float) for p in parameters):
        raise b.error(f"its parameters {parameters} must be numbers")
    return b.map(b.view(node.args[0]), function, *parameters)


def _pow(b: Builder, node: Node) -> View:
    base, exponent = node.args[:2]
    if b.is_constant(base) or not b.is_constant(exponent) or np.size(b.constant(exponent)) != 1:
        raise b.error("only a window's values to a constant number are supported")
    p = float(np.reshape(b.constant(exponent), ()))
    view = b.view(base)
    return b.map(view, "square") if p == 2 else b.map(view, "pow", p)


def _prelu(b: Builder, node: Node) -> View:
    slope = np.asarray(b.constant(node.args[1])).reshape(-1)
    if not (slope == slope[0]).all():
        raise b.error("PReLU with a slope per channel; use one slope (num_parameters=1) or LeakyReLU")
    return b.map(b.view(node.args[0]), "leaky_relu", float(slope[0]))


def _log_base(base: float) -> Callable[[Builder, Node], View]:
    def rule(b: Builder, node: Node) -> View:
        return b.map(b.map(b.view(node.args[0]), "log"), "affine", 1 / np.log(base), 0)

    return rule


def _log1p(b: Builder, node: Node) -> View:
    return b.map(b.map(b.view(node.args[0]), "affine", 1, 1), "log")


def _log_sigmoid(b: Builder, node: Node) -> View:
    negative = b.map(b.view(node.args[0]), "affine", -1, 0)
    return b.map(b.map(negative, "softplus", 1, 1e30), "affine", -1, 0)


RULES: dict[str, Callable[[Builder, Node], View]] = {
    **dict.fromkeys((*_FIXED, *_SIMPLE), _map),
    "pow": _pow,
    "prelu": _prelu,
    "log2": _log_base(2.0),
    "log10": _log_base(10.0),
    "log1p": _log1p,
    "log_sigmoid": _log_sigmoid,
}
