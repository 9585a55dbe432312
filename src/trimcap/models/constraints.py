"""Constraints on weights, as parametrizations that tracing can read."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class MaxNorm(nn.Module):
    """ŵ_i = w_i · min(1, c / ‖w_i‖₂) for every slice i along `dim`.

    As a parametrization the layer always computes with ŵ, while the optimizer moves w; the gradient flows
    through the norm, so a slice on the bound is only turned, not stretched. (Keras clips w itself after every
    step; that projection is what a traced network does.)

    Parameters
    ----------
    max_value : bound c > 0 on the Euclidean norm
    dim : dimension whose slices are bounded; 0 bounds every output unit or filter

    Source: Srivastava et al. (2014), Dropout, section 5.1.
    """

    def __init__(self, max_value: float, dim: int = 0) -> None:
        super().__init__()
        if not max_value > 0:
            raise ValueError(f"MaxNorm: max_value must be above 0, got {max_value}; use None for no constraint")
        self.max_value = float(max_value)
        self.dim = dim

    def forward(self, weight: Tensor) -> Tensor:
        """ŵ, same shape as `weight`."""
        return torch.renorm(weight, p=2.0, dim=self.dim, maxnorm=self.max_value)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """A tensor that `forward` maps to `weight`, if that lies within the bound: itself."""
        return weight

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"max_value={self.max_value:g}, dim={self.dim}"


def constrain(layer: nn.Module, max_value: float | None, *, dim: int = 0) -> nn.Module:
    """`layer` with `MaxNorm(max_value, dim)` on its weight; as it is where `max_value` is None."""
    if max_value is not None:
        parametrize.register_parametrization(layer, "weight", MaxNorm(max_value, dim))
    return layer
