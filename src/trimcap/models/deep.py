"""DeepConvNet: four blocks of convolution and maximum pooling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class DeepConvNet(nn.Module):
    """DeepConvNet ("Deep4") on raw windows: (n, n_channels, n_times) → logits (n, n_classes).

    conv 1×kernel → conv n_channels×1 (no bias) → BN → ELU → maximum pool 3; then for each further width dropout → conv
    1×kernel (no bias) → BN → ELU → maximum pool 3; flatten → dense.

    Trainable parameters, with widths w₁ … w_m and P samples left: w₁·(kernel + 1) + w₁²·n_channels + 2·w₁ +
    Σ_{i>1} (kernel·wᵢ₋₁·wᵢ + 2·wᵢ) + (w_m·P + 1)·n_classes.

    Parameters
    ----------
    widths : filters of the blocks
    kernel : samples of every temporal filter
    pool : samples of every pooling

    Raises
    ------
    ValueError : the window is too short for the blocks.

    Shared parameters: `trimcap.models`.
    Source: Schirrmeister et al. (2017), Human Brain Mapping 38:5391-5420; 250 Hz.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_classes: int,
        *,
        widths: Sequence[int] = (25, 50, 100, 200),
        kernel: int = 10,
        pool: int = 3,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        left = _left(n_times, len(widths), kernel, pool)
        self.input_shape = (n_channels, n_times)
        first = [
            nn.Conv2d(1, widths[0], (1, kernel)),
            nn.Conv2d(widths[0], widths[0], (n_channels, 1), bias=False),
            *_after(widths[0], pool),
        ]
        blocks = [nn.Sequential(*first)]
        for inputs, outputs in pairwise(widths):
            conv = nn.Conv2d(inputs, outputs, (1, kernel), bias=False)
            blocks.append(nn.Sequential(nn.Dropout(dropout), conv, *_after(outputs, pool)))
        self.blocks = nn.Sequential(*blocks)
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(widths[-1] * left, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        return self.dense(self.flatten(self.blocks(x.unsqueeze(1))))  # type: ignore[no-any-return]


def _after(width: int, pool: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), nn.ELU(), nn.MaxPool2d((1, pool), (1, pool))]


def _left(n_times: int, blocks: int, kernel: int, pool: int) -> int:
    """Samples after all blocks."""
    if not blocks:
        raise ValueError("DeepConvNet: `widths` is empty; give at least one block, for example (25, 50, 100, 200)")
    left = n_times
    for _ in range(blocks):
        left = (left - kernel + 1) // pool
    if left < 1:
        need = 1
        for _ in range(blocks):
            need = need * pool + kernel - 1
        raise ValueError(
            f"DeepConvNet: windows of {n_times} samples are too short for {blocks} blocks; use at least {need} "
            "samples, fewer `widths`, or a smaller `kernel` or `pool`"
        )
    return left
