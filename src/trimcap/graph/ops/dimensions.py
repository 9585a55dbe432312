"""What each ATen operation does to the dimensions of its tensors.

A rule takes the dimensions of the inputs and returns those of the result; on the way it unifies what must stay
equal and freezes what it mixes. An operation without a rule freezes everything it touches and says so.
"""

from __future__ import annotations

from typing import Any

from trimcap.graph.network import Node
from trimcap.graph.ops.atoms import size_of
from trimcap.graph.ops.cut import embedding, glu, index, scattered, split, take, unbind
from trimcap.graph.ops.layers import (
    convolution,
    group_norm,
    layer_norm,
    linear,
    per_channel,
    transposed_convolution,
)
from trimcap.graph.ops.mix import (
    OVER_WHAT_IS_LEFT,
    adaptive_pool,
    broadcast,
    cumulated,
    fourier,
    ordered,
    pad,
    pool,
    reduction,
    resample,
    softmax,
    stft,
)
from trimcap.graph.ops.products import attention, einsum, matmul
from trimcap.graph.ops.recurrent import RECURRENT, recurrent
from trimcap.graph.ops.views import (
    cat,
    expand,
    expand_as,
    filled,
    flip,
    getitem,
    number,
    numbered,
    parts_of_complex,
    permute,
    repeat,
    repeat_interleave,
    reshape,
    roll,
    stack,
    transpose,
    triangle,
    unfold,
)
from trimcap.graph.ops.walk import Rule, Walk, not_understood


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


#: reductions of which no slice may be missing
WHOLE = (
    *("var", "std", "var_mean", "std_mean", "max", "min", "aminmax", "median", "nanmean", "prod"),
    *("argmax", "argmin", "any", "all"),
)
FILLED = ["zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty"]
PADDED = [f"{kind}_pad{n}d" for kind in ("reflection", "replication") for n in (1, 2, 3)]
UPSAMPLED = [
    *(f"upsample_nearest{n}d" for n in (1, 2, 3)),
    *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"),
]
ELEMENTWISE = frozenset(
    [
        *(
            "add",
            "sub",
            "mul",
            "div",
            "pow",
            "maximum",
            "minimum",
            "rsub",
            "fmod",
            "remainder",
            "floor_divide",
            "atan2",
        ),
        *("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not", "bitwise_not", "isnan"),
        *("where", "masked_fill", "lerp", "_to_copy", "angle", "real", "imag", "complex", "polar", "expm1", "log2"),
        *("floor", "ceil", "log10", "sinh", "cosh", "asin", "acos", "atan", "nan_to_num", "threshold", "logit"),
        *("zeros_like", "ones_like", "full_like", "clip", "conj", "sgn", "trunc", "erfc", "rrelu", "bitwise_and"),
        *("bitwise_or", "addcmul", "addcdiv", "hypot", "clone", "contiguous", "fmax", "fmin", "logaddexp"),
        *("softshrink", "hardshrink", "exp2", "sinc"),
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
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), transposed_convolution),
    **dict.fromkeys(("batch_norm", "instance_norm", "prelu"), per_channel),
    **dict.fromkeys(RECURRENT, recurrent),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"), pool),
    **dict.fromkeys(("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"), pool),
    **dict.fromkeys([f"adaptive_{kind}_pool{n}d" for kind in ("avg", "max") for n in (1, 2, 3)], adaptive_pool),
    **dict.fromkeys(UPSAMPLED, resample),
    **dict.fromkeys((*OVER_WHAT_IS_LEFT, *WHOLE), reduction),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), softmax),
    **dict.fromkeys(("cumsum", "cumprod", "logcumsumexp"), cumulated),
    **dict.fromkeys(("sort", "topk"), ordered),
    **dict.fromkeys(("matmul", "bmm", "mm", "mv", "dot", "addmm", "baddbmm"), matmul),
    **dict.fromkeys(("pad", "constant_pad_nd", *PADDED), pad),
    **dict.fromkeys(("chunk", "split", "split_with_sizes"), split),
    **dict.fromkeys(("slice", "narrow", "select"), take),
    **dict.fromkeys(("index", "index_select"), index),
    **dict.fromkeys(("slice_scatter", "select_scatter"), scattered),
    **dict.fromkeys(FILLED, filled),
    **dict.fromkeys(("arange", "eye", "linspace", "hann_window"), numbered),
    **dict.fromkeys(("cat", "concat", "concatenate"), cat),
    **dict.fromkeys(("transpose", "t", "mT", "swapaxes"), transpose),
    **dict.fromkeys(("tril", "triu"), triangle),
    **dict.fromkeys(("view_as_real", "view_as_complex"), parts_of_complex),
    **dict.fromkeys(("fft_fft", "fft_ifft", "fft_rfft", "fft_irfft"), fourier),
    "linear": linear,
    **dict.fromkeys(("layer_norm", "rms_norm"), layer_norm),
    "group_norm": group_norm,
    "scaled_dot_product_attention": attention,
    "einsum": einsum,
    "reshape": reshape,
    "permute": permute,
    "expand": expand,
    "expand_as": expand_as,
    "repeat": repeat,
    "repeat_interleave": repeat_interleave,
    "stack": stack,
    "unbind": unbind,
    "glu": glu,
    "embedding": embedding,
    "flip": flip,
    "roll": roll,
    "unfold": unfold,
    "stft": stft,
    "getitem": getitem,
    "sym_size": number,
    **dict.fromkeys(("sym.mul", "sym.add", "sym.sub", "sym.floordiv"), number),
}
