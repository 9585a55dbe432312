"""FBCCNN: seven convolutions on grids of band features."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class FBCCNN(nn.Module):
    """FBCCNN on grids: (n, n_bands, rows, columns) → logits (n, n_classes).

    Blocks of conv 3×3 (padding 1) → ReLU → BN, in this order; flatten (channel-major) → dense → ReLU → dense → ReLU →
    dense. Batch norm comes after the ReLU, so its scale can't be folded into the convolution before it.

    Trainable parameters, with w₀ = n_bands, widths w₁ … w_m, h₀ = w_m·rows·columns and `hidden` h₁ … h_k:
    Σᵢ (9·wᵢ₋₁ + 3)·wᵢ + Σⱼ (hⱼ₋₁ + 1)·hⱼ + (h_k + 1)·n_classes.

    Shared parameters: `trimcap.models`.
    Source: Pan and Zheng (2021), Emotion recognition based on EEG using generative adversarial nets and convolutional
    neural network, Comput. Math. Methods Med. 2520394; sizes as in Rao and Zhong (2023), IJCNN.
    """

    def __init__(
        self,
        n_bands: int,
        rows: int,
        columns: int,
        n_classes: int,
        *,
        widths: Sequence[int] = (12, 32, 64, 128, 256, 128, 32),
        hidden: Sequence[int] = (512, 128),
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("FBCCNN: `widths` is empty; give at least one convolution, for example (12, 32, 64)")
        self.input_shape = (n_bands, rows, columns)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs))
                for inputs, outputs in zip((n_bands, *widths[:-1]), widths, strict=True)
            )
        )
        self.flatten = nn.Flatten()
        units = (widths[-1] * rows * columns, *hidden)
        self.hidden = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU())
                for inputs, outputs in zip(units[:-1], hidden, strict=True)
            )
        )
        self.dense = nn.Linear(units[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        return self.dense(self.hidden(self.flatten(self.blocks(x))))  # type: ignore[no-any-return]
