"""What each ATen operation does to the dimensions of its tensors.

A rule takes the dimensions of the inputs and returns those of the result; on the way it unifies what must stay
equal and freezes what it mixes. An operation without a rule freezes everything it touches and says so.
"""

from __future__ import annotations

from typing import Any

from trimcap.graph.atoms import size_of
from trimcap.graph.network import Node
from trimcap.graph.rules_layers import convolution, group_norm, layer_norm, linear, per_channel, recurrent
from trimcap.graph.rules_mix import (
    adaptive_pool,
    attention,
    broadcast,
    cat,
    matmul,
    pad,
    pool,
    reduction,
    softmax,
    variance,
)
from trimcap.graph.rules_views import created, expand, getitem, number, permute, pick, reshape, transpose
from trimcap.graph.walk import Rule, Walk, not_understood


def follow(walk: Walk, node: Node) -> Any:
    """Dimensions of the result of `node`; a tuple of them for several results.

    A rule whose result has other sizes than the operation's has met a form that it does not know: the operation
    is taken as not understood.
    """
    # clamp and its like may read tensors as limits
    rule: Rule = RULES.get(node.kind, broadcast if node.kind in ELEMENTWISE else not_understood)
    found = rule(walk, node)
    return found if _fits(found, node.shape) else not_understood(walk, node)


def _fits(found: Any, shape: Any) -> bool:
    if shape and isinstance(shape[0], tuple):
        return len(found) == len(shape) and all(map(_fits, found, shape))
    return tuple(map(size_of, found)) == tuple(shape)


ELEMENTWISE = frozenset(
    [
        "abs",
        "alpha_dropout",
        "celu",
        "clamp",
        "clamp_max",
        "clamp_min",
        "cos",
        "detach",
        "dropout",
        "elu",
        "erf",
        "exp",
        "feature_alpha_dropout",
        "feature_dropout",
        "gelu",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "log",
        "log1p",
        "log_sigmoid",
        "mish",
        "neg",
        "reciprocal",
        "relu",
        "relu6",
        "round",
        "rsqrt",
        "selu",
        "sigmoid",
        "sign",
        "silu",
        "sin",
        "softplus",
        "softsign",
        "sqrt",
        "square",
        "tanh",
        "tanhshrink",
    ]
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), convolution),
    **dict.fromkeys(("batch_norm", "instance_norm", "prelu"), per_channel),
    **dict.fromkeys(("gru", "lstm", "rnn_tanh", "rnn_relu"), recurrent),
    **dict.fromkeys(("add", "sub", "mul", "div", "pow", "maximum", "minimum", "rsub"), broadcast),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"), pool),
    **dict.fromkeys(
        ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"),
        adaptive_pool,
    ),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "logsumexp"), reduction),
    **dict.fromkeys(("var", "std"), variance),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "cumsum"), softmax),
    **dict.fromkeys(("matmul", "bmm"), matmul),
    **dict.fromkeys(("pad", "constant_pad_nd"), pad),
    **dict.fromkeys(("slice", "select", "chunk", "split", "split_with_sizes", "unbind", "narrow"), pick),
    **dict.fromkeys(("zeros", "ones", "full", "arange"), created),
    "linear": linear,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "cat": cat,
    "scaled_dot_product_attention": attention,
    "reshape": reshape,
    "permute": permute,
    "transpose": transpose,
    "expand": expand,
    "getitem": getitem,
    "sym_size": number,
    **dict.fromkeys(("sym.mul", "sym.add", "sym.sub", "sym.floordiv"), number),
}
