"""GridCNN: a small convolutional network on grids of band features, for few subjects."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class GridCNN(nn.Module):
    """Small CCNN-like network: (n, n_bands, rows, columns) → logits (n, n_classes).

    conv 3×3 → BN → ReLU for every width but the last, conv 3×3 → ReLU for the last; flatten → dropout →
    dense `hidden` → ReLU → dense. On a 5×9×9 grid with 2 classes it has 93,234 parameters, a 67th of CCNN.

    Trainable parameters, with w₀ = n_bands and widths w₁ … w_m:
    Σᵢ (9·wᵢ₋₁ + 1)·wᵢ + Σ_{i<m} 2·wᵢ + (w_m·rows·columns + 1)·hidden + (hidden + 1)·n_classes.

    Shared parameters: `trimcap.models`.
    """

    def __init__(
        self,
        n_bands: int,
        rows: int,
        columns: int,
        n_classes: int,
        *,
        widths: Sequence[int] = (16, 32, 16),
        hidden: int = 64,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("GridCNN: `widths` is empty; give at least one convolution, for example (16, 32, 16)")
        self.input_shape = (n_bands, rows, columns)
        blocks: list[nn.Module] = []
        for index, (inputs, outputs) in enumerate(zip((n_bands, *widths[:-1]), widths, strict=True)):
            layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, padding=1)]
            if index < len(widths) - 1:
                layers.append(nn.BatchNorm2d(outputs))
            blocks.append(nn.Sequential(*layers, nn.ReLU()))
        self.blocks = nn.Sequential(*blocks)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(widths[-1] * rows * columns, hidden)
        self.activation = nn.ReLU()
        self.dense = nn.Linear(hidden, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        x = self.dropout(self.flatten(self.blocks(x)))
        return self.dense(self.activation(self.hidden(x)))  # type: ignore[no-any-return]
