"""What one operation costs: multiply-accumulates, published FLOPs, flash."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.ops.layers import CONVOLUTIONS, TRANSPOSED, WEIGHTED
from trimcap.graph.ops.mix import POOLS
from trimcap.graph.ops.products import FACTORS
from trimcap.graph.ops.recurrent import RECURRENT
from trimcap.graph.ops.table import operation_of

#: functions that integer arithmetic looks up in a table of 256 entries
TABLED = {
    "elu", "selu", "celu", "gelu", "silu", "mish", "leaky_relu", "hardswish", "hardsigmoid", "sigmoid", "tanh",
    "softplus", "log_sigmoid", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "rsqrt",
    "square", "pow", "abs", "neg", "reciprocal", "erf", "sin", "cos",
}  # fmt: skip
#: bytes of multipliers and shifts that one integer operation needs, beside those per output channel
_REQUANTIZE_BYTES = {"mul": 8, "div": 8, "add": 12, "sub": 12, "rsub": 12, "mean": 8}


def macs_of(network: Network, node: Node) -> int:
    """Multiply-accumulates of one operation for one window, as its family counts them; 0 where nothing is summed."""
    count = operation_of(node.kind).macs
    return count(network, node) if count is not None else 0


def published_flops_of(network: Network, node: Node) -> int:
    """FLOPs of one operation by the rule of the published EEG pruning tables, for one window.

    Convolution: (2·nnz(W) + C_out)·positions; linear: 2·numel(W) + C_out; batch norm: 2·numel(input);
    ReLU: numel(input); average and maximum pooling: numel(kernel)·numel(output); everything else 0. The
    bias is counted where there is none, and convolutions of any dimension are counted alike.

    Source: Rao and Zhong (2023), IJCNN; the rule that reproduces their tables.
    """
    if node.kind in CONVOLUTIONS:
        weight = network.tensors.get(node.inputs[1])
        nonzero = prod(network.shape_of(node.inputs[1])) if weight is None else int(torch.count_nonzero(weight))
        return int((2 * nonzero + node.shape[1]) * prod(node.shape[2:]))
    if node.kind == "linear":
        outputs, inputs = network.shape_of(node.inputs[1])
        return 2 * outputs * inputs + outputs
    if node.kind == "batch_norm":
        return 2 * prod(network.shape_of(node.inputs[0]))
    if node.kind == "relu":
        return prod(network.shape_of(node.inputs[0]))
    if node.kind in POOLS:
        return int(_kernel_size(node) * prod(node.shape))
    return 0


def _kernel_size(node: Node) -> int:
    kernel: Any = node.arg(1)
    dimensions = int(node.kind[-2])
    sizes = tuple(kernel) if isinstance(kernel, tuple | list) else (kernel,)
    return int(prod(sizes) if len(sizes) == dimensions else sizes[0] ** dimensions)


def tensors_of(network: Network, node: Node) -> tuple[str, ...]:
    """Names of the tensors (parameters, buffers, constants) that an operation reads."""
    return tuple(name for name in dict.fromkeys(node.inputs) if name in network.tensors)


def flash_of(network: Network, node: Node, names: Sequence[str], *, bits: int) -> int:
    """Bytes of constant data of one operation; `names` are its tensors that were not counted before.

    32 bits: 4 B per value. 8 bits and fewer: weights of `bits`, rounded up to whole bytes per tensor; a
    convolution or linear operation has an int32 bias (4 B) and a multiplier and a shift (8 B) per output
    channel; a recurrent bias and any other constant has 4 B per value; a function that is not piecewise
    linear, such as a square, has a table (256 B); additions have 12 B and products and pooling 8 B for
    requantization. A batch norm that was not folded is a scale and a shift per channel: 8 B at 32 bits, else
    a depthwise 1×1 convolution.
    """
    if node.kind == "batch_norm":
        channels = int(node.shape[1])
        scale_and_shift = 8 * channels if bits == 32 else 12 * channels + -(-channels * bits // 8)
        return scale_and_shift if names else 0
    if bits == 32:
        return sum(4 * network.tensors[name].numel() for name in names)
    weights = _weight_names(node)
    total = sum(_bytes(network, name, bits if name in weights else 32) for name in names if not _is_bias(node, name))
    if node.kind in (*WEIGHTED, *TRANSPOSED):
        channels = int(node.shape[-1] if node.kind == "linear" else node.shape[1])
        return total + 12 * channels
    if node.kind in TABLED or (node.kind == "mul" and len(node.inputs) == 2 and len(set(node.inputs)) == 1):
        return total + 256
    if node.kind in (*FACTORS, "einsum") or (node.kind in POOLS and node.kind.startswith("avg")):
        return total + 8
    return total + _REQUANTIZE_BYTES.get(node.kind, 0)


def _weight_names(node: Node) -> tuple[str, ...]:
    if node.kind in (*WEIGHTED, *TRANSPOSED):
        return node.inputs[1:2]
    return node.inputs if node.kind in (*RECURRENT, *FACTORS, "einsum", "embedding") else ()


def _is_bias(node: Node, name: str) -> bool:
    """Whether a tensor is the bias that every integer convolution or linear operation has anyway."""
    bias = node.arg(2)
    return node.kind in (*WEIGHTED, *TRANSPOSED) and isinstance(bias, Ref) and bias.name == name


def _bytes(network: Network, name: str, bits: int) -> int:
    width = 32 if _ndim(network, name) < 2 else bits
    return -(-network.tensors[name].numel() * width // 8)


def _ndim(network: Network, name: str) -> int:
    return len(network.shape_of(name))
