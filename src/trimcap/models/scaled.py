"""A network together with the standardisation of its input."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn


class Scaled(nn.Module):
    """model((x − mean) / std): takes raw units (µV), so that an exported artifact does.

    Parameters
    ----------
    model : takes standardised windows
    mean, std : fitted on training rows, in the unit of the raw input; broadcast against one window, so
        (n_channels, 1) for raw windows and (n_bands, 1, 1) or (n_bands, rows, columns) for grids

    Both become float32 buffers: they are saved with the weights and never trained.

    Raises
    ------
    ValueError : a `std` is not above 0, or a value is not finite.
    """

    def __init__(self, model: nn.Module, mean: ArrayLike, std: ArrayLike) -> None:
        super().__init__()
        mean, std = np.asarray(mean, dtype=np.float32), np.asarray(std, dtype=np.float32)
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise ValueError(
                f"Scaled: mean must be finite and std above 0; got std {std.min():g} to {std.max():g}; "
                "a constant channel has std 0: drop it, or set its std to 1"
            )
        self.model = model
        self.register_buffer("mean", torch.from_numpy(mean.copy()))
        self.register_buffer("std", torch.from_numpy(std.copy()))
        shape = getattr(model, "input_shape", None)
        if shape is not None:
            self.input_shape = tuple(shape)

    mean: Tensor
    std: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        return self.model((x - self.mean) / self.std)  # type: ignore[no-any-return]
