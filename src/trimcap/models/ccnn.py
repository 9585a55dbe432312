"""CCNN: a continuous convolutional network on grids of band features."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class CCNN(nn.Module):
    """CCNN on grids: (n, n_bands, rows, columns) → logits (n, n_classes).

    Blocks of zero-pad (left 1, right 2, top 1, bottom 2) → conv 4×4 → ReLU keep the map's size; then flatten
    (channel-major) → dense `hidden` → SELU → dropout → dense. No batch norm.

    Trainable parameters, with w₀ = n_bands and widths w₁ … w_m:
    Σᵢ (16·wᵢ₋₁ + 1)·wᵢ + (w_m·rows·columns + 1)·hidden + (hidden + 1)·n_classes.

    Shared parameters: `trimcap.models`.
    Source: Yang et al. (2018), Continuous convolutional neural network with 3D input for EEG-based emotion
    recognition, ICONIP; SELU and dropout as in Rao and Zhong (2023), IJCNN.
    """

    def __init__(
        self,
        n_bands: int,
        rows: int,
        columns: int,
        n_classes: int,
        *,
        widths: Sequence[int] = (64, 128, 256, 64),
        hidden: int = 1024,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("CCNN: `widths` is empty; give at least one convolution, for example (64, 128, 256, 64)")
        self.input_shape = (n_bands, rows, columns)
        blocks: list[nn.Module] = []
        for inputs, outputs in zip((n_bands, *widths[:-1]), widths, strict=True):
            block = nn.Sequential(nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(inputs, outputs, 4), nn.ReLU())
            blocks.append(block)
        self.blocks = nn.Sequential(*blocks)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(widths[-1] * rows * columns, hidden)
        self.activation = nn.SELU()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        x = self.flatten(self.blocks(x))
        x = self.dropout(self.activation(self.hidden(x)))
        return self.dense(x)  # type: ignore[no-any-return]
