"""Squeeze-and-excitation: channels weighted by what all channels hold on average."""

from __future__ import annotations

from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """y = x · σ(W₂ · relu(W₁ · mean(x))), one weight per channel; x (n, n_channels, rows, columns).

    Parameters
    ----------
    n_channels : of x
    reduction : the bottleneck has max(1, ⌊n_channels / reduction⌋) units; W₁ and W₂ have no bias

    Source: Hu, Shen and Sun (2018), Squeeze-and-excitation networks, CVPR.
    """

    def __init__(self, n_channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        if reduction < 1:
            raise ValueError(f"SqueezeExcite: reduction is {reduction}; it must be at least 1")
        units = max(1, n_channels // reduction)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Sequential(
            nn.Conv2d(n_channels, units, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(units, n_channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x."""
        return x * self.excite(self.squeeze(x))  # type: ignore[no-any-return]
