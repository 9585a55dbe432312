"""SynFlow: the flow through every slice of the network that is left when all weights are positive. No windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimcap._errors import PlanError
from trimcap.graph.axes import Axis
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref, map_refs
from trimcap.graph.ops.layers import NORMS
from trimcap.graph.ops.recurrent import RECURRENT
from trimcap.graph.ops.table import operation_of
from trimcap.prune.saliency.gates import gated, open_gates
from trimcap.prune.saliency.scores import Scores, chosen, factor

Values = NDArray[np.float64]


def synflow(
    network: Network, *, axes: Iterable[str] | None = None, rounds: int = 100, sparsity: float = 0.99
) -> Scores:
    """R = 1ᵀ(∏_l |W_l|)1, s_j = ∂R/∂w · w of a slice: how much flow passes through it. Iterative, without data.

    The network is taken as the formula has it: absolute weights, all-ones input, no biases, norms as the scale that
    they multiply by, activations as the identity (recurrent layers run on input small enough for them to be linear).
    The saliency of a neuron is that of its incoming weights and equally that of its outgoing ones (the paper's theorem
    1); it is read off gates on the slices. In every round the slices of least flow are silenced, of all axes together,
    until a share s^(k/rounds) is left after round k, s = 1 − sparsity, and the rest is scored again: no layer is ever
    emptied. With several rounds the scores are places in the order of removal, 0 … 1; with `rounds=1` the flow itself.

    Parameters
    ----------
    rounds : of the exponential schedule
    sparsity : of slices, at the end of it

    Raises
    ------
    PlanError : no flow reaches an axis (its weights are zero, or an operation lets nothing through).

    Shared parameters: `trimcap.prune`.
    Source: Tanaka et al. (2020), "Pruning neural networks without any data by iteratively conserving synaptic flow",
    NeurIPS, theorem 1 and algorithm 1.
    """
    found = chosen(network, axes)
    if rounds < 1 or not 0 < sparsity < 1:
        raise ValueError(f"synflow: rounds must be 1 or more and 0 < sparsity < 1; got {rounds} and {sparsity}")
    twin = linear_twin(network)
    if any(axis.name not in twin.axes.axes or twin.axes[axis.name].size != axis.size for axis in found):
        raise PlanError(f"saliency 'synflow': {network.origin} has axes of which the formula's network lacks some")
    module = NetworkModule(gated(twin, found)).eval().double().requires_grad_(False)
    x = _input(network, module, found)
    values = {axis.name: np.ones(axis.size) for axis in found}
    flow = _flow(network, module, x, found, values)
    if rounds == 1:
        return Scores(flow, "synflow")
    total = sum(axis.size for axis in found)
    removed: list[tuple[str, int]] = []
    for number in range(1, rounds + 1):
        target = total - round(total * (1 - sparsity) ** (number / rounds))
        fresh = _weakest(flow, values, target - len(removed))
        for name, j in fresh:
            values[name][j] = 0
        removed += fresh
        if fresh:
            flow = _flow(network, module, x, found, values)
    return Scores(_places(flow, values, removed), "synflow")


def _flow(
    network: Network, module: NetworkModule, x: Tensor, axes: Sequence[Axis], left: Mapping[str, Values]
) -> dict[str, Values]:
    """∂R/∂g · g of every gate."""
    gates = []
    for axis in axes:
        gate = open_gates(axis, dtype=torch.float64)
        gate[0, : axis.size] = torch.from_numpy(left[axis.name])
        gates.append(gate.requires_grad_())
    flow = module.run(x, *gates)[module.network.output].sum()
    gradients = torch.autograd.grad(flow, gates, materialize_grads=True)
    # behind a logarithm the gradient by a closed gate is 0·∞
    products = [
        torch.where(gate == 0, 0, g * gate)[0].detach().numpy() for g, gate in zip(gradients, gates, strict=True)
    ]
    found = {axis.name: values[: axis.size] for axis, values in zip(axes, products, strict=True)}
    for name, values in found.items():
        if not (np.isfinite(values).all() and (values > 0).any()):
            raise PlanError(
                f"saliency 'synflow': no flow passes through axis '{name}' of {network.origin} (its gradient is "
                f"{'not finite' if not np.isfinite(values).all() else 'zero'}); leave it out (axes=), or use another"
            )
    return found


def _weakest(flow: Mapping[str, Values], left: Mapping[str, Values], n: int) -> list[tuple[str, int]]:
    """The n slices of least flow that are left, the last one of an axis excepted."""
    order = sorted((flow[name][j], i, name, j) for i, name in enumerate(left) for j in np.flatnonzero(left[name]))
    counts = {name: int(values.sum()) for name, values in left.items()}
    found: list[tuple[str, int]] = []
    for _, _, name, j in order:
        if len(found) >= n:
            break
        if counts[name] > 1:
            counts[name] -= 1
            found.append((name, int(j)))
    return found


def _places(
    flow: Mapping[str, Values], left: Mapping[str, Values], removed: Sequence[tuple[str, int]]
) -> dict[str, Values]:
    rest = sorted((flow[name][j], i, name, j) for i, name in enumerate(left) for j in np.flatnonzero(left[name]))
    order = [*removed, *((name, int(j)) for _, _, name, j in rest)]
    places = {name: np.zeros(len(values)) for name, values in left.items()}
    for place, (name, j) in enumerate(order):
        places[name][j] = place / max(len(order) - 1, 1)
    return places


def _input(network: Network, module: NetworkModule, axes: Sequence[Axis]) -> Tensor:
    """Ones; scaled down where recurrent layers would saturate on what reaches them."""
    x = torch.ones(1, *network.input_shape, dtype=torch.float64)
    recurrent = [node.args[0].name for node in module.network.nodes if node.kind in RECURRENT]
    if not recurrent:
        return x
    with torch.no_grad():
        results = module.run(x, *(open_gates(axis, dtype=torch.float64) for axis in axes), keep=True)
    largest = max(float(results[name].abs().max()) for name in recurrent)
    return x / (1000 * max(1.0, largest))


# ---- the network that the formula means ----


def linear_twin(network: Network) -> Network:
    """Absolute weights, no biases, norms as their scale, activations as the identity."""
    tensors = {n: t.detach().double().abs() if t.is_floating_point() else t for n, t in network.tensors.items()}
    instead: dict[str, str] = {}
    nodes: list[Node] = []
    for node in network.nodes:
        args = map_refs(node.args, lambda name: Ref(instead.get(name, name)))
        node = replace(node, args=args, kwargs={k: map_refs(v, Ref) for k, v in node.kwargs.items()})
        if _is_identity(node):
            instead[node.name] = node.args[0].name
        elif node.kind in NORMS:
            scale = _scale(network, node)
            tensors[f"{node.name} scale"] = scale
            nodes.append(replace(node, op="aten.mul.Tensor", args=(node.args[0], Ref(f"{node.name} scale")), kwargs={}))
        elif node.kind == "scaled_dot_product_attention":
            nodes += _attention(node)
        else:
            nodes.append(_unbiased(network, node, tensors))
    output = instead.get(network.output, network.output)
    trainable = network.trainable & frozenset(tensors)
    return replace(network, nodes=tuple(nodes), tensors=tensors, trainable=trainable, output=output, constraints=())


def _is_identity(node: Node) -> bool:
    """Functions of each element of one tensor, and softmax: attention is then the product of its three factors."""
    traits = operation_of(node.kind).traits
    if "elementwise" in traits and "comparison" not in traits:
        return len(node.inputs) == 1
    return node.kind == "prelu" or "softmax" in node.kind


def _attention(node: Node) -> list[Node]:
    """Fused attention as the product q·kᵀ·v."""
    q, k, v = node.args[:3]
    swapped, scores = f"{node.name} swapped", f"{node.name} scores"
    return [
        Node(swapped, "aten.transpose.int", (k, -2, -1), {}, ()),
        Node(scores, "aten.matmul.default", (q, Ref(swapped)), {}, ()),
        Node(node.name, "aten.matmul.default", (Ref(scores), v), {}, node.shape, node.layer),
    ]


def _scale(network: Network, node: Node) -> Tensor:
    """What a norm multiplies by, shaped to multiply its input."""
    rank = len(node.shape)
    if node.kind == "batch_norm":
        return factor(network, node).abs().reshape(-1, *[1] * (rank - 2))
    reference = node.arg(NORMS[node.kind][0])
    if not isinstance(reference, Ref):
        return torch.ones(1, dtype=torch.float64)
    weight = network.tensors[reference.name].detach().double().abs()
    return weight if node.kind in ("layer_norm", "rms_norm") else weight.reshape(-1, *[1] * (rank - 2))


def _unbiased(network: Network, node: Node, tensors: dict[str, Tensor]) -> Node:
    """Without what is added; biases of recurrent layers are set to zero, others left out."""
    if (node.kind.startswith("conv") or node.kind == "linear") and isinstance(node.arg(2), Ref):
        return replace(node, args=(*node.args[:2], None, *node.args[3:]))
    added = [ref for ref in node.args[2] if len(network.shape_of(ref.name)) == 1] if node.kind in RECURRENT else []
    if node.kind in ("add", "sub"):
        added = [a for a in node.args if isinstance(a, Ref) and a.name in network.tensors]
    for ref in added:
        tensors[ref.name] = torch.zeros_like(tensors[ref.name])
    return node
