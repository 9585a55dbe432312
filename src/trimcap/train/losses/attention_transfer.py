"""Distillation of where a network looks: maps of activation instead of logits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trimcap._errors import unknown
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network, need_network
from trimcap.graph.ops.layers import CONVOLUTIONS
from trimcap.train.losses.losses import Loss


def attention_transfer(teacher: Network, *, layers: Sequence[str] | None = None, weight: float = 1e3) -> Loss:
    """CE + β/2·Σ_j ‖Q_S^j/‖Q_S^j‖₂ − Q_T^j/‖Q_T^j‖₂‖₂, Q^j = vec(Σ_c |A_c^j|²) summed over channels c.

    Averaged over the windows of a batch. It asks nothing of the number of channels, so a pruned student can follow
    its unpruned teacher.

    Parameters
    ----------
    teacher : traced network; it is run in evaluation mode and not trained
    layers : results of the graph (node names) in both networks, (n, channels, positions …); default: of all
        convolutions of the teacher
    weight : β ≥ 0; 1e3 as published

    Returns
    -------
    Loss : `loss(model, x, y) -> scalar Tensor`, for `fit(…, loss=…)`

    Raises
    ------
    ValueError : unknown layer, no convolution, negative weight; when the loss is used: a student that is no traced
        network, or that has no such layer or other positions in it.

    Source: Zagoruyko and Komodakis (2017), "Paying more attention to attention", ICLR, eq. 2 with p = 2.
    """
    need_network(teacher, "attention_transfer")
    if weight < 0:
        raise ValueError(f"attention_transfer: the weight must be 0 or above, got {weight}")
    names = list(layers) if layers is not None else _convolutions(teacher)
    for name in names:
        if name not in teacher.node:
            raise ValueError(f"attention_transfer: {unknown('layer', name, teacher.node)}")
    if not names:
        raise ValueError(
            f"attention_transfer: {teacher.origin} has no convolution; name results of its graph with layers="
        )
    frozen = NetworkModule(teacher).eval().requires_grad_(False)
    return partial(_transferred, teacher=frozen, layers=tuple(names), weight=weight)


def _convolutions(network: Network) -> list[str]:
    return [node.name for node in network.nodes if node.kind in CONVOLUTIONS]


def _transferred(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    teacher: NetworkModule,
    layers: tuple[str, ...],
    weight: float,
    weights: Tensor | None = None,
) -> Tensor:
    if not isinstance(model, NetworkModule):
        raise ValueError(
            f"attention_transfer: the student must be a traced network, got {type(model).__name__}; "
            "train network.module() of trimcap.trace"
        )
    own = model.run(x, keep=True)
    with torch.no_grad():
        wanted = teacher.to(x.device).run(x, keep=True)
    terms = [_distance(own, wanted, layer) for layer in layers]
    loss = functional.cross_entropy(own[model.network.output], y, weight=weights)
    return loss + weight / 2 * torch.stack(terms).sum()


def _distance(own: dict[str, Any], wanted: dict[str, Any], layer: str) -> Tensor:
    """Mean over windows of the distance of two attention maps."""
    if layer not in own:
        raise ValueError(f"attention_transfer: the student has no result {layer!r}; name layers that both have")
    student, target = attention_map(own[layer]), attention_map(wanted[layer])
    if student.shape != target.shape:
        raise ValueError(
            f"attention_transfer: at {layer!r} the student has {student.shape[1]} positions, its teacher "
            f"{target.shape[1]}; name layers of equal size (electrodes must not have been pruned before)"
        )
    # a norm has no gradient at 0, where student and teacher agree
    return (student - target).square().sum(1).clamp_min(1e-24).sqrt().mean()


def attention_map(activations: Tensor) -> Tensor:
    """Q/‖Q‖₂ with Q = vec(Σ_c |A_c|²): (n, channels, positions …) → (n, number of positions).

    Parameters
    ----------
    activations : float (n, channels, positions …)

    Returns
    -------
    float (n, number of positions), rows of length 1 (or 0)
    """
    return functional.normalize(activations.square().sum(1).flatten(1), dim=1)
