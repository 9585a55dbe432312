"""Sums, differences, products and quotients of windows with windows and with constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trimcap.graph.node import Node
from trimcap.program.kernels import row_major
from trimcap.program.lower.building import Builder, Shape, View
from trimcap.program.lower.linear import affine_by

Rule = Callable[[Builder, Node], View]


def _alpha(node: Node) -> float:
    return float(node.kwargs.get("alpha", node.arg(2, 1)))


def _add(b: Builder, node: Node) -> View:
    x, y, alpha = node.args[0], node.args[1], _alpha(node)
    if b.is_constant(y):
        return _affine(b, x, 1.0, alpha * np.asarray(b.constant(y), np.float64))
    if b.is_constant(x):
        return _affine(b, y, alpha, b.constant(x))
    return _combine(b, "add", b.view(x), _scaled(b, b.view(y), alpha))


def _sub(b: Builder, node: Node) -> View:
    return _difference(b, node.args[0], node.args[1], _alpha(node))


def _rsub(b: Builder, node: Node) -> View:
    if _alpha(node) != 1:
        raise b.error("alpha must be 1")
    return _difference(b, node.args[1], node.args[0], 1.0)


def _difference(b: Builder, x: Any, y: Any, alpha: float) -> View:
    if b.is_constant(y):
        return _affine(b, x, 1.0, -alpha * np.asarray(b.constant(y), np.float64))
    if b.is_constant(x):
        return _affine(b, y, -alpha, b.constant(x))
    return _combine(b, "add", b.view(x), _scaled(b, b.view(y), -alpha))


def _mul(b: Builder, node: Node) -> View:
    x, y = node.args[:2]
    if b.is_constant(x) or b.is_constant(y):
        window, constant = (y, x) if b.is_constant(x) else (x, y)
        return _affine(b, window, b.constant(constant), 0.0)
    if x == y:
        return b.map(b.view(x), "square")
    return _combine(b, "mul", b.view(x), b.view(y))


def _div(b: Builder, node: Node) -> View:
    x, y = node.args[:2]
    if node.kwargs.get("rounding_mode") is not None:
        raise b.error("a rounding division")
    if b.is_constant(y):
        return _affine(b, x, 1 / np.asarray(b.constant(y), np.float64), 0.0)
    inverse = b.map(b.view(y), "reciprocal")
    if b.is_constant(x):
        return affine_by(b, inverse, b.constant(x), 0.0)
    return _combine(b, "mul", b.view(x), inverse)


def _affine(b: Builder, argument: Any, factor: Any, offset: Any) -> View:
    view = b.view(argument)
    if view.shape != b.out_shape:
        raise b.error(f"a constant widens {view.shape} to {b.out_shape}")
    return affine_by(b, view, factor, offset)


def _scaled(b: Builder, view: View, factor: float) -> View:
    if factor == 1:
        return view
    return View(b.map(View(view.value, view.shape), "affine", factor, 0).value, view.shape, view.strides)


def _combine(b: Builder, kind: str, x: View, y: View) -> View:
    shape = b.out_shape
    attrs = {"strides_a": _strides(b, x, shape), "strides_b": _strides(b, y, shape)}
    return b.op(kind, (x.value, y.value), shape, attrs=attrs)


def _strides(b: Builder, view: View, shape: Shape) -> Shape:
    """Strides in elements that repeat a view up to `shape`, by the broadcasting rules."""
    own = view.strides or row_major(view.shape)
    missing = len(shape) - len(view.shape)
    if missing < 0:
        raise b.error(f"cannot broadcast {view.shape} to {shape}")
    sizes, own = (1,) * missing + view.shape, (0,) * missing + own
    return tuple(0 if n == 1 else s for n, s in zip(sizes, own, strict=True))


def _expand(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    return View(view.value, b.out_shape, _strides(b, view, b.out_shape))


RULES: dict[str, Rule] = {
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "mul": _mul,
    "div": _div,
    "expand": _expand,
    "expand_as": _expand,
}
