"""A trained-like float program per operation, with calibration windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trimcap.graph.trace.trace import trace
from trimcap.program.lower.lower import lower
from trimcap.program.program import Program


class Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def windows(*shape: int, n: int = 40, seed: int = 0, spread: float = 20.0) -> np.ndarray:
    """Gaussian windows, µV-sized."""
    return (spread * np.random.default_rng(seed).standard_normal((n, *shape))).astype(np.float32)


def program(model: nn.Module | Callable[[Tensor], Tensor], *shape: int, seed: int = 0) -> Program:
    """The float program of a module (re-initialised with `seed`) or function."""
    module = model if isinstance(model, nn.Module) else Function(model)
    torch.manual_seed(seed)
    for layer in module.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return lower(trace(module.eval(), torch.randn(2, *shape)))


KINDS: dict[str, tuple[nn.Module | Callable[[Tensor], Tensor], tuple[int, ...]]] = {
    "conv": (nn.Sequential(nn.Conv1d(6, 4, 3, padding=1), nn.Tanh()), (6, 32)),
    "depthwise": (nn.Sequential(nn.Conv1d(6, 12, 3, groups=6), nn.Tanh()), (6, 32)),
    "linear": (nn.Sequential(nn.Linear(32, 9), nn.Tanh()), (6, 32)),
    "table": (F.elu, (6, 32)),
    "avg_pool": (lambda x: F.avg_pool1d(x, 4), (6, 32)),
    "max_pool": (lambda x: F.max_pool1d(x, 4), (6, 32)),
    "mean": (lambda x: x.mean(-1), (6, 32)),
    "add": (lambda x: x[:, :3] + x[:, 3:], (6, 32)),
    "mul": (lambda x: x[:, :3] * x[:, 3:4], (6, 32)),
    "concat": (lambda x: torch.cat([x[:, 3:], x[:, :3]], 1), (6, 32)),
    "pad": (lambda x: F.pad(x, (1, 2)), (6, 32)),
    "permute": (lambda x: x.permute(0, 2, 1), (6, 32)),
    "slice": (lambda x: x[:, 1:, ::3], (6, 32)),
    "reshape": (lambda x: x.flatten(1), (6, 32)),
}
