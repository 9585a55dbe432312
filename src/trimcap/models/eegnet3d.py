"""EEGNet3D: inverted residuals with separable convolutions in space and time."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from trimcap._errors import unknown

#: channels of the blocks that meet the published parameter budgets (6.4 k, 14 k and 25 k)
BLOCKS = {"S": (8, 16), "M": (8, 12, 16, 24), "L": (20, 20, 24, 24)}


class EEGNet3D(nn.Module):
    """A film of the scalp through 3-D inverted residuals: (n, n_bands, rows, columns) → logits (n, n_classes).

    conv 3×3×3 (stride 2 in time) → BN → ReLU; per block: conv 1×1×1 (×expansion) → BN → ReLU → depthwise conv 3×3×3
    (stride 2 in time) → BN → ReLU → conv 1×1×1 → BN; then conv 1×1×1 → BN → ReLU → mean → dense. A block whose
    stride is 1 and whose width stays adds its input. No convolution has a bias.

    A reconstruction: the parameter budgets are the authors', the layers are not published.

    Trainable parameters, with t = expansion and block widths c₀ = stem, c₁ … c_m:
    27·stem + 2·stem + Σᵢ [t·cᵢ₋₁² + 27·t·cᵢ₋₁ + t·cᵢ₋₁·cᵢ + 4·t·cᵢ₋₁ + 2·cᵢ] + (c_m + 2)·head + (head + 1)·n_classes.

    Parameters
    ----------
    n_bands : frames of the film, as `frames` makes them; at least one for each halving of the time
    size : "S", "M" or "L", the published budgets; or block widths of one's own
    stem, head : channels of the first and the last convolution
    expansion : of the inverted residuals
    time_strides : stride of the stem and of each block in time; default 2 everywhere

    Shared parameters: `trimcap.models`.
    Source: Qiao, Alnemari and Bagherzadeh (2022), A two-stage efficient 3-D CNN framework for EEG based emotion
    recognition, arXiv:2208.00883 (budgets); Sandler et al. (2018), MobileNetV2, CVPR (blocks).
    """

    def __init__(
        self,
        n_bands: int,
        rows: int,
        columns: int,
        n_classes: int,
        *,
        size: str | Sequence[int] = "S",
        stem: int = 16,
        head: int = 32,
        expansion: int = 4,
        time_strides: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(size, str) and size not in BLOCKS:
            raise ValueError(f"EEGNet3D: {unknown('size', size, BLOCKS)}")
        widths = BLOCKS[size] if isinstance(size, str) else tuple(size)
        strides = (2,) * (len(widths) + 1) if time_strides is None else tuple(time_strides)
        if len(strides) != len(widths) + 1:
            raise ValueError(f"EEGNet3D: `time_strides` has {len(strides)} entries for a stem and {len(widths)} blocks")
        self.input_shape = (n_bands, rows, columns)
        self.stem = _norm(nn.Conv3d(1, stem, 3, stride=(strides[0], 1, 1), padding=1, bias=False))
        self.blocks = nn.Sequential(
            *(
                InvertedResidual(inputs, outputs, expansion=expansion, time_stride=stride)
                for inputs, outputs, stride in zip((stem, *widths[:-1]), widths, strides[1:], strict=True)
            )
        )
        self.head = _norm(nn.Conv3d((stem, *widths)[-1], head, 1, bias=False))
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(head, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        x = self.head(self.blocks(self.stem(x.unsqueeze(1))))
        return self.dense(self.flatten(self.pool(x)))  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """conv 1×1×1 → depthwise conv 3×3×3 → conv 1×1×1, batch norm after each, plus the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, time_stride: int) -> None:
        super().__init__()
        wide = expansion * inputs
        self.expand = _norm(nn.Conv3d(inputs, wide, 1, bias=False))
        stride = (time_stride, 1, 1)
        self.depthwise = _norm(nn.Conv3d(wide, wide, 3, stride=stride, padding=1, groups=wide, bias=False))
        self.project = nn.Sequential(nn.Conv3d(wide, outputs, 1, bias=False), nn.BatchNorm3d(outputs))
        self.adds = time_stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, frames, rows, columns) → (n, outputs, frames / stride, rows, columns)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y


def _norm(conv: nn.Conv3d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm3d(conv.out_channels), nn.ReLU())
