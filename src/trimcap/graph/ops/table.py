"""What each kind of ATen operation is, said once: every list of kinds elsewhere derives from this table.

A new operation is one entry: its family gives the functions, and what it has no function for, nobody asks it. A kind
without a rule for its axes may stand in a network and a file, and freezes everything it touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from trimcap.graph.node import Node
from trimcap.graph.ops import cut, layers, mix, products, recurrent, views
from trimcap.graph.ops.walk import Macs, Over, Reader, Reads, Rule, Sizes

#: elementwise: each element of the result comes from the same element of what it reads
#: slicewise: each slice of the result is one of its inputs, or comes from the same slice of them
#: comparison: tells no value on, only whether
#: layer: products with weights of their own, or a norm
#: pick: takes some of what it is given
#: view: its result is its input, or a part of it, under another shape or name
#: dropout: does something in training only
#: created: made of nothing, and told its type
Trait = Literal["elementwise", "slicewise", "comparison", "layer", "pick", "view", "dropout", "created"]


@dataclass(frozen=True)
class Operation:
    """What one kind of operation is.

    Parameters
    ----------
    axes : what it does to the dimensions of its tensors; None: unknown, and everything it touches is frozen
    macs : its multiply-accumulates; None: it sums no products
    reads : what it sums over, which the masked twin sets to zero; None: it sums over nothing
    over : the dimensions that it is a statistic of; None: it is none, or one of which no slice may be missing
    sizes : how arguments that hold sizes follow when slices go; None: it is told none
    training : position of the argument that says whether the network trains
    """

    axes: Rule | None = None
    macs: Macs | None = None
    reads: Reads | None = None
    over: Over | None = None
    sizes: Sizes | None = None
    training: int | None = None
    traits: frozenset[Trait] = frozenset()


def _op(axes: Rule | None = None, *traits: Trait, macs: Macs | None = None, reads: Reads | None = None,
        over: Over | None = None, sizes: Sizes | None = None, training: int | None = None) -> Operation:  # fmt: skip
    return Operation(axes, macs, reads, over, sizes, training, frozenset(traits))


def _each(kinds: Iterable[str] | str, operation: Operation) -> dict[str, Operation]:
    return dict.fromkeys(kinds.split() if isinstance(kinds, str) else kinds, operation)


#: numbers that depend on the batch
NUMBERS = ("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "eq", "ne", "lt", "le", "gt", "ge")

_ELEMENTWISE = """
    _to_copy abs acos add addcdiv addcmul angle asin atan atan2 bitwise_and bitwise_or ceil celu clamp clamp_max
    clamp_min clip clone complex conj contiguous cos cosh detach div elu erf erfc exp exp2 expm1 floor floor_divide
    fmax fmin fmod gelu hardshrink hardsigmoid hardswish hardtanh hypot imag leaky_relu lerp log log10 log1p log2
    log_sigmoid logaddexp logical_and logical_or logit masked_fill maximum minimum mish mul nan_to_num neg polar pow
    real reciprocal relu relu6 remainder round rsqrt rsub selu sgn sigmoid sign silu sin sinc sinh softplus softshrink
    sqrt square sub tanh threshold trunc where
