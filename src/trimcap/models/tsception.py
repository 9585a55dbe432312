"""TSCeption: temporal kernels of three lengths, a whole-head and a hemisphere kernel, and their fusion."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TSCeption(nn.Module):
    """TSCeption on raw windows: (n, n_channels, n_times) → logits (n, n_classes).

    Three convolutions 1×L with L = half, a quarter and an eighth of `sfreq`, side by side, joined along time → BN;
    convolutions over all electrodes and over each half of them, joined along electrodes → BN; conv 3×1 → BN → mean
    over time → dense → ReLU → dropout → dense. Every convolution is followed by leaky ReLU and a mean pool along time
    (8 samples, 2, and 4).

    The first half of the electrodes must be the left hemisphere and the second half the right one, in the same order:
    `windows.pick(trimcap.data.electrodes.names.hemispheres(windows.channels))`, or the step
    `{name = "pick", names = "hemispheres"}` of a chain.

    Trainable parameters, with T, S, F = n_temporal, n_spatial, n_fusion, E = n_channels and lengths L₁, L₂, L₃:
    T·(L₁ + L₂ + L₃ + 3) + 2T + S·(T·(E + ⌊E/2⌋) + 2) + 2S + F·(3S + 1) + 2F + (F + 1)·hidden + (hidden + 1)·n_classes.

    Parameters
    ----------
    n_channels : number of electrodes, even
    sfreq : sampling rate that sets the kernels, Hz; the published sizes take 128 also for data of 200 Hz
    n_temporal, n_spatial, n_fusion : filters of the three stages

    Raises
    ------
    ValueError : an odd number of electrodes; a window shorter than the poolings.

    Shared parameters: `trimcap.models`.
    Source: Ding et al. (2022), TSception, IEEE Trans. Affective Computing; sizes as in Rao and Zhong (2023), IJCNN.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_classes: int,
        *,
        sfreq: float = 128.0,
        n_temporal: int = 15,
        n_spatial: int = 15,
        n_fusion: int = 15,
        hidden: int = 32,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        lengths = tuple(int(part * sfreq) for part in (0.5, 0.25, 0.125))
        _check(n_channels, n_times, lengths)
        half = n_channels // 2
        self.input_shape = (n_channels, n_times)
        self.temporal = nn.ModuleList(_block(1, n_temporal, (1, length), (1, 1), 8) for length in lengths)
        self.temporal_norm = nn.BatchNorm2d(n_temporal)
        self.whole = _block(n_temporal, n_spatial, (n_channels, 1), (1, 1), 2)
        self.halves = _block(n_temporal, n_spatial, (half, 1), (half, 1), 2)
        self.spatial_norm = nn.BatchNorm2d(n_spatial)
        self.fusion = _block(n_spatial, n_fusion, (3, 1), (1, 1), 4)
        self.fusion_norm = nn.BatchNorm2d(n_fusion)
        self.hidden = nn.Linear(n_fusion, hidden)
        self.activation = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        x = x.unsqueeze(1)
        x = self.temporal_norm(torch.cat([block(x) for block in self.temporal], dim=3))
        x = self.spatial_norm(torch.cat([self.whole(x), self.halves(x)], dim=2))
        x = self.fusion_norm(self.fusion(x)).squeeze(2).mean(2)
        return self.dense(self.dropout(self.activation(self.hidden(x))))  # type: ignore[no-any-return]


def _block(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int], pool: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride), nn.LeakyReLU(), nn.AvgPool2d((1, pool), (1, pool))
    )


def _check(n_channels: int, n_times: int, lengths: tuple[int, ...]) -> None:
    if n_channels % 2 or n_channels < 2:
        raise ValueError(
            f"TSCeption: {n_channels} electrodes can't be halved into hemispheres; pick pairs of electrodes with "
            "trimcap.data.electrodes.names.hemispheres(windows.channels), which leaves out the midline"
        )
    joined = sum((n_times - length + 1) // 8 for length in lengths)
    if min(n_times - length + 1 for length in lengths) < 8 or joined // 2 // 4 < 1:
        raise ValueError(
            f"TSCeption: windows of {n_times} samples are too short for kernels of {lengths} samples and the poolings; "
            f"use at least {max(lengths) + 63} samples or a lower `sfreq`"
        )
