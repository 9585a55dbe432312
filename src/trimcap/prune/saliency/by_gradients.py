"""Saliencies that look at gradients of the loss (mean cross-entropy).

Networks run in evaluation mode and in float32, sums are float64. What is made by several layers together is one set of
weights, as the papers define it for sets: products of gradients and weights are added up before anything is squared, so
nothing is normalised here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from trimcap._errors import unknown
from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.axes import Axis
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network
from trimcap.graph.ops.recurrent import RECURRENT
from trimcap.prune.saliency.gates import gated, open_gates
from trimcap.prune.saliency.scores import Scores, chosen, makers_of, summed
from trimcap.prune.samples import Sample, on_windows, sample

Values = NDArray[np.float64]
Of = Literal["gates", "weights"]
Form = Literal["square", "abs", "sum_abs"]


def taylor(
    network: Network,
    *,
    windows: Windows | None = None,
    axes: Iterable[str] | None = None,
    of: Of = "gates",
    form: Form = "square",
    n_windows: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    ledger: Ledger | None = None,
) -> Scores:
    """Mean over batches of (Σ_k g_k·w_k)², g = ∂L/∂w: the first-order change of the loss without the slice, squared.

    Parameters
    ----------
    of : "gates", the derivative by a factor on the slice wherever it is read (after batch norm and activation; any
        axis, also depth multipliers and electrodes), or "weights", the products over all weights that make it
    form : "square", "abs" for |Σ g·w|, or "sum_abs" for Σ|g·w| (of gates the same)

    Shared parameters: `trimcap.prune`.
    Source: Molchanov et al. (2019), "Importance estimation for neural network pruning", CVPR, eq. 8–9 and §3.3 (gates).
    Needs: windows.
    """
    _option("of", of, get_args(Of))
    _option("form", form, get_args(Form))
    found = chosen(network, axes)
    data = sample(network, windows, name="taylor", ledger=ledger, n_windows=n_windows, batch_size=batch_size, seed=seed)
    totals = {axis.name: np.zeros(axis.size) for axis in found}
    for change, weight in _products(network, found, data, of, form == "sum_abs"):
        for name, values in change.items():
            totals[name] += weight * (values**2 if form == "square" else np.abs(values))
    return Scores(totals, "taylor")


def _products(
    network: Network, axes: Sequence[Axis], data: Sample, of: str, absolute: bool
) -> Iterable[tuple[dict[str, Values], float]]:
    """Σ g·w per slice (or Σ|g·w|) of every batch, and its share of the windows."""
    for gradients, weights, share in _batches(network, axes, data, of):
        products = {name: g * weights[name] for name, g in gradients.items()}
        if absolute:
            products = {name: p.abs() for name, p in products.items()}
        yield _to_slices(network, axes, products, of), share


def _batches(
    network: Network, axes: Sequence[Axis], data: Sample, of: str
) -> Iterable[tuple[dict[str, Tensor], dict[str, Tensor], float]]:
    """Gradients of the mean loss of every batch, what they are gradients of, and the batch's share of the windows."""
    module = _module(network, axes, of)
    for x, y in data.batches():
        sources = _sources(network, axes, module, of)
        loss = cross_entropy(_logits(module, x, sources, axes, of), y)
        gradients = torch.autograd.grad(loss, list(sources.values()), materialize_grads=True)
        yield dict(zip(sources, gradients, strict=True)), _detached(sources), len(y) / len(data)


def _module(network: Network, axes: Sequence[Axis], of: str) -> NetworkModule:
    made = gated(network, axes) if of == "gates" else replace(network, constraints=())
    return NetworkModule(made).eval().requires_grad_(False)


def _sources(network: Network, axes: Sequence[Axis], module: NetworkModule, of: str) -> dict[str, Tensor]:
    """What is differentiated by: gates by axis, or the weights that make slices by name."""
    if of == "gates":
        return {axis.name: open_gates(axis).requires_grad_() for axis in axes}
    names = dict.fromkeys(tensor for axis in axes for tensor, _ in makers_of(network, axis))
    return {name: module.tensor(name).requires_grad_() for name in names}


