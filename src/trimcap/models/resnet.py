"""ResNet-18, -34 and -50 for images."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
_WIDTHS = (64, 128, 256, 512)


class ResNet(nn.Module):
    """Residual network: (n, n_bands, rows, columns) → logits (n, n_classes).

    conv 7×7 (stride 2) → BN → ReLU → maximum pool 3 (stride 2); four stages of residual blocks, the first block of the
    later ones with stride 2; mean → dense. Blocks of 18 and 34 layers have two conv 3×3, those of 50 conv 1×1, 3×3
    and 1×1 (×4). An input of another shape is added through a conv 1×1 → BN.

    Trainable parameters with 3 bands and 1000 classes: 11,689,512 (18), 21,797,672 (34), 25,557,032 (50).

    Parameters
    ----------
    n_bands : 3 for colour images
    rows, columns : of the image
    depth : 18, 34 or 50
    widths : of the four stages
    small : for images of 32×32: conv 3×3 (stride 1) and no pooling at the start

    Shared parameters: `trimcap.models`.
    Source: He et al. (2016), Deep residual learning for image recognition, CVPR.
    """

    def __init__(
        self,
        n_bands: int,
        rows: int,
        columns: int,
        n_classes: int,
        *,
        depth: int = 18,
        widths: Sequence[int] = _WIDTHS,
        small: bool = False,
    ) -> None:
        super().__init__()
        if depth not in _STAGES:
            raise ValueError(f"ResNet: depth is {depth}; it must be one of {', '.join(map(str, _STAGES))}")
        if len(widths) != len(_WIDTHS):
            raise ValueError(f"ResNet: `widths` has {len(widths)} entries; the network has {len(_WIDTHS)} stages")
        self.input_shape = (n_bands, rows, columns)
        growth = 4 if depth == 50 else 1
        self.stem = _stem(n_bands, widths[0], small=small)
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, (count, width) in enumerate(zip(_STAGES[depth], widths, strict=True)):
            for index in range(count):
                stride = 2 if stage and not index else 1
                blocks.append(Residual(inputs, width, growth=growth, stride=stride))
                inputs = width * growth
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(inputs, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        return self.dense(self.flatten(self.pool(self.blocks(self.stem(x)))))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """relu(x + f(x)); f is two conv 3×3, or with `growth` > 1 conv 1×1, 3×3 and 1×1, each with batch norm."""

    def __init__(self, inputs: int, width: int, *, growth: int, stride: int) -> None:
        super().__init__()
        outputs = width * growth
        if growth == 1:
            layers = [*_conv(inputs, width, 3, stride), nn.ReLU(), *_conv(width, outputs, 3)]
        else:
            layers = [*_conv(inputs, width, 1), nn.ReLU(), *_conv(width, width, 3, stride), nn.ReLU()]
            layers += _conv(width, outputs, 1)
        self.layers = nn.Sequential(*layers)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(*_conv(inputs, outputs, 1, stride))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, rows, columns) → (n, width · growth, rows / stride, columns / stride)."""
        return self.activation(self.layers(x) + self.shortcut(x))  # type: ignore[no-any-return]


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


def _stem(n_bands: int, width: int, *, small: bool) -> nn.Sequential:
    if small:
        return nn.Sequential(*_conv(n_bands, width, 3), nn.ReLU())
    return nn.Sequential(*_conv(n_bands, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
