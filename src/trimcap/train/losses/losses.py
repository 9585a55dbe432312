"""Losses: functions `(model, x, y) -> scalar tensor`."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from trimcap._named import named

#: what `fit` minimises: (model, x of one batch, y of shape (b,) int64) -> scalar; it calls the model itself
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """−Σᵢ w(yᵢ)·log softmax(model(xᵢ))[yᵢ] / Σᵢ w(yᵢ), with w = 1 unless class `weights` (n_classes,) are given."""
    return functional.cross_entropy(model(x), y, weight=weights)


def distillation(teacher: nn.Module, *, temperature: float = 4.0, weight: float = 0.5) -> Loss:
    """(1 − λ)·CE(s, y) + λ·T²·KL(softmax(t/T) ‖ softmax(s/T)), with student logits s and teacher logits t.

    Parameters
    ----------
    teacher : gives the soft targets, from a frozen copy in evaluation mode
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
    frozen = copy.deepcopy(teacher).eval().requires_grad_(False)
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


#: short names that recipes use
LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy}


def _called(text: str) -> Loss:
    """A loss by name; "slimming" takes its penalty in brackets."""
    from trimcap.train.losses.slimming import slimming

    found = re.fullmatch(r"slimming\(([-+.\de]+)\)", text)
    if found is None:
        return named("loss", text, {**LOSSES, "slimming": slimming()})  # type: ignore[no-any-return]
    return slimming(float(found[1]))


def loss_function(loss: str | Loss, weights: Tensor | None = None) -> Loss:
    """The loss called `loss` (a key of `LOSSES`, "slimming", "slimming(λ)" or "package.module:function"), with class
    weights if given.

    Raises
    ------
    ValueError : unknown name, or class weights with a loss that does not take `weights`.
    """
    function: Loss = _called(loss) if isinstance(loss, str) else loss
    if weights is None:
        return function
    if "weights" not in inspect.signature(function).parameters:
        raise ValueError(
            "class_weights go with loss='cross_entropy' or another that takes `weights`; "
            "weigh the classes inside your own loss instead"
        )
    weighted: Loss = partial(function, weights=weights)  # type: ignore[call-arg]
    return weighted