def _logits(module: NetworkModule, x: Tensor, sources: Mapping[str, Tensor], axes: Sequence[Axis], of: str) -> Tensor:
    gates = [sources[axis.name] for axis in axes] if of == "gates" else []
    logits: Tensor = module.run(x, *gates)[module.network.output]
    return logits


def _to_slices(network: Network, axes: Sequence[Axis], values: Mapping[str, Tensor], of: str) -> dict[str, Values]:
    if of == "gates":
        return {axis.name: values[axis.name][0, : axis.size].detach().double().numpy() for axis in axes}
    return {axis.name: summed(network, axis, values) for axis in axes}


def _detached(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in values.items()}


def _option(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(unknown(what, given, known))


def fisher(
    network: Network,
    *,
    windows: Windows | None = None,
    axes: Iterable[str] | None = None,
    of: Of = "gates",
    n_windows: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    ledger: Ledger | None = None,
) -> Scores:
    """½ · mean over windows of (∂L_n/∂g_j)²: half the Fisher information of a slice, from gradients of single windows.

    `of="weights"` is optimal brain damage with the empirical Fisher information as the curvature:
    Σ_k ½ · mean_n (∂L_n/∂w_k)² · w_k² over the weights that make the slice. Gradients of batches would not do: their
    squares shrink with the size of the batch.

    Parameters
    ----------
    of : "gates" or "weights", as for `taylor`

    Shared parameters: `trimcap.prune`.
    Source: Theis et al. (2018), "Faster gaze prediction with dense networks and Fisher pruning", arXiv:1801.05787,
    §2 (gates); LeCun et al. (1990), "Optimal brain damage", NIPS, §2 (weights).
    Needs: windows.
    """
    _option("of", of, get_args(Of))
    found = chosen(network, axes)
    data = sample(network, windows, name="fisher", ledger=ledger, n_windows=n_windows, batch_size=batch_size, seed=seed)
    if of == "gates" and _own_gates(network, found, data):
        return Scores(_gate_squares(network, found, data), "fisher")
    single = replace(data, batch_size=1)
    totals = {axis.name: np.zeros(axis.size) for axis in found}
    for gradients, weights, share in _batches(network, found, single, of):
        squares = {name: (g * weights[name]) ** 2 for name, g in gradients.items()}
        for name, values in _to_slices(network, found, squares, of).items():
            totals[name] += share * values / 2
    return Scores(totals, "fisher")


def _gate_squares(network: Network, axes: Sequence[Axis], data: Sample) -> dict[str, Values]:
    """One backward pass per batch: every window has its own gates, and the losses are added up."""
    module = _module(network, axes, "gates")
    totals = {axis.name: np.zeros(axis.size) for axis in axes}
    for x, y in data.batches():
        for axis, gradient in zip(axes, _window_gradients(module, axes, x, y), strict=True):
            totals[axis.name] += (gradient**2).sum(0) / (2 * len(data))
    return totals


def _window_gradients(module: NetworkModule, axes: Sequence[Axis], x: Tensor, y: Tensor) -> list[Values]:
    gates = [open_gates(axis, len(x)).requires_grad_() for axis in axes]
    loss = cross_entropy(module.run(x, *gates)[module.network.output], y, reduction="sum")
    gradients = torch.autograd.grad(loss, gates, materialize_grads=True)
    return [g[:, : axis.size].double().numpy() for axis, g in zip(axes, gradients, strict=True)]


def _own_gates(network: Network, axes: Sequence[Axis], data: Sample) -> bool:
    """Whether gates of single windows work: not where windows are folded into another dimension before a layer."""
    module = _module(network, axes, "gates")
    x, y = next(data.batches(3))
    try:
        together = _window_gradients(module, axes, x, y)
    except RuntimeError:
        return False
    alone = [_window_gradients(module, axes, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
    return all(
        np.allclose(whole, np.concatenate([part[number] for part in alone]), rtol=1e-3, atol=1e-4 * np.abs(whole).max())
        for number, whole in enumerate(together)
    )


@on_windows()
def snip(network: Network, axes: list[Axis], data: Sample) -> dict[str, Values]:
    """Σ_k |g_k·w_k| / Σ_all |g·w|: connection sensitivity, with the gradient g of the loss over all windows at once.

    Summed over the weights that make a slice and divided by the sum over all axes asked for. Published for weights at
    initialisation.

    Shared parameters: `trimcap.prune`.
    Source: Lee et al. (2019), "SNIP: Single-shot network pruning based on connection sensitivity", ICLR, §4.
    Needs: windows.
    """
    gradients, weights = _mean_gradients(network, axes, data)
    products = {name: (g * weights[name]).abs() for name, g in gradients.items()}
    values = _to_slices(network, axes, products, "weights")
    total = max(sum(v.sum() for v in values.values()), 1e-300)
    return {name: v / total for name, v in values.items()}


def _mean_gradients(
    network: Network, axes: Sequence[Axis], data: Sample
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients of the mean loss over all windows by the weights that make slices, and these weights."""
    total: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}
    for gradients, weights, share in _batches(network, axes, data, "weights"):  # noqa: B007 - the last ones are used
        total = {name: share * g + total.get(name, 0) for name, g in gradients.items()}
    return total, weights


def grasp(
    network: Network,
    *,
    windows: Windows | None = None,
    axes: Iterable[str] | None = None,
    temperature: float = 200.0,
    n_windows: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    ledger: Ledger | None = None,
) -> Scores:
    """Σ_k w_k · (H g)_k: slices whose removal would lower the norm of the gradient are kept.

    The paper scores weights by S = −w ⊙ Hg and removes the highest; the sign is turned here, so that higher = keep.
    H and g are Hessian and gradient, by the weights that make slices, of the loss over all windows; Hg is exact, by
    differentiating twice.

    Parameters
    ----------
    temperature : logits are divided by it, as published

    Shared parameters: `trimcap.prune`.
    Source: Wang et al. (2020), "Picking winning tickets before training by preserving gradient flow", ICLR, eq. 8 and
    algorithm 2.
    Needs: windows.
    """
    found = chosen(network, axes)
    if not temperature > 0:
        raise ValueError(f"grasp: temperature must be above 0, got {temperature}")
    data = sample(network, windows, name="grasp", ledger=ledger, n_windows=n_windows, batch_size=batch_size, seed=seed)
    module = _module(network, found, "weights").to(_twice(network))
    sources = _sources(network, found, module, "weights")
    names, leaves = list(sources), list(sources.values())
    with _plain_attention():
        gradient = [torch.zeros_like(leaf) for leaf in leaves]
        for x, y in data.batches():
            loss = _cooled(module, x, y, temperature, len(data))
            parts = torch.autograd.grad(loss, leaves, materialize_grads=True)
            gradient = [total + part for total, part in zip(gradient, parts, strict=True)]
        flow = [torch.zeros_like(leaf) for leaf in leaves]
        for x, y in data.batches():
            loss = _cooled(module, x, y, temperature, len(data))
            parts = torch.autograd.grad(loss, leaves, create_graph=True, materialize_grads=True)
            inner = torch.stack([(p * g).sum() for p, g in zip(parts, gradient, strict=True)]).sum()
            seconds = torch.autograd.grad(inner, leaves, materialize_grads=True)
            flow = [total + h for total, h in zip(flow, seconds, strict=True)]
    products = {name: (w * h).detach() for name, w, h in zip(names, leaves, flow, strict=True)}
    return Scores(_to_slices(network, found, products, "weights"), "grasp")


def _cooled(module: NetworkModule, x: Tensor, y: Tensor, temperature: float, n: int) -> Tensor:
    return cross_entropy(module(x.to(_twice(module.network))) / temperature, y, reduction="sum") / n


def _twice(network: Network) -> torch.dtype:
    """Recurrent layers can be differentiated twice in float64 only: their fused kernels, of float32, can't."""
    recurrent = any(node.kind in RECURRENT for node in network.nodes)
    return torch.float64 if recurrent else torch.float32


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Fused attention has no second derivative; the plain operations do."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        yield
