"""Cross-entropy, and distillation of logits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from trimcap.graph.network import Network

#: what `fit` minimises: (model, x of one batch, y of shape (b,) int64) -> scalar; it calls the model itself
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """−Σᵢ w(yᵢ)·log softmax(model(xᵢ))[yᵢ] / Σᵢ w(yᵢ), with w = 1 unless class `weights` (n_classes,) are given."""
    return functional.cross_entropy(model(x), y, weight=weights)


def distillation(teacher: nn.Module | Network, *, temperature: float = 4.0, weight: float = 0.5) -> Loss:
    """(1 − λ)·CE(s, y) + λ·T²·KL(softmax(t/T) ‖ softmax(s/T)), with student logits s and teacher logits t.

    Parameters
    ----------
    teacher : module or traced network; gives the soft targets, from a frozen copy in evaluation mode
    temperature : T > 0
    weight : λ in [0, 1]

    Returns
    -------
    Loss : `loss(model, x, y) -> scalar Tensor`, for `fit(…, loss=…)`

    Raises
    ------
    ValueError : temperature or weight outside its range.

    Source: Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network, section 2.
    """
    if not temperature > 0 or not 0 <= weight <= 1:
        raise ValueError(
            f"distillation: temperature must be above 0 and weight in [0, 1]; got {temperature} and {weight}"
        )
    module = teacher.module() if isinstance(teacher, Network) else copy.deepcopy(teacher)
    frozen = module.eval().requires_grad_(False)
    return partial(_distilled, teacher=frozen, temperature=temperature, weight=weight)


def _distilled(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    teacher: nn.Module,
    temperature: float,
    weight: float,
    weights: Tensor | None = None,
) -> Tensor:
    logits = model(x)
    with torch.no_grad():
        targets = functional.log_softmax(teacher.to(x.device)(x) / temperature, dim=1)
    student = functional.log_softmax(logits / temperature, dim=1)
    soft = functional.kl_div(student, targets, reduction="batchmean", log_target=True)
    return (1 - weight) * functional.cross_entropy(logits, y, weight=weights) + weight * temperature**2 * soft