"""
_COMPARISONS = "zeros_like ones_like full_like eq ne lt le gt ge isnan logical_not bitwise_not"
#: reductions of which no slice may be missing
_WHOLE = "var std var_mean std_mean max min aminmax median nanmean prod argmax argmin any all"
_PADS = ("pad", "constant_pad_nd", *(f"{kind}_pad{n}d" for kind in ("reflection", "replication") for n in (1, 2, 3)))
_UPSAMPLES = (
    *(f"upsample_nearest{n}d" for n in (1, 2, 3)),
    *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"),
)
#: pure operations without a rule that torch writes down for models
_WITHOUT_A_RULE = """
    _conj _native_batch_norm_legit _native_batch_norm_legit_no_training _safe_softmax _unsafe_index 
    absolute acosh addbmm addr arccos arcsin arctan asinh atanh atleast_1d atleast_2d atleast_3d
    bartlett_window bilinear bitwise_xor blackman_window bucketize cdist chain_matmul channel_shuffle
    conj_physical copy copysign corrcoef cosine_similarity count_nonzero cov cross cummax cummin
    deg2rad diag diagonal_scatter diff digamma divide dsplit dstack empty_like erfinv fft_fft2
    fft_fftfreq fft_fftn fft_fftshift fft_hfft fft_ifft2 fft_ifftn fft_ifftshift fft_ihfft fft_irfft2 fft_irfftn
    fft_rfft2 fft_rfftfreq fft_rfftn fill fliplr flipud float_power frac frobenius_norm gather gcd ger
    grid_sampler grid_sampler_2d hamming_window heaviside histc hsplit hstack im2col index_add index_copy
    index_fill index_put inner isclose isfinite isinf istft kaiser_window kron kthvalue l1_loss lgamma
    linalg_cross linalg_eigh linalg_inv linalg_matrix_norm linalg_matrix_power linalg_multi_dot
    linalg_norm linalg_qr linalg_svd linalg_vecdot logaddexp2 logdet logical_xor masked_scatter matrix_exp
    meshgrid mode moveaxis movedim msort multiply nansum native_dropout native_group_norm native_layer_norm
    negative norm norm_except_dim nuclear_norm one_hot outer pairwise_distance permute_copy pixel_shuffle
    pixel_unshuffle positive quantile rad2deg ravel renorm resolve_conj resolve_neg rot90 scatter
    scatter_add scatter_reduce searchsorted signbit special_erf special_erfcx special_expit special_expm1
    special_log1p special_logit special_logsumexp special_xlogy subtract swapdims sym_numel sym_stride
    take take_along_dim tensor_split tensordot tile trace trapezoid trapz tril_indices triu_indices true_divide
    unsafe_chunk unsafe_split unsafe_split_with_sizes vander view_as vsplit vstack xlogy
