"""Sparsity training of batch-norm scales (network slimming)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trimcap.graph.module import NetworkModule
from trimcap.graph.node import Ref
from trimcap.train.losses.losses import Loss, cross_entropy


def slimming(penalty: float = 1e-4) -> Loss:
    """CE + λ·Σ|γ| over all batch-norm scales; its gradient adds λ·sign(γ), and nothing where γ = 0.

    Parameters
    ----------
    penalty : λ ≥ 0; 1e-4 as published

    Returns
    -------
    Loss : `loss(model, x, y) -> scalar Tensor`, for `fit(…, loss=…)`

    Raises
    ------
    ValueError : a negative penalty; when the loss is used: a network without trained batch-norm scales.

    Source: Liu et al. (2017), "Learning efficient convolutional networks through network slimming", ICCV, eq. 1.
    """
    if penalty < 0:
        raise ValueError(f"slimming: the penalty must be 0 or above, got {penalty}")
    return partial(_slimmed, penalty=penalty)


def _slimmed(model: nn.Module, x: Tensor, y: Tensor, *, penalty: float, weights: Tensor | None = None) -> Tensor:
    scales = scales_of(model)
    if not scales:
        raise ValueError(
            f"slimming: {type(model).__name__} has no trained batch-norm scale to make sparse; use another method, "
            "or a network with batch norm"
        )
    return cross_entropy(model, x, y, weights=weights) + penalty * torch.stack([s.abs().sum() for s in scales]).sum()


def scales_of(model: nn.Module) -> list[nn.Parameter]:
    """The trained scales γ of all batch norms: of layers, and of operations of traced networks.

    Parameters
    ----------
    model : any module

    Returns
    -------
    list of parameters (n_channels,), each once
    """
    found: dict[int, nn.Parameter] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.weight is not None:
            found[id(module.weight)] = module.weight
        elif isinstance(module, NetworkModule):
            names = {
                n.args[1].name for n in module.network.nodes if n.kind == "batch_norm" and isinstance(n.arg(1), Ref)
            }
            own = (module.tensor(name) for name in sorted(names & module.network.trainable))
            found |= {id(p): p for p in own if isinstance(p, nn.Parameter)}
    return [scale for scale in found.values() if scale.requires_grad]
