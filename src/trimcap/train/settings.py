"""The settings of one training run: checked once, written into its checkpoint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from torch import Tensor, nn

from trimcap._errors import unknown
from trimcap.data.rows.lazy import pieces
from trimcap.data.windows import Windows
from trimcap.graph.module import hash_state as hash_state

#: what the best epoch is chosen by -> sign that makes lower better
MONITORS = {"loss": 1.0, "accuracy": -1.0, "balanced_accuracy": -1.0}


@dataclass(frozen=True)
class Settings:
    """Every setting of `fit` that the final weights depend on; see there for the meaning."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    optimizer: str | Callable[..., Any]
    schedule: str | Callable[..., Any] | None
    loss: str | Callable[..., Any]
    class_weights: str | Sequence[float] | None
    seed: int
    patience: int | None
    monitor: str
    device: str
    channels_last: bool | None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None or name != "patience":
                _need_whole(name, value)
            if value is not None and value < 1:
                raise ValueError(f"fit: {name} must be at least 1, got {value}")
        for name in ("learning_rate", "weight_decay"):
            if isinstance(value := getattr(self, name), bool) or not isinstance(value, Real):
                raise TypeError(f"fit: {name} is a number, got {value!r}")
        if not self.learning_rate > 0:
            raise ValueError(f"fit: learning_rate must be above 0, got {self.learning_rate}")
        _need_whole("seed", self.seed)
        if self.seed < 0:
            raise ValueError(f"fit: seed must be 0 or above, got {self.seed}")
        if self.monitor not in MONITORS:
            raise ValueError(unknown("monitor", self.monitor, MONITORS))

    def describe(self) -> dict[str, Any]:
        """The settings as JSON values; functions by their names."""
        return {field.name: describe(getattr(self, field.name)) for field in fields(self)}


def _need_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"fit: {name} is a whole number, got {value!r}")


def describe(value: Any) -> Any:
    """A JSON value that is the same for the same setting in another process."""
    if isinstance(value, partial):
        return {"function": describe(value.func)} | {k: describe(v) for k, v in sorted(value.keywords.items())}
    if isinstance(value, nn.Module):
        return hash_state(value)
    if isinstance(value, Tensor | np.ndarray):
        return describe(value.tolist())
    if isinstance(value, list | tuple):
        return [describe(v) for v in value]
    if callable(value):
        return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', type(value).__qualname__)}"
    return value


def hash_architecture(model: nn.Module) -> str:
    """SHA-256 of what `print(model)` shows, memory addresses left out."""
    return hashlib.sha256(re.sub(r"0x[0-9a-fA-F]+", "", repr(model)).encode()).hexdigest()


def hash_windows(windows: Windows) -> str:
    """SHA-256 over shape and bytes of X and y."""
    digest = hashlib.sha256(repr(windows.X.shape).encode())
    for X in pieces(windows.X):
        digest.update(np.ascontiguousarray(X).data)
    digest.update(np.ascontiguousarray(windows.y).data)
    return digest.hexdigest()