"""

OPERATIONS: Mapping[str, Operation] = {
    # layers
    **_each(layers.CONVOLUTIONS, _op(layers.convolution, "layer", macs=layers.convolution_macs,
            reads=layers.reads_weight, sizes=layers.fewer_groups)),
    **_each(layers.TRANSPOSED, _op(layers.transposed_convolution, "layer", macs=layers.convolution_macs,
            reads=layers.reads_channels, sizes=layers.fewer_groups)),
    "convolution": _op(macs=layers.convolution_macs),
    "linear": _op(layers.linear, "layer", macs=layers.linear_macs, reads=layers.reads_weight),
    **_each("batch_norm instance_norm", _op(layers.per_channel, "layer", training=5)),
    "prelu": _op(layers.per_channel, "slicewise"),
    **_each("layer_norm rms_norm", _op(layers.layer_norm, "layer", over=layers.over_last,
            sizes=layers.normalised_shape)),
    "group_norm": _op(layers.group_norm, "layer", over=layers.over_channels, sizes=layers.fewer_groups),
    **_each(recurrent.RECURRENT, _op(recurrent.recurrent, "layer", macs=recurrent.recurrent_macs,
            reads=recurrent.reads_columns, training=6)),
    "embedding": _op(cut.embedding, "layer"),
    # products
    **_each(products.FACTORS, _op(products.matmul, "layer", macs=products.matmul_macs, reads=products.reads_inner)),
    "addmv": _op(macs=products.matmul_macs),
    "scaled_dot_product_attention": _op(products.attention, "layer", macs=products.attention_macs,
            reads=products.reads_inner, sizes=products.same_scale),
    "einsum": _op(products.einsum, "layer", macs=products.einsum_macs, reads=products.reads_letters),
    # element by element
    **_each(_ELEMENTWISE, _op(mix.broadcast, "elementwise", "slicewise")),
    **_each(_COMPARISONS, _op(mix.broadcast, "elementwise", "slicewise", "comparison")),
    **_each("dropout feature_dropout alpha_dropout feature_alpha_dropout",
            _op(mix.broadcast, "elementwise", "slicewise", "dropout", training=2)),
    "rrelu": _op(mix.broadcast, "elementwise", "slicewise", training=3),
    # pooling, statistics, transforms
    **_each((*mix.POOLS, *(f"max_pool{n}d_with_indices" for n in (1, 2, 3))), _op(mix.pool)),
    **_each(mix.ADAPTIVE_POOLS, _op(mix.adaptive_pool, sizes=mix.pooled_sizes)),
    **_each(_UPSAMPLES, _op(mix.resample)),
    **_each("sum linalg_vector_norm", _op(mix.reduction, reads=mix.reads_reduced)),
    **_each("mean amax amin logsumexp", _op(mix.reduction, over=mix.reduced)),
    **_each(_WHOLE, _op(mix.reduction)),
    **_each("softmax log_softmax _softmax _log_softmax", _op(mix.softmax, over=mix.over_one)),
    **_each("cumsum cumprod logcumsumexp", _op(mix.cumulated)),
    **_each("sort topk", _op(mix.ordered)),
    **_each("fft_fft fft_ifft fft_rfft fft_irfft", _op(mix.fourier)),
    "stft": _op(mix.stft),
    **_each(_PADS, _op(mix.pad, "slicewise")),
    # parts of a dimension
    **_each("chunk split split_with_sizes", _op(cut.split, "slicewise", "pick", "view", sizes=cut.split_where_it_was)),
    **_each("slice narrow select", _op(cut.take, "slicewise", "pick", sizes=cut.cut_where_it_was)),
    "unbind": _op(cut.unbind, "slicewise", "pick", "view"),
    "index_select": _op(cut.index, "slicewise", "pick"),
    "index": _op(cut.index, "slicewise"),
    "glu": _op(cut.glu, "slicewise"),
    **_each("slice_scatter select_scatter", _op(cut.scattered, "slicewise")),
    # the same values in another order or shape
    "reshape": _op(views.reshape, "slicewise", "view", sizes=views.sizes_second),
    "permute": _op(views.permute, "slicewise"),
    **_each("transpose t mT", _op(views.transpose, "slicewise")),
    "swapaxes": _op(views.transpose),
    "expand": _op(views.expand, "slicewise", "view", sizes=views.sizes_second),
    "expand_as": _op(views.expand_as, "slicewise", "view"),
    "repeat": _op(views.repeat, "slicewise"),
    "repeat_interleave": _op(views.repeat_interleave, "slicewise", sizes=views.repeated_size),
    "stack": _op(views.stack, "slicewise"),
    **_each("cat concat concatenate", _op(views.cat, "slicewise")),
    "flip": _op(views.flip, "slicewise"),
    "roll": _op(views.roll, "slicewise"),
    **_each("tril triu", _op(views.triangle, "slicewise")),
    "unfold": _op(views.unfold, "slicewise"),
    **_each("view_as_real view_as_complex", _op(views.parts_of_complex, "slicewise")),
    "getitem": _op(views.getitem, "slicewise", "pick", "view"),
    **_each("alias view _unsafe_view flatten unflatten squeeze unsqueeze", _op(None, "slicewise", "view")),
    **_each("diag_embed diagonal lift_fresh_copy numpy_T type_as", _op(None, "slicewise")),
    # numbers and constants
    "sym_size": _op(views.number, "slicewise"),
    **_each((f"sym.{name}" for name in NUMBERS), _op(views.number, "slicewise")),
    **_each("zeros ones full empty", _op(views.filled, "slicewise", "created", sizes=views.sizes_first)),
    **_each("new_zeros new_ones new_full new_empty", _op(views.filled, "slicewise", sizes=views.sizes_second)),
    **_each("arange eye linspace hann_window", _op(views.numbered, "slicewise", "created")),
    "scalar_tensor": _op(None, "slicewise", "created"),
    **_each(_WITHOUT_A_RULE, _op()),
}  # fmt: skip

_NOTHING_KNOWN = Operation()


def operation_of(kind: str) -> Operation:
    """What a kind of operation is; of one that nobody knows, nothing."""
    return OPERATIONS.get(kind, _NOTHING_KNOWN)


def kinds(*traits: Trait) -> frozenset[str]:
    """The kinds that have all of some traits."""
    return frozenset(kind for kind, operation in OPERATIONS.items() if operation.traits >= set(traits))


def readers(node: Node) -> list[Reader]:
    """What an operation reads by summing over it, as (name, function from its rank to its dimensions)."""
    reads = operation_of(node.kind).reads
    return reads(node) if reads is not None else []


def runs_over(node: Node, rank: int) -> tuple[int, ...]:
    """The dimensions of its input, of this rank, that an operation is a statistic of."""
    over = operation_of(node.kind).over
    return tuple(over(node, rank)) if over is not None else ()


#: kinds of layers that a person names, and their operations
LAYERS: Mapping[str, tuple[str, ...]] = {
    "conv": layers.CONVOLUTIONS,
    "linear": ("linear",),
    "recurrent": tuple(recurrent.RECURRENT),
}
ELEMENTWISE, DROPOUTS = kinds("elementwise"), kinds("dropout")
