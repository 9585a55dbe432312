"""Optimizers and learning-rate schedules that `fit` knows by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from trimcap._named import named

#: called as `make(parameters, lr=…, weight_decay=…)`; every class of `torch.optim` that has both is one
MakeOptimizer = Callable[..., Optimizer]

#: share of the training that is done, in [0, 1) -> factor on the learning rate
Schedule = Callable[[float], float]


def _adam(parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float) -> Optimizer:
    return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True)


def _adamw(parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float) -> Optimizer:
    return AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)


def _sgd(parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float) -> Optimizer:
    return SGD(parameters, lr=lr, weight_decay=weight_decay, momentum=0.9, fused=True)


def cosine(progress: float) -> float:
    """½·(1 + cos π·progress): from 1 down to 0. Source: Loshchilov and Hutter (2017), SGDR, equation 5."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def step(progress: float) -> float:
    """1, then 0.1 from half of the training on, then 0.01 from three quarters on."""
    return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01


#: "sgd" has momentum 0.9; all are the fused forms, which are as exact and a little faster
OPTIMIZERS: dict[str, MakeOptimizer] = {"adam": _adam, "adamw": _adamw, "sgd": _sgd}

SCHEDULES: dict[str, Schedule] = {"cosine": cosine, "step": step}


def make_optimizer(
    optimizer: str | MakeOptimizer, model: nn.Module, *, learning_rate: float, weight_decay: float
) -> Optimizer:
    """The optimizer over all parameters of `model` that require a gradient.

    Raises
    ------
    ValueError : unknown name, or no parameter requires a gradient.
    """
    make: MakeOptimizer = named("optimizer", optimizer, OPTIMIZERS) if isinstance(optimizer, str) else optimizer
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError(
            f"{type(model).__name__} has no parameter that requires a gradient, so there is nothing to fit; "
            "call model.requires_grad_(True), or leave the training out"
        )
    return make(parameters, lr=learning_rate, weight_decay=weight_decay)


def schedule_function(schedule: str | Schedule | None) -> Schedule | None:
    """The schedule called `schedule`: None, a key of `SCHEDULES`, "package.module:function", or a function."""
    found: Any = named("schedule", schedule, SCHEDULES) if isinstance(schedule, str) else schedule
    return found  # type: ignore[no-any-return]
