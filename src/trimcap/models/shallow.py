"""ShallowConvNet: log-variance of learnt band-passed sources."""

from __future__ import annotations

from torch import Tensor, nn


class ShallowConvNet(nn.Module):
    """ShallowConvNet on raw windows: (n, n_channels, n_times) → logits (n, n_classes).

    conv 1×kernel → conv n_channels×1 (no bias) → BN → square → mean pool along time → log(max(·, 1e-6)) → dropout →
    dense over all pooled samples. Nothing non-linear lies between the convolutions, so the exact rewrite to
    spatial-before-temporal applies.

    Trainable parameters, with P pooled samples: F·(kernel + 1) + F²·n_channels + 2F + (F·P + 1)·n_classes,
    P = ⌊(n_times − kernel + 1 − pool) / stride⌋ + 1.

    Parameters
    ----------
    filters : F, temporal and spatial filters
    pool, stride : samples that are averaged, and their distance

    Raises
    ------
    ValueError : the window is shorter than one pooled sample.

    Shared parameters: `trimcap.models`.
    Source: Schirrmeister et al. (2017), Deep learning with convolutional neural networks for EEG decoding and
    visualization, Human Brain Mapping 38:5391-5420; 250 Hz.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_classes: int,
        *,
        filters: int = 40,
        kernel: int = 25,
        pool: int = 75,
        stride: int = 15,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        pooled = (n_times - kernel + 1 - pool) // stride + 1
        if pooled < 1:
            raise ValueError(
                f"ShallowConvNet: windows of {n_times} samples are too short for a kernel of {kernel} and pools of "
                f"{pool}; use at least {kernel + pool - 1} samples, or a smaller `kernel` or `pool`"
            )
        self.input_shape = (n_channels, n_times)
        self.temporal = nn.Conv2d(1, filters, (1, kernel))
        self.spatial = nn.Conv2d(filters, filters, (n_channels, 1), bias=False)
        self.norm = nn.BatchNorm2d(filters)
        self.pool = nn.AvgPool2d((1, pool), (1, stride))
        self.dropout = nn.Dropout(dropout)
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(filters * pooled, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        x = self.norm(self.spatial(self.temporal(x.unsqueeze(1))))
        x = self.pool(x.square()).clamp(min=1e-6).log()
        return self.dense(self.flatten(self.dropout(x)))  # type: ignore[no-any-return]
