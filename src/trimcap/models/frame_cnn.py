"""FrameCNN: four convolutions on a stack of scalp frames, the network of the knowledge-guided pruning paper."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

_STRIDES = (1, 2, 1, 2)


class FrameCNN(nn.Module):
    """Four convolutions on frames as channels: (n, n_bands, rows, columns) → logits (n, n_classes).

    conv 3×3 (padding 1, strides 1, 2, 1, 2) → SELU for each width, with squeeze-and-excitation after the first if
    `reduction` is given; flatten → dense → dropout → dense → dropout → dense, with nothing between the dense layers, as
    published. Convolution weights are Kaiming-normal.

    Trainable parameters, with w₀ = n_bands, widths w₁ … w₄, map area A after both strides, h₀ = w₄·A, hidden h₁ … h_k:
    Σᵢ (9·wᵢ₋₁ + 1)·wᵢ + Σⱼ (hⱼ₋₁ + 1)·hⱼ + (h_k + 1)·n_classes, and 2·w₁·⌊w₁/reduction⌋ for the block.

    Parameters
    ----------
    n_bands : frames (times or bands) of the input
    widths : channels of the four convolutions
    reduction : of the squeeze-and-excitation block; None for no block, 16 as published

    Shared parameters: `trimcap.models`.
    Source: Rao and Zhong (2023), Knowledge-guided EEG model pruning, BIBM.
    """

    def __init__(
        self,
        n_bands: int,
        rows: int,
        columns: int,
        n_classes: int,
        *,
        widths: Sequence[int] = (128, 256, 256, 512),
        hidden: Sequence[int] = (1024, 1024),
        reduction: int | None = None,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if len(widths) != len(_STRIDES):
            raise ValueError(
                f"FrameCNN: `widths` has {len(widths)} entries; the network has {len(_STRIDES)} convolutions"
            )
        self.input_shape = (n_bands, rows, columns)
        blocks: list[nn.Module] = []
        for inputs, outputs, stride in zip((n_bands, *widths[:-1]), widths, _STRIDES, strict=True):
            conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
            nn.init.kaiming_normal_(conv.weight)
            blocks.append(nn.Sequential(conv, nn.SELU()))
        if reduction is not None:
            blocks.insert(1, SqueezeExcite(widths[0], reduction=reduction))
        self.blocks = nn.Sequential(*blocks)
        self.flatten = nn.Flatten()
        units = (widths[-1] * _quarter(rows) * _quarter(columns), *hidden)
        self.hidden = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(inputs, outputs), nn.Dropout(dropout))
                for inputs, outputs in zip(units[:-1], hidden, strict=True)
            )
        )
        self.dense = nn.Linear(units[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        return self.dense(self.hidden(self.flatten(self.blocks(x))))  # type: ignore[no-any-return]


def _quarter(size: int) -> int:
    """What two convolutions of stride 2 with padding 1 leave of a side."""
    return (size + 3) // 4


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
