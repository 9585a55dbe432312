"""What runs over an axis, written so that slices can be missing from it without being removed.

A mean, a layer norm or a softmax over an axis isn't told a slice is gone by a zero: the zero counts. A removed slice
is *absent*: the statistics run over what is left, as in the layer with fewer features that is left to run. Here the
same is computed on the whole axis with a mask m of ones and zeros:

- mean Σ m·x / Σ m, and so the mean and variance of layer, group and RMS norms
- maximum and softmax of x + log m, where log 0 = −∞

For m = 1 everywhere each form is the operation itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.ops.mix import reduced

#: the mask as the name of a tensor that broadcasts to the input of the operation
Form = Callable[[Network, Node, str], list[Node]]


class _Steps:
    """Operations one after the other, named after the node that they stand for; shapes are of no use in a twin."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.nodes: list[Node] = []

    def do(self, op: str, *args: Any, last: bool = False, **kwargs: Any) -> Ref:
        name = self.node.name if last else f"{self.node.name} absent {len(self.nodes)}"
        self.nodes.append(Node(name, f"aten.{op}", args, kwargs, self.node.shape, self.node.layer))
        return Ref(name)

    def mean(self, x: Any, mask: Ref, over: tuple[int, ...], keep: bool = True, *, last: bool = False) -> Ref:
        """Σ m·x / Σ m; 0 where nothing is left."""
        total = self.do("sum.dim_IntList", self.do("mul.Tensor", x, mask), over, keep)
        ones = self.do("mul.Tensor", self.do("ones_like.default", x), mask)
        count = self.do("clamp_min.default", self.do("sum.dim_IntList", ones, over, keep), 1e-30)
        return self.do("div.Tensor", total, count, last=last)

    def scaled(self, x: Any, weight: Any, bias: Any) -> None:
        """The end of a norm: times its weight, plus its bias."""
        one = isinstance(weight, Ref)
        x = self.do("mul.Tensor", x, weight if one else 1.0, last=not isinstance(bias, Ref))
        if isinstance(bias, Ref):
            self.do("add.Tensor", x, bias, last=True)


def _mean(network: Network, node: Node, mask: str) -> list[Node]:
    steps = _Steps(node)
    rank = len(network.shape_of(node.inputs[0]))
    over = tuple(sorted(reduced(node, rank)))
    steps.mean(node.args[0], Ref(mask), over, len(node.shape) == rank, last=True)
    return steps.nodes


def _logarithm(network: Network, node: Node, mask: str) -> list[Node]:
    """Maximum, softmax and their kind: of x + log m."""
    del network
    steps = _Steps(node)
    log = steps.do("log.default", Ref(mask))
    if node.kind == "amin":
        log = steps.do("neg.default", log)
    x = steps.do("add.Tensor", node.args[0], log)
    steps.nodes.append(Node(node.name, node.op, (x, *node.args[1:]), node.kwargs, node.shape, node.layer))
    return steps.nodes


def _layer_norm(network: Network, node: Node, mask: str) -> list[Node]:
    del network
    steps, x, rms = _Steps(node), node.args[0], node.kind == "rms_norm"
    over = tuple(range(-len(node.args[1]), 0))
    eps = node.arg(3 if rms else 4, None if rms else 1e-5)
    centred = x if rms else steps.do("sub.Tensor", x, steps.mean(x, Ref(mask), over))
    square = steps.mean(steps.do("mul.Tensor", centred, centred), Ref(mask), over)
    # torch takes the precision it computes in, which is that of the twin
    steady = steps.do("add.Tensor", square, 2.220446049250313e-16 if eps is None else eps)
    result = steps.do("mul.Tensor", centred, steps.do("rsqrt.default", steady))
    steps.scaled(result, node.arg(2), None if rms else node.arg(3))
    return steps.nodes


def _group_norm(network: Network, node: Node, mask: str) -> list[Node]:
    steps, shape, groups = _Steps(node), network.shape_of(node.inputs[0]), node.args[1]
    column = (-1, *[1] * (len(shape) - 2))
    split = (-1, groups, shape[1] // groups, *shape[2:])
    x = steps.do("reshape.default", node.args[0], split)
    m = steps.do("reshape.default", Ref(mask), (1, groups, -1, *[1] * (len(shape) - 2)))
    over = tuple(range(2, len(split)))
    centred = steps.do("sub.Tensor", x, steps.mean(x, m, over))
    square = steps.mean(steps.do("mul.Tensor", centred, centred), m, over)
    steady = steps.do("rsqrt.default", steps.do("add.Tensor", square, node.arg(4, 1e-5)))
    result = steps.do("reshape.default", steps.do("mul.Tensor", centred, steady), (-1, *shape[1:]))
    parameters = [steps.do("reshape.default", p, column) if isinstance(p, Ref) else None for p in _pair(node)]
    steps.scaled(result, *parameters)
    return steps.nodes


def _pair(node: Node) -> tuple[Any, Any]:
    return node.arg(2), node.arg(3)


#: operation → the same with a mask
ABSENT: dict[str, Form] = {
    "mean": _mean,
    **dict.fromkeys(("amax", "amin", "logsumexp", "softmax", "log_softmax", "_softmax", "_log_softmax"), _logarithm),
    "layer_norm": _layer_norm,
    "rms_norm": _layer_norm,
    "group_norm": _group_norm,
}
