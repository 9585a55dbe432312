"""VGG16: thirteen convolutions for images of 32×32, the CIFAR form."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

_WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
_POOL_AFTER = (1, 3, 6, 9, 12)
_DROPOUT_AFTER = {0: 0.3, 2: 0.4, 4: 0.4, 5: 0.4, 7: 0.4, 8: 0.4, 10: 0.4, 11: 0.4}


class VGG16(nn.Module):
    """VGG-16 with batch norm for small images: (n, n_bands, rows, columns) → logits (n, n_classes).

    Thirteen conv 3×3 (padding 1, with bias) → BN → ReLU, a maximum pool after the 2nd, 4th, 7th, 10th and 13th; flatten
    → (dense → BN → ReLU → dropout) for each of `hidden` → dense.

    Trainable parameters of 3×32×32 with 10 classes: 18,941,258; Keras' 18,954,058 count the running statistics of batch
    norm too. MACs: 317,395,968.

    Parameters
    ----------
    n_bands : 3 for colour images
    rows, columns : at least 32
    widths : filters of the thirteen convolutions
    dropout : scales the published probabilities (0.3, 0.4 and 0.5); 0 for none

    Shared parameters: `trimcap.models`.
    Source: Simonyan and Zisserman (2015), ICLR, configuration D; the CIFAR form of Park et al. (2023),
    arXiv:2308.04470.
    """

    def __init__(
        self,
        n_bands: int,
        rows: int,
        columns: int,
        n_classes: int,
        *,
        widths: Sequence[int] = _WIDTHS,
        hidden: Sequence[int] = (4096, 512),
        dropout: float = 1.0,
    ) -> None:
        super().__init__()
        if len(widths) != len(_WIDTHS):
            raise ValueError(f"VGG16: `widths` has {len(widths)} entries; the network has {len(_WIDTHS)} convolutions")
        if min(rows, columns) < 32:
            raise ValueError(f"VGG16: five poolings need images of at least 32×32, got {rows}×{columns}; scale them up")
        self.input_shape = (n_bands, rows, columns)
        layers: list[nn.Module] = []
        for index, (inputs, outputs) in enumerate(zip((n_bands, *widths[:-1]), widths, strict=True)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
            if index in _DROPOUT_AFTER:
                layers.append(nn.Dropout(dropout * _DROPOUT_AFTER[index]))
            if index in _POOL_AFTER:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers, nn.Dropout(dropout * 0.5))
        self.flatten = nn.Flatten()
        units = (widths[-1] * (rows // 32) * (columns // 32), *hidden)
        dense: list[nn.Module] = []
        for inputs, outputs in zip(units[:-1], hidden, strict=True):
            dense += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(dropout * 0.5)]
        self.dense = nn.Sequential(*dense, nn.Linear(units[-1], n_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        return self.dense(self.flatten(self.features(x)))  # type: ignore[no-any-return]
