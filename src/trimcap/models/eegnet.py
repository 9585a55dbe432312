"""EEGNet: temporal filters, one spatial filter bank per temporal filter, a separable convolution."""

from __future__ import annotations

import warnings
from collections import OrderedDict

from torch import Tensor, nn

from trimcap.models.constraints import constrain

# the temporal kernel is even by definition, so torch's hint about it tells a user nothing
warnings.filterwarnings("ignore", message="Using padding='same' with even kernel", category=UserWarning)


class EEGNet(nn.Sequential):
    """EEGNet on raw windows: (n, n_channels, n_times) → logits (n, n_classes).

    conv 1×kernel (F1) → BN → depthwise conv n_channels×1 (D·F1, max-norm) → BN → ELU → mean pool → dropout →
    depthwise conv 1×separable_kernel → conv 1×1 (F2) → BN → ELU → mean pool → dropout → dense (max-norm).

    Trainable parameters, with G = D·F1 and T' = ⌊⌊n_times/pool₁⌋/pool₂⌋:
    F1·kernel + 2·F1 + G·n_channels + 2·G + G·separable_kernel + G·F2 + 2·F2 + (F2·T' + 1)·n_classes.

    Parameters
    ----------
    F1 : temporal filters
    D : depth multiplier, spatial filters per temporal filter
    F2 : filters of the separable convolution
    kernel : samples of a temporal filter; the paper takes half the sampling rate
    separable_kernel : samples of the separable convolution's filter
    dropout : probability; the paper takes 0.25 across and 0.5 within subjects
    pool : samples averaged by the first and the second pooling
    max_norm_spatial, max_norm_dense : bounds on the norms of spatial filters and class weights; None for none

    Raises
    ------
    ValueError : the window is shorter than one pooled sample.

    Shared parameters: `trimcap.models`.
    Source: Lawhern et al. (2018), EEGNet, J. Neural Eng. 15 056013, table 2.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_classes: int,
        *,
        F1: int = 8,
        D: int = 2,
        F2: int = 16,
        kernel: int = 64,
        separable_kernel: int = 16,
        dropout: float = 0.25,
        pool: tuple[int, int] = (4, 8),
        max_norm_spatial: float | None = 1.0,
        max_norm_dense: float | None = 0.25,
    ) -> None:
        first, second = pool
        pooled = n_times // first // second
        if pooled < 1:
            raise ValueError(
                f"EEGNet: windows of {n_times} samples are too short for pooling by {first} and {second}; "
                f"use at least {first * second} samples or a smaller `pool`"
            )
        spatial = nn.Conv2d(F1, D * F1, (n_channels, 1), groups=F1, bias=False)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            temporal=nn.Conv2d(1, F1, (1, kernel), padding="same", bias=False),
            temporal_norm=nn.BatchNorm2d(F1),
            spatial=constrain(spatial, max_norm_spatial),
            spatial_norm=nn.BatchNorm2d(D * F1),
            spatial_activation=nn.ELU(),
            spatial_pool=nn.AvgPool2d((1, first)),
            spatial_dropout=nn.Dropout(dropout),
            separable_depth=nn.Conv2d(D * F1, D * F1, (1, separable_kernel), groups=D * F1, padding="same", bias=False),
            separable_point=nn.Conv2d(D * F1, F2, 1, bias=False),
            separable_norm=nn.BatchNorm2d(F2),
            separable_activation=nn.ELU(),
            separable_pool=nn.AvgPool2d((1, second)),
            separable_dropout=nn.Dropout(dropout),
            flatten=nn.Flatten(),
            dense=constrain(nn.Linear(F2 * pooled, n_classes), max_norm_dense),
        )
        super().__init__(layers)
        self.input_shape = (n_channels, n_times)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        return super().forward(x.unsqueeze(1))  # type: ignore[no-any-return,no-untyped-call]
